"""Renders projects in memory: each file once per distinct values that it reads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from projects import ANSWERS
from variants.questionnaire import Answers, Questionnaire
from variants.snippets import Snippet

SUFFIX = ".jinja"
ANSWERS_SOURCE = "{{ _copier_conf.answers_file }}.jinja"


class Renderer:
    """Renders projects of one template in memory; `files` of a variant equal the files of `copier copy`."""

    def __init__(self, questionnaire: Questionnaire) -> None:
        self._questionnaire = questionnaire
        folder = questionnaire.template / questionnaire.settings["_subdirectory"]
        sources = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self._answers = self._snippet(sources.pop(ANSWERS_SOURCE))
        self._static = {name: path.read_bytes() for name, path in sources.items() if not name.endswith(SUFFIX)}
        self._rendered = {
            name.removesuffix(SUFFIX): self._snippet(path) for name, path in sources.items() if name.endswith(SUFFIX)
        }
        templated = [name for name in self.paths if "{{" in name or "{%" in name]
        assert not templated, f"_exclude decides about files, not their names: {templated}"
        self._exclude = [Snippet(entry, questionnaire.template) for entry in questionnaire.settings["_exclude"]]
        self._excluded: dict[str, frozenset[str]] = {}
        self._encoded: dict[str, bytes] = {}

    def _snippet(self, path: Path) -> Snippet:
        return Snippet(path.read_text(encoding="utf-8"), self._questionnaire.template)

    @property
    def paths(self) -> frozenset[str]:
        """Return every file that a project can have, except for its answers file."""
        return frozenset(self._static) | frozenset(self._rendered)

    @property
    def renders(self) -> int:
        """Return the number of rendered files so far."""
        return sum(len(snippet) for snippet in self._rendered.values())

    def excluded(self, values: Answers) -> frozenset[str]:
        """Return the excluded files of this project."""
        return frozenset().union(*(self._matched(entry(_copying(values))) for entry in self._exclude))

    def files(self, values: Answers) -> dict[str, bytes]:
        """Return every file of the project with its content, except for the answers file."""
        left_out = self.excluded(values)
        files = {path: content for path, content in self._static.items() if path not in left_out}
        for path, snippet in self._rendered.items():
            if path not in left_out:
                files[path] = self._bytes(snippet(values))
        return files

    def answers_file(self, values: Answers) -> dict[str, bytes]:
        """Return the answers file, which differs in every project."""
        text = self._answers._compiled.render(_copier_answers=self._questionnaire.asked(values))
        return {ANSWERS: text.encode()}

    def _matched(self, patterns: str) -> frozenset[str]:
        if patterns not in self._excluded:
            self._excluded[patterns] = frozenset(
                GitIgnoreSpec.from_lines(patterns.splitlines()).match_files(self.paths)
            )
        return self._excluded[patterns]

    def _bytes(self, text: str) -> bytes:
        """Return the same object for the same text, so that contents can be compared by identity."""
        if text not in self._encoded:
            self._encoded[text] = text.encode()
        return self._encoded[text]

    def read_by(self, path: str) -> frozenset[str]:
        """Return the questions and computed values that a file's content depends on."""
        return frozenset(self._rendered[path].reads) if path in self._rendered else frozenset()

    def present_by(self, names: frozenset[str], variants: Iterable[Answers]) -> set[str]:
        """Return the files whose presence depends on these questions and computed values."""
        entries = [entry for entry in self._exclude if names.intersection(entry.reads)]
        return {path for entry in entries for values in variants for path in self._matched(entry(_copying(values)))}


def _copying(values: Answers) -> dict[str, Any]:
    return {**values, "_copier_operation": "copy"}
