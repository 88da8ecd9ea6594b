"""Computes thresholds at which undrifted data causes at most one false alert per N runs.

Azure's default thresholds do not depend on the size of a window: between 300 and 142 rows of one distribution the
distances are well above 0.1. Here reference rows are split again and again into a reference part and a disjoint window
part. The largest value of each signal in each such run is caused by chance alone.
"""

import io
import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from azureml_metrics.columns import MetricsError
from azureml_metrics.drift import ALERT_BELOW, METRICS_IN_YAML, breaches
from azureml_metrics.signals import Metrics, Tables, first_metrics, measure, metrics_of
from mlops.files import write_text

RESAMPLES = 300
MANY_CELLS = 200_000
"""The number of cells in the reference from which on a quarter of the resamples is used."""

PREDICTION = "prediction"
ERRORS = ("rmse", "error_rate")
RARE = ("null_value_rate", "out_of_bounds_rate", "error_rate")


@dataclass(frozen=True, order=True)
class Group:
    """The scope of one threshold in the YAML: the features of one data type, in one signal, by one metric."""

    signal: str
    kind: str
    metric: str

    @property
    def alerts_below(self) -> bool:
        """Return whether a value below the threshold is an alert."""
        return METRICS_IN_YAML.get(self.metric) in ALERT_BELOW


@dataclass(frozen=True)
class Calibration:
    """Thresholds by group, and the smallest shift of each numerical feature that its threshold detects."""

    thresholds: Mapping[Group, float]
    visible_shifts: Mapping[str, float]
    reference_rows: int
    window_rows: int
    resamples: int


