"""Computes Azure's drift metrics of two data frames, to the sixth digit.

Azure computes them with PySpark. The files named below are those of `Azure/azureml-assets`,
assets/model_monitoring/components/src.
"""

import math
import warnings
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from azureml_metrics.columns import (
    Array,
    Kind,
    MetricsError,
    category_counts,
    column_kinds,
    comparable_columns,
    numbers,
    select,
)

JENSEN_SHANNON = "JensenShannonDistance"
WASSERSTEIN = "NormalizedWassersteinDistance"
STABILITY_INDEX = "PopulationStabilityIndex"
KOLMOGOROV_SMIRNOV = "TwoSampleKolmogorovSmirnovTest"
CHI_SQUARED = "PearsonsChiSquaredTest"
NULL_RATE = "NullValueRate"
TYPE_ERROR_RATE = "DataTypeErrorRate"
OUT_OF_BOUNDS_RATE = "OutOfBoundsRate"
CUMULATIVE_GAIN = "NormalizedDiscountedCumulativeGain"

DRIFT_METRICS = (JENSEN_SHANNON, WASSERSTEIN, STABILITY_INDEX, KOLMOGOROV_SMIRNOV, CHI_SQUARED)
QUALITY_METRICS = (NULL_RATE, TYPE_ERROR_RATE, OUT_OF_BOUNDS_RATE)
METRICS_IN_YAML = {
    "jensen_shannon_distance": JENSEN_SHANNON,
    "normalized_wasserstein_distance": WASSERSTEIN,
    "population_stability_index": STABILITY_INDEX,
    "two_sample_kolmogorov_smirnov_test": KOLMOGOROV_SMIRNOV,
    "pearsons_chi_squared_test": CHI_SQUARED,
    "null_value_rate": NULL_RATE,
    "data_type_error_rate": TYPE_ERROR_RATE,
    "out_of_bounds_rate": OUT_OF_BOUNDS_RATE,
    "normalized_discounted_cumulative_gain": CUMULATIVE_GAIN,
}
ALERT_BELOW = (KOLMOGOROV_SMIRNOV, CHI_SQUARED, CUMULATIVE_GAIN)

KOLMOGOROV_SMIRNOV_ROWS = 10_000


@dataclass(frozen=True)
class Value:
    """One metric of one feature; None if Azure reports none."""

    kind: Kind
    value: float | None


@dataclass(frozen=True)
class Report:
    """Azure's report by metric and feature, and notes on columns and rows that Azure drops silently."""

    values: Mapping[str, Mapping[str, Value]]
    baseline_rows: int
    production_rows: int
    notes: tuple[str, ...]


def breaches(metric: str, value: float | None, threshold: float) -> bool:
    """Return whether Azure raises an alert (model_monitor_evaluate_metrics_threshold).

    P-values and the cumulative gain alert below their threshold, all other metrics above it.
    """
    if value is None:
        return False
    # Drift values and their thresholds are 32-bit columns in Azure, rates are 64-bit ones.
    number = np.float64 if metric in QUALITY_METRICS else np.float32
    left, right = number(value), number(threshold)
    return bool(left < right if metric in ALERT_BELOW else left > right)


