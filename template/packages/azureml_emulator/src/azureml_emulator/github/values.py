"""The values of GitHub's expressions: their comparison, their conversion to text, and the functions on them."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from azureml_emulator.github.syntax import ExpressionError, to_number

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d+)\}|[{}]", re.ASCII)


class CaseSensitive(dict[str, Any]):
    """An object whose keys are case-sensitive: environment variables. The keys of all others ignore case."""


class Filtered(list[Any]):
    """The elements that `.*` selects: an index is then applied to each of them."""


def is_true(value: Any) -> bool:
    """Return whether a condition with this value holds."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return isinstance(value, Mapping | list) or bool(value)


def to_text(value: Any) -> str:
    """Return the text that replaces `${{ }}`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(float(value))
    if isinstance(value, Mapping | list):
        return "Array" if isinstance(value, list) else "Object"
    return "" if value is None else str(value)


def _number_text(number: float) -> str:
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return "NaN" if math.isnan(number) else f"{number + 0.0:.15G}"


def as_number(value: Any) -> float:
    """Return a value as a number, NaN if it is not one."""
    if isinstance(value, str):
        return to_number(value)
    if isinstance(value, Mapping | list):
        return math.nan
    return float(value or 0)


def fold(text: str) -> str:
    """Make texts equal that differ only in case, letter by letter: `ß` is not `SS`."""
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in text)


def equal(left: Any, right: Any) -> bool:
    """Compare as `==` does: texts ignore case, objects are equal only to themselves, others become numbers."""
    if isinstance(left, Mapping | list) or isinstance(right, Mapping | list):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return fold(left) == fold(right)
    return as_number(left) == as_number(right)


def less(left: Any, right: Any) -> bool:
    """Compare as `<` does."""
    if isinstance(left, str) and isinstance(right, str):
        return fold(left) < fold(right)
    return as_number(left) < as_number(right)


def element(target: Any, key: Any) -> Any:
    """Return `target[key]`, null if it does not exist."""
    if isinstance(target, Filtered):
        found = (_find(item, key) for item in target)
        return Filtered(value for values in found for value in values)
    return next(iter(_find(target, key)), None)


def elements(target: Any) -> Filtered:
    """Return `target.*`."""
    if isinstance(target, Filtered):
        return Filtered(value for item in target for value in elements_of(item))
    return Filtered(elements_of(target))


def elements_of(value: Any) -> Iterable[Any]:
    """Return the elements of an array or object; other values have none."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _find(target: Any, key: Any) -> list[Any]:
    if isinstance(target, list):
        at = as_number(key)
        return [target[math.floor(at)]] if 0 <= at < len(target) else []
    if not isinstance(target, Mapping) or isinstance(key, Mapping | list):
        return []
    name = to_text(key)
    if isinstance(target, CaseSensitive):
        return [target[name]] if name in target else []
    return [value for known, value in target.items() if fold(known) == fold(name)][:1]


def to_json(value: Any) -> str:
    """Return a value as JSON, over several lines as GitHub writes it."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if is_whole else value


def _from_json(value: Any) -> Any:
    try:
        return json.loads(to_text(value))
    except ValueError as error:
        raise ExpressionError(f"fromJSON cannot read {to_text(value)!r}: {error}") from error


def _format(pattern: Any, *values: Any) -> str:
    text = to_text(pattern)

    def replace(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None or int(found[1]) >= len(values):
            raise ExpressionError(f"format has no value for {found[0]!r} in {text!r}")
        return to_text(values[int(found[1])])

    return PLACEHOLDER.sub(replace, text)


def _contains(search: Any, item: Any) -> bool:
    if isinstance(search, list):
        return any(equal(value, item) for value in search)
    return _both_texts(search, item, lambda text, part: part in text)


def _both_texts(text: Any, part: Any, compare: Callable[[str, str], bool]) -> bool:
    if any(isinstance(value, Mapping | list) for value in (text, part)):
        return False
    return compare(fold(to_text(text)), fold(to_text(part)))


def _join(values: Any, separator: Any = ",") -> str:
    if isinstance(values, list):
        return ("," if isinstance(separator, Mapping | list) else to_text(separator)).join(map(to_text, values))
    return "" if isinstance(values, Mapping) else to_text(values)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "contains": _contains,
    "endswith": lambda text, end: _both_texts(text, end, str.endswith),
    "format": _format,
    "fromjson": _from_json,
    "join": _join,
    "startswith": lambda text, start: _both_texts(text, start, str.startswith),
    "tojson": to_json,
}
# Minimum and maximum number of arguments of each function.
ARGUMENTS = {
    "contains": (2, 2),
    "endswith": (2, 2),
    "format": (1, 255),
    "fromjson": (1, 1),
    "join": (1, 2),
    "startswith": (2, 2),
    "tojson": (1, 1),
}
