"""Writes the README's table of questions from copier.yml: `uv run python tests/question_table.py`."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from projects import ROOT, questionnaire, questions
from variants.questionnaire import Answers
from variants.renderer import Renderer

README = ROOT / "README.md"
BETWEEN = re.compile(r"(?<=<!-- questions -->\n).*?(?=<!-- /questions -->)", re.DOTALL)
HEAD = "| question | choices | default | decides |\n| --- | --- | --- | --- |\n"
# If a question changes this many files of a folder, the table shows the folder instead.
FILES_OF_A_FOLDER = 3


def table() -> str:
    """Return the questions as a Markdown table: choices, default, and the files that the answer changes."""
    renderer, variants = Renderer(questionnaire()), list(questionnaire().variants())
    (defaults,) = questionnaire().variants(branching=())
    rows = []
    for name, details in questions().items():
        decided = questionnaire().decides(name)
        paths = {path for path in renderer.paths if decided & renderer.read_by(path)} | renderer.present_by(
            decided, variants
        )
        hidden = " (hidden)" if details.get("ask") is False else ""
        cells = [f"`{name}`{hidden}", _choices(name, details, variants), _code(defaults[name]), _folded(paths)]
        rows.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(rows)


def _choices(name: str, details: dict[str, Any], variants: Iterable[Answers]) -> str:
    if "choices" not in details:
        return {"str": "text", "yaml": "list", "int": "whole number", "bool": "yes, no"}[details["type"]]
    return ", ".join(f"`{value}`" for value in dict.fromkeys(values[name] for values in variants))


def _code(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else {True: "yes", False: "no"}.get(value, str(value))
    return f"`{text}`" if text else ""


def _folded(paths: set[str]) -> str:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        folders[str(PurePosixPath(path).parent)].append(path)
    whole = tuple(
        f"{folder}/" for folder, files in folders.items() if folder != "." and len(files) >= FILES_OF_A_FOLDER
    )
    shown = sorted({*whole, *(path for path in paths if not path.startswith(whole))})
    return ", ".join(f"`{path}`" for path in shown if not path.startswith(tuple(set(whole) - {path})))


def with_table(readme: str) -> str:
    """Return the README with an updated table."""
    return BETWEEN.sub(lambda _: table(), readme)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
