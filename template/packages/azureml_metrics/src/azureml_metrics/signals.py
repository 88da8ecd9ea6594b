"""Computes a monitor's signals by Azure's definitions, from two tables each and the thresholds."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd

from azureml_metrics.drift import METRICS_IN_YAML, Report, breaches, drift
from azureml_metrics.quality import quality

ROW_COUNT = "RowCount"
DEFAULT_QUALITY_THRESHOLD = 0.5
"""The threshold of a data type for which a monitor gives none."""

MORE_ROWS = "The window has more rows than the reference. Azure sends a mail; no model is retrained."

# Of several metrics for one data type Azure uses the first of these.
PRECEDENCE = {
    "numerical": (
        "jensen_shannon_distance",
        "normalized_wasserstein_distance",
        "population_stability_index",
        "two_sample_kolmogorov_smirnov_test",
    ),
    "categorical": ("jensen_shannon_distance", "population_stability_index", "pearsons_chi_squared_test"),
}


class State(StrEnum):
    """The state of a signal or of a whole run.

    Without a measurement the state is unknown, which differs from no alert.
    """

    ALERT = "alert"
    NO_ALERT = "no alert"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Measurement:
    """One metric of one feature with its threshold; `kind` is the data type whose threshold it is."""

    feature: str
    kind: str
    metric: str
    value: float
    threshold: float
    breached: bool


@dataclass(frozen=True)
class SignalResult:
    """The measurements of a signal, and notes on columns and rows that Azure drops silently."""

    name: str
    type: str
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    alert_enabled: bool = True

    @property
    def breached(self) -> tuple[Measurement, ...]:
        """Return the measurements beyond their thresholds."""
        return tuple(found for found in self.measurements if found.breached)

    @property
    def state(self) -> State:
        """Return the state of the signal; a signal whose alerts are off never alerts.

        A window with more rows than the reference is no alert, although Azure tags its run and sends a mail.
        """
        if not self.measurements:
            return State.NOT_MEASURED
        is_beyond = any(found.metric != ROW_COUNT for found in self.breached)
        return State.ALERT if is_beyond and self.alert_enabled else State.NO_ALERT

    @property
    def is_tagged(self) -> bool:
        """Return whether Azure sets the tag of a breach, which raises an event."""
        return bool(self.breached) and self.alert_enabled

    @property
    def reason(self) -> str:
        """Return why nothing was measured."""
        return " ".join(self.notes) or "No feature has a threshold and rows on both sides."


@dataclass(frozen=True)
class Tables:
    """The tables that a signal compares; production rows of inputs and outputs are in the same order."""

    reference: pd.DataFrame
    production: pd.DataFrame
    target: str | None = None


@dataclass(frozen=True)
class Value:
    """One metric of one feature, without a threshold.

    Args:
        feature: the feature, or `all features`.
        kind: the data type whose threshold applies.
        metric: the metric, as a monitor's YAML spells it.
        value: the metric's value.
        own_rate: the reference's own rate, which Azure adds to the threshold of a rate.
    """

    feature: str
    kind: str
    metric: str
    value: float
    own_rate: float = 0.0


# The metrics to compute, as the YAML spells them, by data type.
Metrics = Mapping[str, Sequence[str]]
Measured = tuple[list[Value], tuple[str, ...]]


def compute(name: str, signal: Mapping[str, Any], tables: Tables) -> SignalResult:
    """Compute one signal of a monitor's YAML and compare it with its thresholds."""
    values, notes = measure(signal, tables, metrics_of(signal))
    found = [*compare(values, signal)]
    if signal["type"] == "data_quality":
        found.append(row_count(signal, tables))
        if found[-1].breached:
            notes = (*notes, MORE_ROWS)
    return SignalResult(name, signal["type"], tuple(found), notes, bool(signal.get("alert_enabled")))


def row_count(signal: Mapping[str, Any], tables: Tables) -> Measurement:
    """Compare the window's number of rows with the reference's, as if it were a rate of errors.

    Azure adds the threshold of categorical features to the reference's own value, whatever the metric
    (azureml-assets, `data_quality_metrics_joiner`).
    """
    given = signal["metric_thresholds"].get("categorical") or {"default": DEFAULT_QUALITY_THRESHOLD}
    value, limit = float(len(tables.production)), len(tables.reference) + float(min(given.values()))
    return Measurement("", "all", ROW_COUNT, value, limit, value > limit)