def calibrate(
    definition: Mapping[str, Any],
    reference: pd.DataFrame,
    target: str,
    window_rows: int,
    runs_per_alert: int = 20,
    seed: int = 0,
) -> Calibration:
    """Return the thresholds of every alerting signal of a monitor.

    Args:
        definition: the monitor's YAML.
        reference: the reference rows: features, target and predictions.
        target: the target's column.
        window_rows: the expected number of rows in a window; at most half the reference is used for it.
        runs_per_alert: all signals together alert once in this number of runs of undrifted data.
        seed: of the resampling.

    Raises:
        MetricsError: the reference is too small to be split.
    """
    signals = {
        name: signal
        for name, signal in definition["create_monitor"]["monitoring_signals"].items()
        if signal.get("alert_enabled")
    }
    window = min(window_rows, len(reference) // 2)
    if window < 2:
        raise MetricsError(f"A reference of {len(reference)} rows is too small to calibrate with.")
    resamples = RESAMPLES if reference.size < MANY_CELLS else RESAMPLES // 4
    draw = np.random.default_rng(seed)
    runs: list[dict[Group, float]] = []
    for _ in range(resamples):
        order = draw.permutation(len(reference))
        tables = Tables(reference.iloc[order[window:]], reference.iloc[order[:window]], target)
        runs.append(extremes(signals, tables))
    thresholds = {
        group: max(threshold, _never_seen(len(reference))) if group.metric in RARE else threshold
        for group, threshold in joint_thresholds(pd.DataFrame(runs), runs_per_alert).items()
    }
    shifts = visible_shifts(signals, thresholds, reference, window, target, draw)
    return Calibration(thresholds, shifts, len(reference), window, resamples)


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
    values, _ = measure(signal, Tables(tables.reference, production, tables.target), _named_metrics(signal))
    # Azure adds the reference's own rate to the threshold of a rate.
    return [(Group(name, found.kind, found.metric), found.value - found.own_rate) for found in values]


def _named_metrics(signal: Mapping[str, Any]) -> Metrics:
    """Return the metrics that a signal names, whatever their thresholds are now."""
    if signal["type"] in ("data_quality", "feature_attribution_drift"):
        return metrics_of(signal)
    return first_metrics({kind: list(given or {}) for kind, given in signal["metric_thresholds"].items()})


def compared_columns(signal: Mapping[str, Any], tables: Tables) -> list[str]:
    """Return the production columns that a signal reads."""
    if signal["type"] == "prediction_drift":
        return [PREDICTION]
    features = [name for name in tables.production if name not in (PREDICTION, tables.target)]
    return [*features, PREDICTION] if signal["type"] == "feature_attribution_drift" else features


def _error(metric: str, tables: Tables) -> float:
    predicted, actual = tables.production[PREDICTION], tables.production[str(tables.target)]
    return math.sqrt(((predicted - actual) ** 2).mean()) if metric == "rmse" else float((predicted != actual).mean())


def joint_thresholds(runs: pd.DataFrame, runs_per_alert: int) -> dict[Group, float]:
    """Return one threshold for each group so that one of N runs crosses any of them.

    Every group gives up the same share of its own runs. Each run's largest rank determines that share.
    """
    worse = runs.apply(lambda values: -values if values.name.alerts_below else values)
    ranks = worse.rank(method="max", pct=True)
    share = float(np.quantile(ranks.max(axis=1), 1 - 1 / runs_per_alert, method="higher"))
    limits = {group: float(np.nanquantile(values, share, method="higher")) for group, values in worse.items()}
    return {group: _rounded_away(-limit if group.alerts_below else limit, group) for group, limit in limits.items()}


def _never_seen(rows: int) -> float:
    """Return an upper bound for a rate with no occurrence in this number of rows: the rule of three.

    Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 1983.
    """
    return round(3 / rows, 5)


def _rounded_away(limit: float, group: Group) -> float:
    """Round to four digits so that the value itself is not an alert."""
    if limit <= 0:
        return 0.0
    digits = 3 - math.floor(math.log10(abs(limit)))
    scale = 10.0**digits
    return (math.floor if group.alerts_below else math.ceil)(limit * scale) / scale


def visible_shifts(
    signals: Mapping[str, Any],
    thresholds: Mapping[Group, float],
    reference: pd.DataFrame,
    window: int,
    target: str,
    draw: np.random.Generator,
) -> dict[str, float]:
    """Return, in standard deviations, the smallest shift of each numerical feature that alerts 19 times in 20."""
    drifts = {name: signal for name, signal in signals.items() if signal["type"] == "data_drift"}
    orders = [draw.permutation(len(reference)) for _ in range(20)]
    shifts = {}
    for name, signal in drifts.items():
        features = [
            column
            for column in reference
            if column not in (target, PREDICTION)
            and reference[column].dtype.kind == "f"
            and reference[column].std() > 0
        ]
        for feature in features:
            low, high = 0.0, 8.0
            for _ in range(6):
                middle = (low + high) / 2
                seen = sum(
                    _alerts(name, signal, thresholds, reference, order, window, feature, middle) for order in orders
                )
                low, high = (low, middle) if seen >= 19 else (middle, high)
            shifts[feature] = round(high, 2)
    return shifts


def _alerts(
    name: str,
    signal: Mapping[str, Any],
    thresholds: Mapping[Group, float],
    reference: pd.DataFrame,
    order: np.ndarray,
    window: int,
    feature: str,
    deviations: float,
) -> bool:
    old = reference[[feature]].iloc[order[window:]]
    new = reference[[feature]].iloc[order[:window]] + deviations * reference[feature].std()
    values, _ = measure({**signal, "features": [feature]}, Tables(old, new), _named_metrics(signal))
    for found in values:
        group = Group(name, found.kind, found.metric)
        limit = thresholds.get(group)
        if limit is not None and breaches(METRICS_IN_YAML[found.metric], found.value, limit):
            return True
    return False


def write_thresholds(file: Path, thresholds: Mapping[Group, float]) -> None:
    """Write thresholds into a monitor's YAML; comments and all other content stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    definition = yaml.load(file.read_text(encoding="utf-8"))
    set_thresholds(definition, thresholds)
    written = io.StringIO()
    yaml.dump(definition, written)
    write_text(file, written.getvalue())


def set_thresholds(definition: MutableMapping[str, Any], thresholds: Mapping[Group, float]) -> None:
    """Replace the thresholds in a monitor's definition."""
    for group, threshold in thresholds.items():
        given = definition["create_monitor"]["monitoring_signals"][group.signal]["metric_thresholds"]
        if isinstance(given, list):
            next(item for item in given if item["metric_name"] == group.metric)["threshold"] = threshold
        else:
            (given if group.kind == "all" else given[group.kind])[group.metric] = threshold
