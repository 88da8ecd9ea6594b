"""The values of a monitor's metrics in one run of undrifted data, which chance alone causes."""

import importlib
import math
from collections.abc import Mapping
from typing import Any

from azureml_metrics.signals import Metrics, Tables, first_metrics, measure, metrics_of
from mlops.monitoring.thresholds import Group

PREDICTION = "prediction"
ERRORS = ("rmse", "error_rate")
ATTRIBUTION = "attribution_drift"


def extremes(signals: Mapping[str, Any], tables: Tables) -> dict[Group, float]:
    """Return each group's value nearest to an alert, in one run."""
    found: dict[Group, float] = {}
    for name, signal in signals.items():
        for group, value in _values(name, signal, tables):
            worse = min if group.alerts_below else max
            found[group] = worse(found.get(group, value), value)
    return found


def _values(name: str, signal: Mapping[str, Any], tables: Tables) -> list[tuple[Group, float]]:
    if signal["type"] == "custom":
        metrics = [given["metric_name"] for given in signal["metric_thresholds"] if given["metric_name"] in ERRORS]
        return [(Group(name, "all", metric), _error(metric, tables)) for metric in metrics]
    production = tables.production[compared_columns(signal, tables)]
    values, _ = measure(signal, Tables(tables.reference, production, tables.target), named_metrics(signal))
    # Azure adds the reference's own rate to the threshold of a rate.
    return [(Group(name, found.kind, found.metric), found.value - found.own_rate) for found in values]


def named_metrics(signal: Mapping[str, Any]) -> Metrics:
    """Return the metrics that a signal names, whatever their thresholds are now."""
    if signal["type"] == "data_quality":
        return metrics_of(signal)
    return first_metrics({kind: list(given or {}) for kind, given in signal["metric_thresholds"].items()})


def compared_columns(signal: Mapping[str, Any], tables: Tables) -> list[str]:
    """Return the production columns that a signal reads."""
    if signal["type"] == "prediction_drift":
        return [PREDICTION]
    return [name for name in tables.production if name not in (PREDICTION, tables.target)]


def attributions(signals: Mapping[str, Any], tables: Tables) -> dict[Group, float]:
    """Return the attribution drift of the signals that measure it; none if the rows do not suffice."""
    names = [
        name
        for name, signal in signals.items()
        if signal["type"] == "custom" and signal["metric_thresholds"][0]["metric_name"] == ATTRIBUTION
    ]
    if not names:
        return {}
    # Only a project with such a signal has this module.
    attribution = importlib.import_module("model.attribution")
    target = str(tables.target)
    features = [name for name in tables.reference if name not in (PREDICTION, target)]
    numerical = [name for name in features if tables.reference[name].dtype.kind == "f"]
    categorical = [name for name in features if name not in numerical]
    production = tables.production.assign(**{target: tables.production[PREDICTION]})
    value = attribution.attribution_drift(tables.reference, production, target, numerical, categorical)
    return {} if value is None else {Group(name, "all", ATTRIBUTION): value for name in names}


def _error(metric: str, tables: Tables) -> float:
    predicted, actual = tables.production[PREDICTION], tables.production[str(tables.target)]
    return math.sqrt(((predicted - actual) ** 2).mean()) if metric == "rmse" else float((predicted != actual).mean())
