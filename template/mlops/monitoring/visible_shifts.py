"""The smallest shift of each feature that a monitor's thresholds detect."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from azureml_metrics.drift import METRICS_IN_YAML, breaches
from azureml_metrics.signals import Tables, measure
from mlops.monitoring.chance import PREDICTION, named_metrics
from mlops.monitoring.thresholds import Group


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
    values, _ = measure({**signal, "features": [feature]}, Tables(old, new), named_metrics(signal))
    for found in values:
        group = Group(name, found.kind, found.metric)
        limit = thresholds.get(group)
        if limit is not None and breaches(METRICS_IN_YAML[found.metric], found.value, limit):
            return True
    return False