def drift(
    baseline: pd.DataFrame,
    production: pd.DataFrame,
    numerical: Collection[str] = (),
    categorical: Collection[str] = (),
    features: Sequence[str] | None = None,
    metrics: Collection[str] | None = None,
) -> Report:
    """Return Azure's drift metrics (data_drift_compute_metrics/compute_data_drift.py).

    Rows with an empty cell in any column are left out, so `features` also determines the rows; Azure's `all_features`
    are the columns of both sides.
    """
    if unknown := set(metrics or ()) - set(DRIFT_METRICS):
        raise MetricsError(f"There is no drift metric {', '.join(sorted(unknown))}.")
    baseline, production, notes = select(baseline, production, features)
    names, dropped = comparable_columns(baseline, production)
    kinds = column_kinds(baseline[names], numerical, categorical)
    baseline, production, emptied = _complete_rows(baseline, production)
    notes += dropped + emptied

    wanted = [m for m in DRIFT_METRICS if metrics is None or m in metrics]
    largest = max(len(baseline), len(production))
    if largest >= KOLMOGOROV_SMIRNOV_ROWS and KOLMOGOROV_SMIRNOV in wanted:
        wanted.remove(KOLMOGOROV_SMIRNOV)
        notes.append(
            f"{KOLMOGOROV_SMIRNOV} is left out: Azure's run fails from "
            f"{KOLMOGOROV_SMIRNOV_ROWS:,} rows on, and there are {largest:,}."
        )
    values: dict[str, dict[str, Value]] = {metric: {} for metric in wanted}
    for name in names:
        compute = _numerical if kinds[name] == "numerical" else _categorical
        computed, remarks = compute(name, baseline[name], production[name], wanted)
        notes += remarks
        for metric, value in computed.items():
            values[metric][name] = Value(kinds[name], value)
    found = {metric: of_features for metric, of_features in values.items() if of_features}
    return Report(found, len(baseline), len(production), tuple(notes))


