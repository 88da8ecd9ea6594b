"""Reads the files that a step writes for GitHub: its outputs, environment variables and additions to the path."""

from collections.abc import Iterator
from pathlib import Path


class CommandFileError(Exception):
    """GitHub cannot read a file that the step wrote: the step has failed."""


def read_pairs(file: Path) -> dict[str, str]:
    """Read `NAME=VALUE` lines, and values of several lines between `NAME<<END` and `END`.

    Raises:
        CommandFileError: a line is neither.
    """
    if not file.exists():
        return {}
    lines = iter(file.read_text(encoding="utf-8", errors="replace").split("\n"))
    pairs = {}
    for line in filter(None, lines):
        name, equals, value = line.partition("=")
        if not equals or "<<" in name:
            name, heredoc, end = line.partition("<<")
            if not (name and heredoc and end):
                raise CommandFileError(f"{file.name} has a line that is neither NAME=VALUE nor NAME<<END: {line}")
            value = "\n".join(_until(end, lines, file))
        if not name or "\0" in name + value:
            raise CommandFileError(f"{file.name} has an empty name or a null character: {line}")
        pairs[name] = value
    return pairs


def _until(end: str, lines: Iterator[str], file: Path) -> list[str]:
    value: list[str] = []
    for line in lines:
        if line == end:
            return value
        value.append(line)
    raise CommandFileError(f"{file.name} lacks the line {end} that ends a value")


def read_paths(file: Path) -> list[str]:
    """Read the folders that were added to the path; the last one is searched first."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    return [line for line in reversed(lines) if line]
