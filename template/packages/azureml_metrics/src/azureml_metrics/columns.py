"""Reads the columns of two data frames as Azure's monitors do.

Azure decides by Spark's column types, so read Parquet with `dtype_backend="pyarrow"`: plain pandas turns an integer
column with empty cells into a floating point one. The rules are those of `Azure/azureml-assets`,
assets/model_monitoring/components/src/shared_utilities/df_utils.py.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Kind = Literal["numerical", "categorical"]
Array = npt.NDArray[Any]

NUMBERS = ("integer", "floating point")
CATEGORIES = ("text", "boolean", "timestamp", "date", "binary")
_CATEGORICAL_SHARE = 0.05
_INFERRED = {
    "string": "text",
    "empty": "text",
    "bytes": "binary",
    "floating": "floating point",
    "mixed-integer-float": "floating point",
}


class MetricsError(ValueError):
    """The metrics cannot be computed; the message gives the reason in one sentence."""


def family(column: pd.Series) -> str:
    """Return the group of Spark types of a column; Azure compares any two columns of one group."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return family(dtype.categories.to_series())
    kind = getattr(dtype, "kind", "O")
    if kind == "u" and dtype.itemsize == 8:
        return "unsigned 64-bit integer"  # a decimal in Spark
    if kind in "iufb":
        return {"f": "floating point", "b": "boolean"}.get(kind, "integer")
    mixed = pd.api.types.is_object_dtype(dtype)
    cells = (column if mixed else column.dropna().head(1)).to_numpy(dtype=object)
    inferred: str = pd.api.types.infer_dtype(cells, skipna=True)
    if inferred == "datetime":
        # Spark reads a time without a zone as timestamp_ntz, a type that is not in Azure's lists.
        return "timestamp" if cells[0].tzinfo else "timestamp without a zone"
    return _INFERRED.get(inferred, inferred)


def numbers(column: pd.Series) -> Array:
    """Return the numbers in a column, as 64-bit integers or floats, without its empty cells."""
    whole = family(column) == "integer"
    values: Array = column.dropna().to_numpy(dtype=np.int64 if whole else np.float64)
    return values if whole else values[~np.isnan(values)]


def category_counts(column: pd.Series) -> dict[Any, int]:
    """Return the number of occurrences of each value of a column, without empty cells."""
    found = column.value_counts(sort=False)
    counts: dict[Any, int] = {}
    for key, count in zip(found.index.tolist(), found.tolist(), strict=True):
        if count:  # A pandas category without cells has the count zero.
            counts[key] = counts.get(key, 0) + count  # Arrow distinguishes 0.0 from -0.0, Spark does not.
    return counts


def column_kinds(
    baseline: pd.DataFrame, numerical: Collection[str] = (), categorical: Collection[str] = ()
) -> dict[str, Kind]:
    """Return Azure's treatment of each column; columns of unknown types are missing.

    An integer column is categorical if less than 5 % of its cells are distinct. A column named in `numerical` or
    `categorical` is treated accordingly.
    """
    kinds: dict[str, Kind] = {}
    for label, column in baseline.items():
        name, group = str(label), family(column)
        if name in numerical and group not in NUMBERS:
            raise MetricsError(f"Column '{name}' holds {group} values and cannot be numerical.")
        if name in numerical or name in categorical:
            kinds[name] = "numerical" if name in numerical else "categorical"
        elif group == "integer":
            share = column.nunique(dropna=False) / len(column)
            kinds[name] = "categorical" if share < _CATEGORICAL_SHARE else "numerical"
        elif group in (*NUMBERS, *CATEGORIES):
            kinds[name] = "categorical" if group in CATEGORIES else "numerical"
    return kinds


def select(
    baseline: pd.DataFrame, production: pd.DataFrame, features: Sequence[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return both sides reduced to the requested features, and a note on each feature that a side lacks."""
    for side, frame in (("baseline", baseline), ("production", production)):
        if not len(frame):
            raise MetricsError(f"The {side} data has no rows.")
    if features is None:
        return baseline, production, []
    shared = [f for f in features if f in baseline.columns and f in production.columns]
    notes = [f"Feature '{f}' is not in both data sets." for f in features if f not in shared]
    return baseline[shared], production[shared], notes


def shared_columns(baseline: pd.DataFrame, production: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns of both sides, and a note on every other column."""
    sides = (("baseline", baseline, production), ("production", production, baseline))
    notes = [
        f"Column '{name}' is only in the {side} data; Azure leaves it out."
        for side, here, there in sides
        for name in here.columns
        if name not in there.columns
    ]
    names = [name for name in baseline.columns if name in production.columns]
    if not names:
        raise MetricsError("Baseline and production have no column in common.")
    return names, notes


def comparable_columns(baseline: pd.DataFrame, production: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns whose drift Azure measures, and a note on each column that it drops silently."""
    shared, notes = shared_columns(baseline, production)
    names = []
    for name in shared:
        left, right = family(baseline[name]), family(production[name])
        if left != right:
            notes.append(
                f"Column '{name}' holds {left} values in the baseline and {right} values in "
                "production; Azure compares equal types only and leaves it out."
            )
        elif left not in (*NUMBERS, *CATEGORIES):
            notes.append(f"Column '{name}' holds {left} values; Azure leaves that type out.")
        else:
            names.append(name)
    if not names:
        raise MetricsError("Baseline and production have no column of one name and type.")
    return names, notes
