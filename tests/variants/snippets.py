"""Pieces of template that are rendered once for each distinct combination of the values that they read."""

from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from copier._main import Worker
from jinja2 import Environment, meta, nodes


@cache
def environment(template: Path) -> Environment:
    """Return the Jinja environment that Copier uses for this template, with a cache of compiled texts."""
    jinja = Worker(src_path=str(template), dst_path=template / "nowhere").jinja_env
    jinja.from_string = cache(jinja.from_string)
    return jinja


class Snippet:
    """A piece of template. Its inputs come from its syntax tree, so they include those of untaken branches."""

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
        """Return the number of distinct combinations that were rendered."""
        return len(self._rendered)


def _read(source: str, jinja: Environment) -> set[str]:
    """Return the names that a template reads from its context. Imported macros add none, included files do."""
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
    """Return a value for comparison: 1 and True differ, and so do a list and its text."""
    return (type(value), value if isinstance(value, Hashable) else repr(value))
