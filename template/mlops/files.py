"""Writes files atomically: a killed run leaves the old content or the new, never half of it."""

import json
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops.errors import RunFailedError


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Replace a file's content atomically; its permissions stay, and only the owner can read a private file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with open(writing, "x", encoding="utf-8", opener=_private if private else None) as file:
            file.write(text)
        if path.exists() and not private:
            writing.chmod(stat.S_IMODE(path.stat().st_mode))
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)


def write_json(path: Path, content: Any, private: bool = False) -> None:
    """Replace a JSON file's content atomically."""
    write_text(path, json.dumps(content, indent=2, default=str) + "\n", private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunFailedError: it is damaged; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFailedError(
            f"{path} is damaged: {error}. Delete it and run the command again; `rm -r .azureml-local` starts anew."
        ) from error


def replace_folder(new: Path, target: Path) -> None:
    """Replace a folder by another one of the same file system.

    A kill between the two renames leaves the old folder beside its place: the next call, or `restored`, moves it back.
    Commands that replace the same folder at the same time do so one after the other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent):
        _put_back(target)
        old = _put_aside(target)
        if target.exists():
            target.replace(old)
        new.replace(target)
        shutil.rmtree(old, ignore_errors=True)


def restored(target: Path) -> Path:
    """Return a folder; restore it first if a replacement was interrupted."""
    if target.parent.exists():
        with locked(target.parent):
            _put_back(target)
    return target


def _put_back(target: Path) -> None:
    old = _put_aside(target)
    if old.exists() and not target.exists():
        old.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _put_aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes and threads; the lock of a process that dies is released.

    The lock is not reentrant: a holder that locks again waits for ever.
    """
    if sys.platform == "win32":
        # Windows cannot lock folders. The laptop's commands need WSL there, and Azure's commands write few files.
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
