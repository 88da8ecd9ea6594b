"""The part of GitHub's expressions that workflows here use: whether a job or step runs, and what stands in `${{ }}`."""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from azureml_emulator.events.logic_app_expressions import ExpressionError

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
COMPARISON = re.compile(r"([\w.-]+)\s*==\s*'([^']*)'")
REFERENCE = re.compile(r"[\w-]+(?:\.[\w-]+)*")


class Result(StrEnum):
    """What became of a job or of the steps so far, as GitHub calls it."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILURE = "failure"


# After what each of GitHub's functions lets a job or step run; nobody cancels a run here.
RUNS_AFTER = {
    "success()": {Result.SUCCESS},
    "failure()": {Result.FAILURE},
    "always()": set(Result),
    "cancelled()": set[Result](),
}


def runs(condition: str | None, before: Result, context: Mapping[str, Any]) -> bool:
    """Return whether a job or step with this `if` runs, given what became of those before it.

    Raises:
        ExpressionError: the condition is neither a comparison with a text nor one of GitHub's functions.
    """
    text = (condition or "success()").strip()
    inside = EXPRESSION.fullmatch(text)
    text = inside[1] if inside else text
    if text in RUNS_AFTER:
        return before in RUNS_AFTER[text]
    found = COMPARISON.fullmatch(text)
    if found is None:
        raise ExpressionError(f"The emulator compares with a text, it cannot evaluate: {text}")
    # Without such a function, a condition is one of those that hold only while all goes well.
    return before is Result.SUCCESS and _text(_look_up(found[1], context)).lower() == found[2].lower()


def resolve(text: str, context: Mapping[str, Any]) -> str:
    """Replace every `${{ }}`: names, and toJSON of a name; whatever is not there is empty, as on GitHub.

    Raises:
        ExpressionError: there is another expression.
    """

    def value(found: re.Match[str]) -> str:
        inner = found[1]
        is_json = inner.startswith("toJSON(") and inner.endswith(")")
        name = inner[7:-1].strip() if is_json else inner
        if not REFERENCE.fullmatch(name):
            raise ExpressionError(f"The emulator cannot evaluate: {inner}")
        looked_up = _look_up(name, context)
        return json.dumps(looked_up, indent=2) if is_json else _text(looked_up)

    return EXPRESSION.sub(value, text)


def _look_up(name: str, context: Any) -> Any:
    for key in name.split("."):
        context = context.get(key) if isinstance(context, Mapping) else None
    return context


def _text(value: Any) -> str:
    return "" if value is None else str(value)
