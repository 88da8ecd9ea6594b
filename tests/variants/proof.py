"""Validates projects: each file once per distinct content, and the relations between files in every project."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from variants.relations import RELATIONS, Relation
from variants.validators import problems


@dataclass
class Proof:
    """The results for all projects so far; `folder` contains the last project with a new file.

    Contents are compared by identity: equal content must be the same object in every project, and must stay alive.
    """

    folder: Path
    projects: int = 0
    _on_disk: dict[str, bytes] = field(default_factory=dict)
    _of_files: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    _of_relations: dict[Hashable, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        distinct = f"{len(self._of_files)} distinct files, {len(self._of_relations)} distinct relations"
        return f"{self.projects} projects, {distinct}"

    def look_at(self, files: Mapping[str, bytes]) -> list[str]:
        """Return the errors of a project."""
        self.projects += 1
        new = [path for path, content in files.items() if (path, id(content)) not in self._of_files]
        if new:
            self._write(files)
            found = problems(self.folder, new)
            for path in new:
                own = [sentence for sentence in found if sentence.startswith(f"{path}:")]
                self._of_files[path, id(files[path])] = own
                found = [sentence for sentence in found if sentence not in own]
            assert not found, f"errors without a file name: {found}"
        of_files = [sentence for path, content in files.items() for sentence in self._of_files[path, id(content)]]
        names = frozenset(files)
        return of_files + [sentence for relation in RELATIONS for sentence in self._relate(relation, files, names)]

    def _relate(self, relation: Relation, files: Mapping[str, bytes], names: frozenset[str]) -> list[str]:
        read = relation.paths(names)
        key = (relation.name, names if relation.names else read, tuple(id(files[path]) for path in read))
        if key not in self._of_relations:
            self._of_relations[key] = relation.find({path: files[path] for path in read}, names)
        return self._of_relations[key]

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Make the folder contain exactly these files; only the changes are written."""
        for path in self._on_disk.keys() - files.keys():
            (self.folder / path).unlink()
        for path, content in files.items():
            if self._on_disk.get(path) is not content:
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_bytes(content)
        for folder in sorted(self.folder.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._on_disk = dict(files)
