"""Checks the inputs of Azure's own attribution drift, which judges no threshold.

Azure fits a model to each side and compares the importances of the features (azureml-assets,
`feature_importance_metrics`). Both sides need the target and the same features.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from azureml_emulator.jobs.spark import ComponentFailedError
from azureml_emulator.monitors.definition import Signal
from azureml_emulator.monitors.window import CORRELATION
from azureml_metrics.signals import SignalResult

NOT_JUDGED = "Azure computes the attributions, but its pipeline takes no threshold for them, so nothing was judged."


def in_order(data: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the inputs of the signal with the model's inputs first."""
    return sorted(data, key=lambda one: str(one["data_context"]))


def join(inputs: pd.DataFrame, outputs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of both sides that have the same correlation id.

    Raises:
        ComponentFailedError: both have another column of one name, which Spark cannot write.
    """
    shared = sorted((set(inputs) & set(outputs)) - {CORRELATION})
    if shared:
        raise ComponentFailedError(
            f"[COLUMN_ALREADY_EXISTS] The column `{shared[0]}` already exists. Consider to choose another name or "
            "rename the existing column."
        )
    return inputs.merge(outputs, on=CORRELATION)


def attribution(
    name: str, signal: Signal, reference: pd.DataFrame, production: pd.DataFrame, target: str | None
) -> SignalResult:
    """Return the signal's result, which has no measurement.

    Raises:
        ComponentFailedError: one side has no target, or the features differ.
    """
    sides = [set(rows) - {CORRELATION} for rows in (reference, production)]
    for side in sides:
        if target not in side:
            raise ComponentFailedError(
                f"The signal {name} failed: Target column = '{target}' is not in the dataset provided to this "
                "component. Please try using either a complete dataset that already has the target column or try "
                "joining with a dataset that results in the target column being included."
            )
    difference = sides[0] ^ sides[1]
    if difference:
        raise ComponentFailedError(
            f"The signal {name} failed: Feature names in baseline and production data do not match, "
            f"diff: {sorted(difference)}"
        )
    return SignalResult(name, signal["type"], (), (NOT_JUDGED,), signal["alert_enabled"])
