"""Computes a monitor's signals by Azure's definitions, from two tables each and the thresholds."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from azureml_metrics.drift import CUMULATIVE_GAIN, METRICS_IN_YAML, breaches, drift
from azureml_metrics.quality import quality

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
        """Return the state of the signal; a signal whose alerts are off never alerts."""
        if not self.measurements:
            return State.NOT_MEASURED
        return State.ALERT if self.breached and self.alert_enabled else State.NO_ALERT

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


Compute = Callable[[Mapping[str, Any], Tables], tuple[list[Measurement], tuple[str, ...]]]


def compute(name: str, signal: Mapping[str, Any], tables: Tables) -> SignalResult:
    """Compute one signal of a monitor's YAML."""
    measurements, notes = SIGNALS[signal["type"]](signal, tables)
    return SignalResult(name, signal["type"], tuple(measurements), notes, bool(signal.get("alert_enabled")))


def _drift(signal: Mapping[str, Any], tables: Tables) -> tuple[list[Measurement], tuple[str, ...]]:
    thresholds: dict[str, tuple[str, float]] = {}
    for kind, order in PRECEDENCE.items():
        given = signal["metric_thresholds"].get(kind) or {}
        # The SDK leaves a threshold of zero out.
        chosen = next((name for name in order if given.get(name)), None)
        if chosen:
            thresholds[kind] = (METRICS_IN_YAML[chosen], float(given[chosen]))
    numerical, categorical = _overrides(signal)
    report = drift(
        tables.reference,
        tables.production,
        numerical,
        categorical,
        _features(signal, tables),
        {metric for metric, _ in thresholds.values()},
    )
    found = []
    for kind, (metric, threshold) in thresholds.items():
        for feature, value in report.values.get(metric, {}).items():
            if value.kind == kind and value.value is not None:
                beyond = breaches(metric, value.value, threshold)
                found.append(Measurement(feature, kind, metric, value.value, threshold, beyond))
    return found, report.notes


def _quality(signal: Mapping[str, Any], tables: Tables) -> tuple[list[Measurement], tuple[str, ...]]:
    numerical, categorical = _overrides(signal)
    features = _features(signal, tables)
    report = quality(tables.reference, tables.production, numerical, categorical, features)
    # Azure alerts above the threshold plus the reference's own rate.
    own = quality(tables.reference, tables.reference, numerical, categorical, features).values
    found = []
    for kind, given in signal["metric_thresholds"].items():
        for name, threshold in (given or {}).items():
            metric = METRICS_IN_YAML[name]
            for feature, value in report.values.get(metric, {}).items():
                if value.kind == kind and value.value is not None:
                    limit = float(threshold) + (own[metric][feature].value or 0.0)
                    beyond = breaches(metric, value.value, limit)
                    found.append(Measurement(feature, kind, metric, value.value, limit, beyond))
    return found, report.notes


def _attribution_drift(signal: Mapping[str, Any], tables: Tables) -> tuple[list[Measurement], tuple[str, ...]]:
    from azureml_metrics.attribution import cumulative_gain

    threshold = float(signal["metric_thresholds"]["normalized_discounted_cumulative_gain"])
    value = cumulative_gain(tables.reference, str(tables.target), tables.production)
    found = Measurement(
        "all features", "all", CUMULATIVE_GAIN, value, threshold, breaches(CUMULATIVE_GAIN, value, threshold)
    )
    return [found], ("Attribution drift follows Azure's method; its figures were not compared with Azure's.",)


def _features(signal: Mapping[str, Any], tables: Tables) -> list[str]:
    """Return the features that a signal names, or for `all_features` the columns of both sides, as Azure does."""
    features = signal.get("features")
    if isinstance(features, list):
        return list(features)
    return [name for name in tables.reference if name in tables.production]


def _overrides(signal: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    given = signal.get("feature_type_override") or {}
    return [name for name in given if given[name] == "numerical"], [n for n in given if given[n] == "categorical"]


SIGNALS: dict[str, Compute] = {
    "data_drift": _drift,
    "prediction_drift": _drift,
    "data_quality": _quality,
    "feature_attribution_drift": _attribution_drift,
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
