"""Defines a relation between a project's files."""

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
    """A condition that must hold between files.

    Attributes:
        reads: patterns of the files whose content it depends on; `find` gets only these files.
        names: whether it also depends on the list of the project's paths, the second argument of `find`.
        find: returns errors as "path: error", from file contents by path and from all the project's paths.
    """

    name: str
    reads: tuple[str, ...]
    names: bool
    find: Find

    def paths(self, names: frozenset[str]) -> tuple[str, ...]:
        """Return the files of a project that the relation reads."""
        return _matching(self.reads, names)


@cache
def _matching(patterns: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)))


def relation(*reads: str, names: bool = False) -> Callable[[Find], Relation]:
    """Return a decorator that makes a relation of a function."""
    return lambda find: Relation(find.__name__, reads, names, _in_a_sentence(find, reads))


def _in_a_sentence(find: Find, reads: tuple[str, ...]) -> Find:
    """Report a file without the expected content as an error, instead of stopping the run."""

    def found(files: Files, names: frozenset[str]) -> list[str]:
        try:
            return find(files, names)
        except Exception as error:  # a wrong file may raise anything
            return [f"{', '.join(reads)}: {find.__name__}: {type(error).__name__}: {' '.join(str(error).split())}"]

    return found


@cache
def parsed(content: bytes) -> Any:
    """Return the content of a YAML or JSON file. Treat it as immutable: it is shared."""
    return yaml.load(content, yaml.CSafeLoader)


@cache
def imported(source: bytes) -> frozenset[str]:
    """Return the modules that a Python file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return frozenset(found)


def under(files: Files, folder: str) -> dict[str, Any]:
    """Return the parsed YAML files of a folder, by path."""
    return {
        path: parsed(content) for path, content in files.items() if path.startswith(folder) and path.endswith(".yml")
    }


def beside(path: str, relative: str) -> str:
    """Return a path in a file relative to the project's folder."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / relative).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)
