"""Writes files atomically: a killed process leaves the old content or the new one, never half of it."""

import errno
import json
import os
import uuid
from pathlib import Path
from typing import Any

from azureml_emulator.errors import EmulatorError

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Replace a file's content atomically; only the owner can read a private file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = _written(path, text, private)
    try:
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)


def create_text(path: Path, text: str) -> bool:
    """Write a file unless it exists, and return whether it was written: of simultaneous calls, only one writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = _written(path, text, private=False)
    try:
        os.link(writing, path)
    except FileExistsError:
        return False
    except OSError as error:
        # Some file systems have no hard links: there two that create at the very same moment may both succeed.
        if error.errno not in NO_LINKS:
            raise
        if path.exists():
            return False
        writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)
    return True


def write_json(path: Path, content: Any, private: bool = False) -> None:
    """Replace a JSON file's content atomically."""
    write_text(path, json.dumps(content, indent=1, default=str) + "\n", private)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        EmulatorError: it is damaged; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EmulatorError(
            f"{path} is damaged: {error}. Delete it and run the command again; `rm -r .azureml-local` starts anew."
        ) from error


def log_tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, empty if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _written(path: Path, text: str, private: bool) -> Path:
    writing = path.with_name(f".{path.name[:100]}-{uuid.uuid4().hex}")
    with open(writing, "x", encoding="utf-8", opener=_private if private else None) as file:
        file.write(text)
    return writing


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
