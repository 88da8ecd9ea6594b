"""Pieces of template that are rendered once for each distinct combination of the values they read."""

from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from copier._main import Worker
from jinja2 import Environment, meta, nodes


@cache
def environment(template: Path) -> Environment:
    """The very Jinja environment that Copier renders this template with, but it compiles each text once."""
    jinja = Worker(src_path=str(template), dst_path=template / "nowhere").jinja_env
    jinja.from_string = cache(jinja.from_string)
    return jinja


class Snippet:
    """A piece of template: what it reads is found in its syntax tree, so a branch not taken counts as well."""

    def __init__(self, source: str, template: Path) -> None:
        self._compiled = environment(template).from_string(source)
        self.reads = tuple(sorted(_read(source, environment(template)) - environment(template).globals.keys()))
        self._rendered: dict[tuple[Hashable, ...], str] = {}

    def __call__(self, values: Mapping[str, Any]) -> str:
        key = tuple(_key(values[name]) for name in self.reads)
        if key not in self._rendered:
            self._rendered[key] = self._compiled.render(values)
        return self._rendered[key]

    def __len__(self) -> int:
        """How many distinct combinations were rendered."""
        return len(self._rendered)


def _read(source: str, jinja: Environment) -> set[str]:
    """The names a template takes from its context; macros of other files take none, included files take theirs."""
    tree = jinja.parse(source)
    names = meta.find_undeclared_variables(tree)
    for included in _included(tree):
        names |= _read(jinja.loader.get_source(jinja, included)[0], jinja)
    return names


def _included(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport)):
        if node.with_context:
            assert isinstance(node.template, nodes.Const), "which file is read has to be known beforehand"
            yield node.template.value


def _key(value: Any) -> Hashable:
    """A value to compare by: one and True, or a list and its text, are not the same."""
    return (type(value), value if isinstance(value, Hashable) else repr(value))
