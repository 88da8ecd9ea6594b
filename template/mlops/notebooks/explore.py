"""Returns collected rows as tables: by day, against the reference, and by the monitor's own thresholds."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from azureml_metrics.columns import MetricsError
from azureml_metrics.drift import ALERT_BELOW
from azureml_metrics.signals import ROW_COUNT, Tables, compute
from mlops.console import warn
from mlops.data.collected import scored_rows
from mlops.data.records import Warn
from mlops.errors import RunFailedError
from mlops.monitoring.chance import PREDICTION, compared_columns
from mlops.workspace import now
from model.contract import Contract
from model.split import REPEAT

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

DAY = "day"
LOOK_BACK = timedelta(days=7)
LOOK_AGAIN_AFTER = 15.0


def wait_for_rows(client: "MLClient", contract: Contract, sent: pd.DataFrame, timeout: float = 900.0) -> pd.DataFrame:
    """Return the collected rows of the rows sent, in their order, once all have arrived: on Azure that takes minutes.

    Raises:
        RunFailedError: some rows did not arrive in time.
    """
    until = time.monotonic() + timeout
    while True:
        # Some records have only half arrived, so warn only when all are there.
        rows = _collected(client, contract, timedelta(hours=3), warn=lambda _: None)
        arrived = sent[[contract.id_column]].merge(rows.drop_duplicates(contract.id_column), on=contract.id_column)
        missing = len(sent) - len(arrived)
        if not missing:
            return arrived
        if time.monotonic() > until:
            raise RunFailedError(f"{missing} of {len(sent)} rows were not collected within {timeout:.0f} s.")
        time.sleep(LOOK_AGAIN_AFTER if len(arrived) == 0 else 1.0)


def last_days(client: "MLClient", contract: Contract, days: int) -> pd.DataFrame:
    """Return the rows of the last days that were sent, with their `day`, from 1 on.

    The window number in a row's identifier gives the day: on Azure several days may be sent within one hour.

    Raises:
        RunFailedError: fewer days were sent or have arrived.
    """
    rows = _collected(client, contract, LOOK_BACK).drop_duplicates(contract.id_column)
    numbers = rows[contract.id_column].str.partition(REPEAT)[2]
    rows = rows[numbers != ""].assign(**{DAY: pd.to_numeric(numbers[numbers != ""])})
    last = sorted(rows[DAY].unique())[-days:]
    if len(last) < days:
        raise RunFailedError(f"{len(last)} of {days} days were collected: run notebook 4 first, it sends them.")
    rows = rows[rows[DAY].isin(last)]
    rows[DAY] = rows[DAY].map({number: day for day, number in enumerate(last, 1)})
    return rows.sort_values([DAY, contract.id_column], ignore_index=True)


def _collected(client: "MLClient", contract: Contract, look_back: timedelta, warn: Warn = warn) -> pd.DataFrame:
    moment = now(client)
    return scored_rows(client, contract, moment - look_back, moment + timedelta(minutes=1), warn)


def measure(
    definition: Mapping[str, Any], reference: pd.DataFrame, days: pd.DataFrame, contract: Contract
) -> pd.DataFrame:
    """Return Azure's metrics of each day with the thresholds of a monitor's YAML, one row for each.

    `ratio` is the value in relation to its threshold: above 1 it is an alert. Signals of your own components are left
    out: they need labels, which synthetic rows do not have.
    """
    rows = [
        {DAY: day, "signal": name, **found}
        for day, window in days.groupby(DAY)
        for name, signal in definition["create_monitor"]["monitoring_signals"].items()
        for found in _measure_signal(name, signal, Tables(reference, _comparable(window, contract), contract.target))
    ]
    return pd.DataFrame(rows)


def _comparable(window: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    return window[[*contract.features, PREDICTION]].reset_index(drop=True)


def _measure_signal(name: str, signal: Mapping[str, Any], tables: Tables) -> list[dict[str, Any]]:
    if signal["type"] == "custom":
        return []
    production = tables.production[compared_columns(signal, tables)]
    try:
        result = compute(name, signal, Tables(tables.reference, production, tables.target))
    except MetricsError:
        return []
    return [
        {
            "feature": found.feature,
            "metric": found.metric,
            "value": found.value,
            "threshold": found.threshold,
            "ratio": _ratio(found.value, found.threshold, found.metric),
            "alerts": found.breached and result.alert_enabled,
        }
        for found in result.measurements
        if found.metric != ROW_COUNT
    ]


def _ratio(value: float, threshold: float, metric: str) -> float:
    above, below = (threshold, value) if metric in ALERT_BELOW else (value, threshold)
    if below:
        return above / below
    return float("inf") if above > 0 else 0.0


def alerts(measured: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the signals that would alert on each day, by each set of thresholds."""
    return pd.DataFrame(
        {
            name: table.groupby(DAY)[["signal", "alerts"]].apply(lambda day: ", ".join(_alerting(day)) or "quiet")
            for name, table in measured.items()
        }
    )


def _alerting(day: pd.DataFrame) -> list[str]:
    return [str(name).rpartition("_monitor_")[2] for name in day.loc[day["alerts"], "signal"].unique()]


def differences(jobs: Mapping[str, Any]) -> pd.DataFrame:
    """Return the differences between jobs in their full YAML: one row for each."""
    flat = pd.DataFrame({name: _flat(job._to_dict()) for name, job in jobs.items()}, dtype=object)
    flat = flat.where(flat.notna(), None)
    return flat[flat.astype(str).nunique(axis=1) > 1].sort_index()


def _flat(content: Any, place: str = "") -> dict[str, Any]:
    if not isinstance(content, dict):
        return {place: content}
    return {
        inner: value
        for key, part in content.items()
        for inner, value in _flat(part, f"{place}.{key}" if place else str(key)).items()
    }
