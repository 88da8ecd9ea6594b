"""Keeps resources as the JSON documents that the REST API shows, one file each."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

Document = dict[str, Any]


class Documents:
    """Documents by their path below the workspace, such as `data/labels/versions/1`."""

    def __init__(self, root: Path):
        self._root = root

    def get(self, path: str) -> Document | None:
        """Return a document, or None."""
        file = self._file(path)
        try:
            content: Document = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def put(self, path: str, document: Document) -> None:
        """Replace a document at once."""
        file = self._file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(document, stream, indent=1)
        Path(name).replace(file)

    def delete(self, path: str) -> None:
        """Delete a document and everything below it."""
        file = self._file(path)
        file.unlink(missing_ok=True)
        folder = file.with_suffix("")
        for below in sorted(folder.rglob("*"), reverse=True):
            below.rmdir() if below.is_dir() else below.unlink()

    def names(self, collection: str) -> list[str]:
        """Return the names in a collection, such as `data/labels/versions`, the oldest first.

        A name without a document of its own, such as that of an asset that has versions, is among them.
        """
        folder = self._file(collection).with_suffix("")
        entries = [entry for entry in folder.glob("*") if not entry.name.startswith(".")]
        ordered = sorted(entries, key=lambda entry: entry.stat().st_ctime_ns)
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
