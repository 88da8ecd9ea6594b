"""Judges the metrics of a custom signal as Azure's outputter and its evaluation of thresholds do."""

import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from azureml_emulator.jobs.spark import ComponentFailedError
from azureml_emulator.monitors.definition import Signal
from azureml_metrics.drift import ALERT_BELOW
from azureml_metrics.signals import Measurement, SignalResult

METRICS = "signal_metrics"
NO_METRICS = (
    "No data is found for input 'signal_metrics' in the specified window, most likely there is no request in the "
    "specified window."
)
"""What Azure's outputter says of a component that wrote no row (azureml-assets, `io_utils.py`)."""


def judge(name: str, signal: Signal, folder: Path) -> SignalResult:
    """Return the result of the metrics that a component wrote into a folder.

    Raises:
        ComponentFailedError: there is no metric at all.
    """
    # Parquet by pandas would not tell a missing value from NaN, and Azure judges NaN.
    rows = pq.read_table(folder / "data").to_pylist() if (folder / "data").exists() else []
    if not rows:
        raise ComponentFailedError(f"The signal {name} failed: {NO_METRICS}")
    judged = [row for row in rows if row["metric_value"] is not None and row["threshold_value"] is not None]
    notes = () if judged else (f"The component judged nothing; it wrote {_listed(rows)}.",)
    return SignalResult(name, "custom", tuple(map(_measurement, judged)), notes, signal["alert_enabled"])


def _measurement(row: dict[str, Any]) -> Measurement:
    metric, value, threshold = row["metric_name"], float(row["metric_value"]), float(row["threshold_value"])
    is_beyond = _less(value, threshold) if metric in ALERT_BELOW else _less(threshold, value)
    return Measurement(row.get("group") or "", "all", metric, value, threshold, is_beyond)


def _less(left: float, right: float) -> bool:
    """Return whether Spark calls a number less than another: NaN is larger than any number."""
    return left < right or (math.isnan(right) and not math.isnan(left))


def _listed(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row['metric_name']} {row['metric_value']:g}" for row in rows if row["metric_value"] is not None)
