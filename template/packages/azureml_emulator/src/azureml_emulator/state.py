"""Stores resources as the JSON documents of the REST API, one file each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from azureml_emulator.files import create_text, read_json, write_text

Document = dict[str, Any]


class Documents:
    """Documents by their path below the workspace, such as `data/labels/versions/1`.

    Several processes read and write at the same time: a document is replaced as a whole, and of two processes that
    create the same document only one does.
    """

    def __init__(self, root: Path):
        self._root = root

    def get(self, path: str) -> Document | None:
        """Return a document, or None.

        Raises:
            EmulatorError: its file is damaged.
        """
        try:
            content: Document = read_json(self._file(path))
        except FileNotFoundError:
            return None
        return content

    def put(self, path: str, document: Document) -> None:
        """Replace a document atomically."""
        write_text(self._file(path), json.dumps(document, indent=1))

    def create(self, path: str, document: Document) -> bool:
        """Store a document unless it exists, and return whether it was stored."""
        return create_text(self._file(path), json.dumps(document, indent=1))

    def delete(self, path: str) -> None:
        """Delete a document and everything below it."""
        file = self._file(path)
        file.unlink(missing_ok=True)
        folder = file.with_suffix("")
        for below in sorted(folder.rglob("*"), reverse=True):
            below.rmdir() if below.is_dir() else below.unlink(missing_ok=True)

    def names(self, collection: str) -> list[str]:
        """Return the names in a collection, such as `data/labels/versions`, the oldest first.

        This includes names without a document of their own, such as that of an asset with versions.
        """
        folder = self._file(collection).with_suffix("")
        entries = [entry for entry in folder.glob("*") if not entry.name.startswith(".")]
        ordered = sorted(entries, key=_changed)
        return list(dict.fromkeys(unquote(entry.name.removesuffix(".json")) for entry in ordered))

    def all(self, collection: str) -> Iterator[tuple[str, Document]]:
        """Yield every document of a collection with its name, the oldest first."""
        for name in self.names(collection):
            document = self.get(f"{collection}/{quote(name, safe='')}")
            if document is not None:
                yield name, document

    def _file(self, path: str) -> Path:
        *above, name = path.strip("/").split("/")
        return self._root.joinpath(*above) / f"{name}.json"


def _changed(entry: Path) -> int:
    try:
        return entry.stat().st_ctime_ns
    except FileNotFoundError:
        return 0
