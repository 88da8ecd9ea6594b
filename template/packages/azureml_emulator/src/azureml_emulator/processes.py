"""Child processes that do not outlive the command that started them."""

import shutil

import psutil


def bound_to_parent(command: list[str]) -> list[str]:
    """Return a command that is killed when its parent is, however that happens.

    Linux can do that; elsewhere a step that was running goes on to its end, and does no harm: what it writes is not
    read by a run that starts anew.
    """
    binder = shutil.which("setpriv")
    return [binder, "--pdeathsig", "KILL", *command] if binder else command


def started_at(pid: int) -> float:
    """Return when a process was started, 0 if there is none.

    In a container numbers start again at 1: only with its start a number tells which process it is.
    """
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def is_alive(pid: int, started: float) -> bool:
    """Return whether a process that was started then is still there; a file of an older version does not say when."""
    now = started_at(pid)
    return now > 0 and (not started or abs(now - started) < 1.0)
