"""Thresholds of a monitor: from the values of undrifted runs, and in the monitor's YAML."""

import io
import math
from collections.abc import Mapping, MutableMapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from azureml_metrics.drift import ALERT_BELOW, METRICS_IN_YAML
from mlops.files import write_text


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


def joint_thresholds(runs: pd.DataFrame, runs_per_alert: int) -> dict[Group, float]:
    """Return one threshold for each group so that one of N runs crosses any of them.

    Every group gives up the same share of its own runs. Each run's largest rank determines that share.
    """
    worse = runs.apply(lambda values: -values if values.name.alerts_below else values)
    ranks = worse.rank(method="max", pct=True)
    share = float(np.quantile(ranks.max(axis=1), 1 - 1 / runs_per_alert, method="higher"))
    limits = {group: float(np.nanquantile(values, share, method="higher")) for group, values in worse.items()}
    return {group: _rounded_away(-limit if group.alerts_below else limit, group) for group, limit in limits.items()}


def one_for_each_type(thresholds: Mapping[Group, float], names: Set[str]) -> dict[Group, float]:
    """Return thresholds in which all metrics of a data type have the largest one, for the named signals.

    Azure judges all metrics of data quality for a data type by one threshold (azureml-assets,
    `data_quality_signal_monitor`), and does not document which.
    """
    largest: dict[tuple[str, str], float] = {}
    for group, threshold in thresholds.items():
        scope = (group.signal, group.kind)
        largest[scope] = max(threshold, largest.get(scope, 0.0))
    return {
        group: largest[group.signal, group.kind] if group.signal in names else threshold
        for group, threshold in thresholds.items()
    }


def never_seen(rows: int) -> float:
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
            given[group.kind][group.metric] = threshold
