"""Starts child processes that do not outlive the command that started them."""

import shutil

import psutil


def bound_to_parent(command: list[str]) -> list[str]:
    """Return a command that is killed when its parent ends, even if that is killed.

    Only Linux supports this. Elsewhere a running step continues to its end and does no harm: a new run does not read
    its output.
    """
    binder = shutil.which("setpriv")
    return [binder, "--pdeathsig", "KILL", *command] if binder else command


def started_at(pid: int) -> float:
    """Return the start time of a process, 0 if there is none.

    In a container numbers start again at 1: only number and start time together identify a process.
    """
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def is_alive(pid: int, started: float) -> bool:
    """Return whether the process with this start time still exists; files of older versions have no start time."""
    now = started_at(pid)
    return now > 0 and (not started or abs(now - started) < 1.0)
