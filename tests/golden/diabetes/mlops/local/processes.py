"""Child processes that do not outlive the command that started them."""

import shutil


def bound_to_parent(command: list[str]) -> list[str]:
    """Return a command that is killed when its parent is, however that happens.

    Linux can do that; elsewhere a step that was running goes on to its end, and does no harm: what it writes is not
    read by a run that starts anew.
    """
    binder = shutil.which("setpriv")
    return [binder, "--pdeathsig", "KILL", *command] if binder else command
