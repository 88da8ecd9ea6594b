"""Writing files so that a run that is killed anywhere leaves the old content or the new, never half of it."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Replace a file's content at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file's content at once."""
    write_text(path, json.dumps(content, indent=2, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in a target's place; it must be on the same file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = new.with_name(new.name + ".old")
    if target.exists():
        target.replace(old)
    new.replace(target)
    shutil.rmtree(old, ignore_errors=True)
