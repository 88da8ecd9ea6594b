"""Finds the rows that the endpoint scored, with their identifiers, in the storage of the laptop or the workspace."""

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops.console import warn
from mlops.data.records import CORRELATION, Record, Warn, problem_of_record, read_rows, read_window
from mlops.paths import BATCH_ENDPOINT, ONLINE_ENDPOINT, read_yaml
from mlops.storage import Container, container
from model.contract import Contract

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FOLDER = "modelDataCollector"
PREDICTION = "prediction"
SCORED_AT = "scored at"
"""The column with the time of scoring. Its name differs from that of any feature, which may be called `time`."""


def scored_rows(
    client: "MLClient", contract: Contract, start: datetime, end: datetime, warn: Warn = warn
) -> pd.DataFrame:
    """Return every row scored in a window: identifier, features, prediction and the time in `scored at`.

    Rows of deleted deployments are included: labels often arrive after the next rollout. A row that does not have the
    format of this project's scoring script is skipped with a warning.
    """
    store = container(client)
    if ONLINE_ENDPOINT.exists():
        rows = _collected(store, contract, f"{FOLDER}/{read_yaml(ONLINE_ENDPOINT)['name']}", start, end, warn)
    else:
        rows = _batch_rows(store, f"scored/{read_yaml(BATCH_ENDPOINT)['name']}", start, end, warn)
    rows = rows.reindex(columns=[contract.id_column, *contract.features, PREDICTION, SCORED_AT])
    return _understood(rows, contract, warn).reset_index(drop=True)


def _collected(
    store: Container, contract: Contract, endpoint: str, start: datetime, end: datetime, warn: Warn
) -> pd.DataFrame:
    """Return the rows of every deployment that has collected any, inputs joined with outputs."""
    parts = []
    for deployment in store.folders(f"{endpoint}/"):
        inputs, outputs = (
            _exploded(read_window(store, f"{endpoint}/{deployment}/{name}", start, end, warn)).reindex(columns=columns)
            for name, columns in {
                "model_inputs": [CORRELATION, *contract.features],
                "model_outputs": [CORRELATION, contract.id_column, PREDICTION, SCORED_AT],
            }.items()
        )
        rows = inputs.merge(outputs, on=CORRELATION)
        for found, what in ((inputs, "prediction"), (outputs, "features")):
            if len(found) > len(rows):
                warn(f"{len(found) - len(rows)} row(s) scored by {deployment} are skipped: no {what} could be read.")
        parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _batch_rows(store: Container, folder: str, start: datetime, end: datetime, warn: Warn) -> pd.DataFrame:
    """Return the rows of batch scoring. They carry no time, so the hour of their folder is used."""
    found = read_rows(store, folder, start, end, warn)
    return pd.DataFrame([row | {SCORED_AT: hour.isoformat()} for hour, row in found])


def _exploded(records: list[Record]) -> pd.DataFrame:
    """Return one row for each element of a record's `data`; rows collected together share one correlation id."""
    problems = Counter(filter(None, map(problem_of_record, records)))
    for problem, count in problems.items():
        warn(f"{count} {problem}: skipped.")
    rows = [
        row | {CORRELATION: f"{record[CORRELATION]}_{number}", SCORED_AT: record.get("time")}
        for record in records
        if not problem_of_record(record)
        for number, row in enumerate(record["data"])
    ]
    if not rows:
        return pd.DataFrame(columns=[CORRELATION], dtype=object)
    # Count a record that was sent twice only once.
    return pd.DataFrame(rows).drop_duplicates(CORRELATION)


def _understood(rows: pd.DataFrame, contract: Contract, warn: Warn) -> pd.DataFrame:
    """Return the rows that match the contract; warn about those without an identifier or with other values."""
    rows[contract.id_column] = rows[contract.id_column].map(lambda value: str(value) if type(value) is int else value)
    is_fit = rows[contract.id_column].map(_is_text).astype(bool)
    for name in contract.features:
        is_fit &= rows[name].map(_is_number if name in contract.numerical else _is_code).astype(bool)
    if not is_fit.all():
        warn(
            f"{len(rows) - is_fit.sum()} of {len(rows)} collected row(s) have no identifier or do not match "
            "src/model/contract.yml: skipped."
        )
    return rows[is_fit]


def _is_text(value: Any) -> bool:
    """Return whether a value is text that can be written: JSON can hold half of a surrogate pair, which cannot."""
    try:
        return isinstance(value, str) and bool(value) and bool(value.encode())
    except UnicodeEncodeError:
        return False


def _is_number(value: Any) -> bool:
    try:
        return value is None or abs(float(value)) != float("inf")
    except (ValueError, TypeError, OverflowError):
        return False


def _is_code(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float) or _is_text(value) or value == ""
