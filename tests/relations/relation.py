"""What a relation between a project's files is."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import yaml

Files = Mapping[str, bytes]
Find = Callable[[Files, frozenset[str]], list[str]]


@dataclass(frozen=True)
class Relation:
    """Something that has to hold between files.

    Attributes:
        reads: patterns of the files whose contents it depends on; `find` gets these and no others.
        names: whether it depends on which files there are as well, its second argument.
        find: what is wrong, as sentences "path: what", from contents by path and from all the project's paths.
    """

    name: str
    reads: tuple[str, ...]
    names: bool
    find: Find

    def paths(self, names: frozenset[str]) -> tuple[str, ...]:
        """Which of a project's files it reads."""
        return _matching(self.reads, names)


@cache
def _matching(patterns: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)))


def relation(*reads: str, names: bool = False) -> Callable[[Find], Relation]:
    """Make a relation of a function."""
    return lambda find: Relation(find.__name__, reads, names, _in_a_sentence(find, reads))


def _in_a_sentence(find: Find, reads: tuple[str, ...]) -> Find:
    """A file that does not even have what a relation asks for is wrong as well, rather than the end of the run."""

    def found(files: Files, names: frozenset[str]) -> list[str]:
        try:
            return find(files, names)
        except Exception as error:  # whatever comes of a file that is not as it should be
            return [f"{', '.join(reads)}: {find.__name__}: {type(error).__name__}: {' '.join(str(error).split())}"]

    return found


@cache
def parsed(content: bytes) -> Any:
    """What a YAML or JSON file says; treat it as immutable, it is shared."""
    return yaml.load(content, yaml.CSafeLoader)


@cache
def imported(source: bytes) -> frozenset[str]:
    """The modules that a Python file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return frozenset(found)


def under(files: Files, folder: str) -> dict[str, Any]:
    """The parsed YAML files of a folder, by path."""
    return {
        path: parsed(content) for path, content in files.items() if path.startswith(folder) and path.endswith(".yml")
    }


def beside(path: str, relative: str) -> str:
    """A path that stands in a file, from the project's folder."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / relative).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
