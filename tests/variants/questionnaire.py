"""The questions of copier.yml: their choices for the answers so far, and the computed values."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from copier._user_data import CAST_STR_TO_NATIVE

from variants.snippets import Snippet

Answers = Mapping[str, Any]


class Questionnaire:
    """Evaluates the questions like Copier, for every possible sequence of choices."""

    def __init__(self, template: Path) -> None:
        self.template = template
        content = yaml.safe_load((template / "copier.yml").read_text(encoding="utf-8"))
        self.settings = {name: value for name, value in content.items() if name.startswith("_")}
        self.details = {name: details for name, details in content.items() if name not in self.settings}
        self._questions = [_Question(name, details, template) for name, details in self.details.items()]

    @cached_property
    def with_choices(self) -> tuple[str, ...]:
        """Return the questions with choices, including yes or no, visible or hidden."""
        return tuple(question.name for question in self._questions if question.has_choices)

    def variants(self, branching: Collection[str] | None = None, **given: Any) -> Iterator[Answers]:
        """Return the values of every combination of choices; questions without choices keep the default.

        A skipped question has its default as value, as in Copier; `asked` removes it.
        """
        branching = self.with_choices if branching is None else branching
        yield from self._walk({}, 0, branching, given)

    def _walk(self, values: dict[str, Any], at: int, branching: Collection[str], given: Answers) -> Iterator[Answers]:
        if at == len(self._questions):
            yield dict(values)
            return
        question = self._questions[at]
        asked = question.is_asked(values)
        if asked and question.name in given:
            offered = [given[question.name]]
        elif asked and question.has_choices and question.name in branching:
            offered = question.choices(values)
        else:
            offered = [question.default(values)]
        for value in offered:
            values[question.name] = value
            yield from self._walk(values, at + 1, branching, given)
        del values[question.name]

    def decides(self, name: str) -> frozenset[str]:
        """Return a question and every value that is computed from its answer."""
        decided = {name}
        for question in self._questions:  # a value depends only on earlier ones
            if not question.is_always_asked and decided.intersection(question.reads):
                decided.add(question.name)
        return frozenset(decided)

    def asked(self, values: Answers) -> dict[str, Any]:
        """Return the answers as Copier records them, without computed values and skipped questions."""
        return {question.name: values[question.name] for question in self._questions if question.is_asked(values)}


class _Question:
    def __init__(self, name: str, details: Mapping[str, Any], template: Path) -> None:
        self.name = name
        self._type = details["type"]
        self._values: dict[tuple[str, str], Any] = {}
        self._when = Snippet(str(details.get("when", True)), template)
        self._default = Snippet(str(details["default"]), template)
        self.is_always_asked = self._when.reads == () and self.is_asked({})
        self.reads = self._when.reads + self._default.reads
        offered = [False, True] if self._type == "bool" else details.get("choices")
        self.has_choices = offered is not None
        self._choices = Snippet(
            offered if isinstance(offered, str) else yaml.safe_dump(offered, sort_keys=False), template
        )

    def is_asked(self, values: Answers) -> bool:
        return bool(self._parsed("bool", self._when(values)))

    def default(self, values: Answers) -> Any:
        return self._cast(self._default(values))

    def choices(self, values: Answers) -> list[Any]:
        """Return the choices; their order does not matter, and the labels are only shown."""
        offered = self._parsed("yaml", self._choices(values))
        return list(offered.values() if isinstance(offered, dict) else offered)

    def _cast(self, text: str) -> Any:
        return self._parsed(self._type, text)

    def _parsed(self, kind: str, text: str) -> Any:
        """Return the value of a text, always the same object for the same text."""
        if (kind, text) not in self._values:
            self._values[kind, text] = CAST_STR_TO_NATIVE[kind](text)
        return self._values[kind, text]
