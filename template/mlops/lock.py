"""Prevents two commands on this machine from doing the same work at the same time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mlops.errors import RunFailedError


@contextmanager
def alone(file: Path, refusal: str) -> Iterator[None]:
    """Hold a lock for the duration of the block; the operating system releases it if the process is killed.

    Raises:
        RunFailedError: another process holds it; the message is the refusal.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as handle:
        if not _lock(handle):
            raise RunFailedError(refusal)
        yield


def _lock(handle: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