def _complete_rows(baseline: pd.DataFrame, production: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return both sides without the rows that have an empty cell, and a note on the number of these rows."""
    frames, notes = [], []
    for side, frame in (("baseline", baseline), ("production", production)):
        empty = np.zeros(len(frame), dtype=bool)
        for _, column in frame.items():
            empty |= _is_empty(column)
        if empty.all():
            raise MetricsError(f"Every row of the {side} data has an empty cell; none is left.")
        if count := int(empty.sum()):
            notes.append(f"{count:,} of {len(frame):,} {side} rows have an empty cell; Azure leaves them out.")
        frames.append(frame[~empty] if count else frame)
    return frames[0], frames[1], notes


def _is_empty(column: pd.Series) -> Array:
    if getattr(column.dtype, "kind", "O") == "f":
        # Spark drops NaN as well as null, and isna misses the NaN of an Arrow column.
        empty: Array = np.isnan(column.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        empty = column.isna().to_numpy(dtype=bool)
    return empty


Computed = tuple[dict[str, float | None], list[str]]


def _numerical(name: str, baseline: pd.Series, production: pd.Series, wanted: Collection[str]) -> Computed:
    """Return the metrics of a numerical column (numerical_data_drift_metrics.py)."""
    old, new = np.sort(numbers(baseline)), np.sort(numbers(production))
    values: dict[str, float | None] = {}
    notes = []
    if JENSEN_SHANNON in wanted or STABILITY_INDEX in wanted:
        edges = _edges(name, old, new)
        counts = _histogram(old, edges), _histogram(new, edges)
        if lost := len(old) + len(new) - int(counts[0].sum() + counts[1].sum()):
            notes.append(
                f"By a rounding error Azure's bins of '{name}' end below its maximum; "
                f"{lost:,} of its cells are in none."
            )
        values |= _of_counts(*counts, len(old), len(new), wanted)
    if WASSERSTEIN in wanted:
        values[WASSERSTEIN] = _wasserstein(old, new)
    if KOLMOGOROV_SMIRNOV in wanted:
        values[KOLMOGOROV_SMIRNOV] = _kolmogorov_smirnov(old, new)
    return values, notes


def _categorical(name: str, baseline: pd.Series, production: pd.Series, wanted: Collection[str]) -> Computed:
    """Return the metrics of a categorical column (categorical_data_drift_metrics.py)."""
    left, right = category_counts(baseline), category_counts(production)
    keys = list(left | right)
    old = np.array([left.get(key, 0) for key in keys])
    new = np.array([right.get(key, 0) for key in keys])
    values: dict[str, float | None] = {**_of_counts(old, new, old.sum(), new.sum(), wanted)}
    notes = []
    if CHI_SQUARED in wanted:
        values[CHI_SQUARED] = _chi_squared(old, new)
        if values[CHI_SQUARED] is None:
            notes.append(f"Column '{name}' has a single value, for which {CHI_SQUARED} is undefined.")
    return values, notes


def _of_counts(old: Array, new: Array, old_rows: int, new_rows: int, wanted: Collection[str]) -> dict[str, float]:
    values = {}
    if JENSEN_SHANNON in wanted:
        values[JENSEN_SHANNON] = _jensen_shannon(old, new)
    if STABILITY_INDEX in wanted:
        values[STABILITY_INDEX] = _stability_index(old, new, old_rows, new_rows)
    return values


def _edges(name: str, old: Array, new: Array) -> list[float]:
    """Return equal bins over both sides, sorted (shared_utilities/histogram_utils.py)."""
    low, high = min(old[0], new[0]).item(), max(old[-1], new[-1]).item()
    if low == high:
        margin = abs(low * 0.005) or 0.005
        return [low - margin, low + margin]
    bins = math.ceil(math.log2(min(len(old), len(new))) + 1)
    width = (high - low) / bins
    # Not linspace: its last edge is the maximum, Azure's is the sum of the additions.
    edges = [low, *(low + i * width for i in range(1, bins + 1))]
    if not all(a < b for a, b in pairwise(edges)):
        raise MetricsError(f"Column '{name}' is infinite or too narrow for Azure's bins.")
    return edges


def _histogram(values: Array, edges: list[float]) -> Array:
    """Return the counts per bin of Spark's `RDD.histogram`, which drops values beyond the last edge."""
    low, bins = edges[0], len(edges) - 1
    end = int(np.searchsorted(values, edges[-1], side="right"))
    steps = np.diff(edges)
    if steps.max() - steps.min() < 1e-10:
        # Spark divides if bins look even, and a value on an edge may be assigned to the neighbouring bin.
        width = (edges[-1] - low) / bins
        starts = [bisect_left(values, i, hi=end, key=lambda value: int((value - low) / width)) for i in range(bins)]
    else:
        starts = np.searchsorted(values, edges[:-1]).tolist()
    return np.diff([*starts, end])


def _jensen_shannon(old: Array, new: Array) -> float:
    """Return SciPy's `jensenshannon` with base 2."""
    p, q = old / old.sum(), new / new.sum()
    middle = (p + q) / 2
    divergence = sum(float(np.sum(side[side > 0] * np.log(side[side > 0] / middle[side > 0]))) for side in (p, q))
    return math.sqrt(max(divergence, 0.0) / math.log(2) / 2)


def _stability_index(old: Array, new: Array, old_rows: int, new_rows: int) -> float:
    """Return the population stability index, one row added to every bin."""
    p, q = (old + 1) / (old_rows + len(old)), (new + 1) / (new_rows + len(new))
    return float(np.sum((q - p) * np.log(q / p)))


def _wasserstein(old: Array, new: Array) -> float:
    """Return SciPy's `wasserstein_distance` of sorted values, divided by the baseline's deviation."""
    if len(old) < 2:
        raise MetricsError(f"{WASSERSTEIN} needs a baseline of two rows or more.")
    merged = np.concatenate((old, new))
    order = merged.argsort(kind="stable")
    # Integers keep the difference of the two distribution functions exact.
    lead = np.cumsum(np.where(order < len(old), len(new), -len(old)))[:-1]
    area = float(np.abs(lead) @ np.diff(merged[order]).astype(np.float64))
    return area / (len(old) * len(new)) / max(float(np.std(old, ddof=1)), 0.001)


def _kolmogorov_smirnov(old: Array, new: Array) -> float:
    """Return the p-value of SciPy's `ks_2samp`."""
    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(ks_2samp(old, new).pvalue)


def _chi_squared(old: Array, new: Array) -> float | None:
    """Return the p-value of SciPy's `chisquare`, with the baseline's shares as expectation."""
    from scipy.special import chdtrc

    if len(old) < 2:
        return None
    expected = old / old.sum() * new.sum()
    with np.errstate(divide="ignore"):
        return float(chdtrc(len(old) - 1, np.sum((new - expected) ** 2 / expected)))
