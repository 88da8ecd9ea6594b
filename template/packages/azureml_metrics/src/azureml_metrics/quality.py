"""Computes Azure's data quality rates of two data frames.

Azure computes them with PySpark. The files named below are those of `Azure/azureml-assets`,
assets/model_monitoring/components/src.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd

from azureml_metrics.columns import (
    NUMBERS,
    Kind,
    MetricsError,
    category_counts,
    column_kinds,
    family,
    numbers,
    select,
    shared_columns,
)
from azureml_metrics.drift import NULL_RATE, OUT_OF_BOUNDS_RATE, TYPE_ERROR_RATE, Report, Value


@dataclass(frozen=True)
class _Column:
    """One side of a column; `kind` is Azure's classification by that side's own cells."""

    name: str
    cells: pd.Series
    family: str
    kind: Kind | None
    empty: int


def quality(
    baseline: pd.DataFrame,
    production: pd.DataFrame,
    numerical: Collection[str] = (),
    categorical: Collection[str] = (),
    features: Sequence[str] | None = None,
) -> Report:
    """Return Azure's rates of bad cells in production (data_quality_compute_metrics, _statistics).

    No row is left out. Azure alerts above the threshold plus the baseline's own rate (data_quality_metrics_joiner),
    which is `quality(baseline, baseline)`.
    """
    baseline, production, notes = select(baseline, production, features)
    names, more = shared_columns(baseline, production)
    old_kinds = column_kinds(baseline[names], numerical, categorical)
    new_kinds = column_kinds(production[names], numerical, categorical)
    metrics = (NULL_RATE, TYPE_ERROR_RATE, OUT_OF_BOUNDS_RATE)
    values: dict[str, dict[str, Value]] = {metric: {} for metric in metrics}
    for name in names:
        old = _column(name, baseline[name], old_kinds.get(name))
        new = _column(name, production[name], new_kinds.get(name))
        if old.kind is None:
            more.append(f"Column '{name}' holds {old.family} values; Azure counts its empty cells only.")
        elif (old.kind, old.family == "text") != (new.kind, new.family == "text"):
            more.append(
                f"Column '{name}' is {old.kind} ({old.family}) in the baseline and {new.kind or 'unknown'} "
                f"({new.family}) in production; Azure does not check its bounds."
            )
        for metric, count in zip(metrics, _violations(old, new), strict=True):
            rate = None if count is None else _rate(count, len(production))
            values[metric][name] = Value(old.kind or "categorical", rate)
    return Report(values, len(baseline), len(production), (*notes, *more))


def _column(name: str, cells: pd.Series, kind: Kind | None) -> _Column:
    return _Column(name, cells, family(cells), kind, int(cells.isna().sum()))


def _violations(old: _Column, new: _Column) -> tuple[int, int | None, int | None]:
    """Return the numbers of empty, mistyped and out-of-bounds cells; None for those that Azure does not check."""
    if old.kind is None:
        return new.empty, None, None
    filling = _filling(new) if new.empty else None
    return new.empty, _mistyped(old, new, filling), _out_of_bounds(old, new, filling)


def _rate(count: int, rows: int) -> float:
    """Return Spark's `round`, which uses the decimal digits and rounds half up."""
    digits = Decimal(repr(count / rows))
    return float(digits.quantize(Decimal("0.00001"), rounding=ROUND_HALF_UP))


def _filling(column: _Column) -> Any:
    """Return the value with which Azure fills empty cells after counting them; None if they stay empty."""
    if column.kind == "numerical":
        values = _some_numbers(column, "production")
        middle = (len(values) - 1) // 2  # Spark's median is always a value of the column.
        return np.partition(values, middle)[middle]
    if column.family == "text" and (counts := category_counts(column.cells)):
        # An empty cell counts as a value here: if it is the most frequent one, it stays.
        frequent = max(counts, key=lambda key: counts[key])
        return frequent if counts[frequent] >= column.empty else None
    return None


def _out_of_bounds(old: _Column, new: _Column, filling: Any) -> int | None:
    """Return the number of cells outside the baseline's range or set; None if Azure stores neither."""
    if old.kind == "numerical":
        limits = _some_numbers(old, "baseline")
        if new.kind != "numerical":
            return None
        low, high, values = limits.min(), limits.max(), numbers(new.cells)
        count = int((values > high).sum() + (values < low).sum())
        return count + (new.empty if filling is not None and not low <= filling <= high else 0)
    if old.family != "text":
        return None
    if new.family != "text":
        return 0
    # Azure stores the set as one line of text, so a value with ", " in it becomes two.
    known = [*category_counts(old.cells), *(["null"] if old.empty else [])]
    allowed = set(", ".join(known).split(", "))
    count = sum(n for value, n in category_counts(new.cells).items() if value not in allowed)
    return count + (new.empty if filling is not None and filling not in allowed else 0)


def _some_numbers(column: _Column, side: str) -> Any:
    values = numbers(column.cells)
    if not len(values):
        raise MetricsError(f"Column '{column.name}' is empty in the {side} data, and Azure's run fails on that.")
    return values


def _mistyped(old: _Column, new: _Column, filling: Any) -> int:
    """Return the number of cells that are null after Spark's cast to the baseline's type."""
    still_empty = new.empty if filling is None else 0
    if new.family == "date" and old.family in (*NUMBERS, "boolean"):
        return len(new.cells)
    reads = _READS.get(old.family)
    if new.family != "text" or reads is None:
        return still_empty
    bad = {text: n for text, n in category_counts(new.cells).items() if not reads(text.strip())}
    return sum(bad.values()) + (new.empty if filling is None or filling in bad else 0)


_INTEGER = re.compile(r"(?=.*[0-9.])([+-]?)([0-9]*)(\.[0-9]*)?")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?[df]?|[+-]?inf(inity)?|nan", re.IGNORECASE)
_BOOLEANS = frozenset(("t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"))
_DAY = re.compile(r"([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T](.*))?)?)?")
_TIME = re.compile(r"[0-9]{1,2}(:[0-9]{1,2}){0,2}(\.[0-9]*)? ?[\w/+:-]*")


def _reads_integer(text: str) -> bool:
    found = _INTEGER.fullmatch(text)
    return found is not None and -(2**63) <= int(f"{found[1]}{found[2] or 0}") < 2**63


def _reads_day(text: str) -> bool:
    found = _DAY.fullmatch(text)
    if found is None:
        return False
    try:
        date(*(int(part or 1) for part in found.groups()[:3]))
    except ValueError:
        return False
    return True


def _reads_time(text: str) -> bool:
    clock = re.split("[ T]", text, maxsplit=1)[1:]
    return _reads_day(text) and all(_TIME.fullmatch(part) for part in clock)


_READS: dict[str, Callable[[str], bool]] = {
    "integer": _reads_integer,
    "floating point": lambda text: bool(_FLOAT.fullmatch(text)),
    "boolean": lambda text: text.lower() in _BOOLEANS,
    "date": _reads_day,
    "timestamp": _reads_time,
}