def metrics_of(signal: Mapping[str, Any]) -> Metrics:
    """Return the metrics that Azure computes for a signal: of several drift metrics the first in its order."""
    thresholds = signal["metric_thresholds"]
    if signal["type"] == "data_quality":
        return {kind: list(given or {}) for kind, given in thresholds.items()}
    # The SDK leaves a threshold of zero out.
    return first_metrics(
        {kind: [name for name, limit in (given or {}).items() if limit] for kind, given in thresholds.items()}
    )


def first_metrics(named: Metrics) -> Metrics:
    """Return the first drift metric of each data type in Azure's order."""
    chosen = {kind: [name for name in order if name in named.get(kind, ())][:1] for kind, order in PRECEDENCE.items()}
    return {kind: metrics for kind, metrics in chosen.items() if metrics}


def measure(signal: Mapping[str, Any], tables: Tables, metrics: Metrics) -> Measured:
    """Return the values of a signal's metrics, and notes on what Azure would leave out in silence."""
    return MEASURES[signal["type"]](signal, tables, metrics)


def compare(values: Iterable[Value], signal: Mapping[str, Any]) -> Iterator[Measurement]:
    """Compare values with the thresholds of a signal.

    Azure's pipeline of data quality has one threshold for each data type (azureml-assets,
    `data_quality_signal_monitor`). Which of several it gets is not known, so the lowest is used.
    """
    for found in values:
        given, metric = signal["metric_thresholds"][found.kind], METRICS_IN_YAML[found.metric]
        threshold = min(given.values()) if signal["type"] == "data_quality" else given[found.metric]
        limit = float(threshold) + found.own_rate
        yield Measurement(found.feature, found.kind, metric, found.value, limit, breaches(metric, found.value, limit))


def _drift(signal: Mapping[str, Any], tables: Tables, metrics: Metrics) -> Measured:
    numerical, categorical = _overrides(signal)
    wanted = {METRICS_IN_YAML[name] for names in metrics.values() for name in names}
    report = drift(tables.reference, tables.production, numerical, categorical, _features(signal, tables), wanted)
    return list(_of_kinds(report, metrics)), report.notes


def _quality(signal: Mapping[str, Any], tables: Tables, metrics: Metrics) -> Measured:
    numerical, categorical = _overrides(signal)
    features = _features(signal, tables)
    report = quality(tables.reference, tables.production, numerical, categorical, features)
    own = quality(tables.reference, tables.reference, numerical, categorical, features).values
    values = [
        replace(found, own_rate=own[METRICS_IN_YAML[found.metric]][found.feature].value or 0.0)
        for found in _of_kinds(report, metrics)
    ]
    return values, report.notes


def _of_kinds(report: Report, metrics: Metrics) -> Iterator[Value]:
    """Yield the values of a report, of each data type those of its own metrics."""
    for kind, names in metrics.items():
        for name in names:
            for feature, found in report.values.get(METRICS_IN_YAML[name], {}).items():
                if found.kind == kind and found.value is not None:
                    yield Value(feature, kind, name, found.value)


def _features(signal: Mapping[str, Any], tables: Tables) -> list[str]:
    """Return the features that a signal names, or for `all_features` the columns of both sides, as Azure does."""
    features = signal.get("features")
    if isinstance(features, list):
        return list(features)
    return [name for name in tables.reference if name in tables.production]


def _overrides(signal: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    given = signal.get("feature_type_override") or {}
    return [name for name in given if given[name] == "numerical"], [n for n in given if given[n] == "categorical"]


MEASURES: dict[str, Callable[[Mapping[str, Any], Tables, Metrics], Measured]] = {
    "data_drift": _drift,
    "prediction_drift": _drift,
    "data_quality": _quality,
}


def breach_tag(signal: SignalResult) -> str:
    """Return the text that Azure puts in the run's tag `azureml_modelmonitor_threshold_breached`."""
    rows = [
        {
            "metric_value": round(found.value, 6),
            "metric_name": found.metric,
            "threshold_value": found.threshold,
            "group": found.feature,
        }
        for found in signal.breached
    ]
    listed = [json.dumps(row, separators=(",", ":")) for row in rows]
    return (
        f"The signal '{signal.name}' has failed due to one or more features violating metric thresholds.\n"
        f"The feature names and their corresponding computed metric values violating the threshold are \n{listed}\n"
    )
