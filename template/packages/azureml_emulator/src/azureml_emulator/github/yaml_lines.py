"""Reads YAML as GitHub does, with the file, line and key of every value."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from azureml_emulator.errors import EmulatorError
from azureml_emulator.github.syntax import ExpressionError
from azureml_emulator.github.values import to_text

PLAIN_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))
# The plain scalars that YAML's core schema reads as another type than text, and GitHub's output for them.
NULLS = ("", "~", "null", "Null", "NULL")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
NUMBER = re.compile(
    r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|0x[0-9a-fA-F]+|0o[0-7]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
SIMPLE_KEY = re.compile(r"[\w-]+", re.ASCII)

Read = TypeVar("Read")


@dataclass(frozen=True)
class Field:
    """A value in a workflow's YAML with its place."""

    node: yaml.Node
    file: str
    line: int
    key: str

    def refuse(self, why: str) -> NoReturn:
        """Raise an error with the reason and the place.

        Raises:
            EmulatorError: always.
        """
        raise EmulatorError(f"{self.file}, line {self.line}, {self.key or 'the whole file'}: {why}")

    def parsed(self, parse: Callable[[str], Read]) -> Read:
        """Return the result of a parser for this text, and add the place to its error."""
        try:
            return parse(self.text())
        except ExpressionError as error:
            self.refuse(str(error))

    def text(self) -> str:
        """Return a scalar as GitHub does: `1.10` and `True`, unquoted, would become `1.1` and `true` there."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.refuse("a text is expected here")
        text = str(self.node.value)
        if self.node.style is None and text in NULLS:
            return ""
        if self.node.style is None and (BOOLEAN.fullmatch(text) or NUMBER.fullmatch(text)):
            printed = text.lower() if BOOLEAN.fullmatch(text) else _printed(text)
            if printed != text:
                self.refuse(f"without quotes, GitHub reads {text} as another text: write '{text}' or {printed}")
        return text

    @property
    def is_scalar(self) -> bool:
        """Return whether this is one value, neither a list nor a mapping."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_mapping(self) -> bool:
        """Return whether this is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_empty(self) -> bool:
        """Return whether the key has no value."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.style is None and self.node.value in NULLS

    def mapping(self) -> dict[str, "Field"]:
        """Return a mapping's values; an empty value is an empty mapping."""
        if self.is_empty:
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            self.refuse("a mapping is expected here")
        fields: dict[str, Field] = {}
        for key, value in self.node.value:
            name, line = str(key.value), key.start_mark.line + 1
            step = f".{name}" if SIMPLE_KEY.fullmatch(name) else f"[{name!r}]"
            found = Field(value, self.file, line, f"{self.key}{step}".removeprefix("."))
            if not isinstance(key, yaml.ScalarNode) or name == "<<" or "${{" in name:
                found.refuse("the emulator does not evaluate keys")
            if name.upper() in map(str.upper, fields):
                found.refuse("this key is there twice")
            found.check_tag()
            fields[name] = found
        return fields

    def known(self, keys: Collection[str], refused: dict[str, str]) -> dict[str, "Field"]:
        """Return a mapping's values, and refuse every key that is not known."""
        fields = self.mapping()
        for name, found in fields.items():
            if name not in keys:
                found.refuse(refused.get(name, "the emulator does not know this key"))
        return fields

    def items(self) -> list["Field"]:
        """Return a list's values; a single value is a list of one."""
        if self.is_scalar:
            return [] if self.is_empty else [self]
        if not isinstance(self.node, yaml.SequenceNode):
            self.refuse("a list is expected here")
        values = enumerate(self.node.value)
        found = [Field(node, self.file, node.start_mark.line + 1, f"{self.key}[{at}]") for at, node in values]
        for item in found:
            item.check_tag()
        return found

    def check_tag(self) -> None:
        """Refuse a YAML tag: an unquoted `!cancelled()` is one."""
        if self.node.tag not in PLAIN_TAGS:
            self.refuse(f"{self.node.tag} is a YAML tag: put the value in quotes")


def read_yaml(file: Path, root: Path) -> Field:
    """Read a workflow; its name in messages is relative to the project.

    Raises:
        EmulatorError: the file is not valid YAML.
    """
    name = file.relative_to(root).as_posix()
    try:
        # BaseLoader reads every plain scalar as text; YAML 1.1 reads the key `on` as a boolean.
        node: Any = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except UnicodeDecodeError as error:
        raise EmulatorError(f"{name}, line 1: the file is not UTF-8: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise EmulatorError(f"{name}, line {line}: this is not valid YAML: {error}") from error
    if node is None:
        raise EmulatorError(f"{name}, line 1: the file is empty")
    return Field(node, name, node.start_mark.line + 1, "")


def _printed(text: str) -> str:
    try:
        return to_text(float(text))
    except ValueError:
        return "a number in decimal digits"
