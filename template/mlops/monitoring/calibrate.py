"""Computes thresholds at which undrifted data causes at most one false alert per N runs.

Azure's default thresholds do not depend on the size of a window: between 300 and 142 rows of one distribution the
distances are well above 0.1. Here reference rows are split again and again into a reference part and a disjoint window
part. The largest value of each signal in each such run is caused by chance alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from azureml_metrics.columns import MetricsError
from azureml_metrics.signals import Tables
from mlops.monitoring.chance import attributions, extremes
from mlops.monitoring.thresholds import Group, joint_thresholds, never_seen, one_for_each_type
from mlops.monitoring.visible_shifts import visible_shifts

RESAMPLES = 300
ATTRIBUTION_RESAMPLES = 30
"""The number of resamples of attribution drift: each fits two models."""

MANY_CELLS = 200_000
"""The number of cells in the reference from which on a quarter of the resamples is used."""

RARE = ("null_value_rate", "out_of_bounds_rate", "error_rate")


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
    fitted = set(range(0, resamples, max(1, resamples // ATTRIBUTION_RESAMPLES)))
    runs: list[dict[Group, float]] = []
    for number in range(resamples):
        order = draw.permutation(len(reference))
        tables = Tables(reference.iloc[order[window:]], reference.iloc[order[:window]], target)
        runs.append(extremes(signals, tables) | (attributions(signals, tables) if number in fitted else {}))
    thresholds = {
        group: max(threshold, never_seen(len(reference))) if group.metric in RARE else threshold
        for group, threshold in joint_thresholds(pd.DataFrame(runs), runs_per_alert).items()
    }
    thresholds = one_for_each_type(thresholds, {name for name in signals if signals[name]["type"] == "data_quality"})
    shifts = visible_shifts(signals, thresholds, reference, window, target, draw)
    return Calibration(thresholds, shifts, len(reference), window, resamples)
