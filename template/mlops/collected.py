"""Finds the rows that the endpoint scored, with their identifiers, in the storage of the laptop or of the workspace."""

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from mlops.errors import aside
from mlops.project import BATCH_ENDPOINT, ONLINE_ENDPOINT, read_yaml
from mlops.records import CORRELATION, Record, problem_of_record, read_records, read_rows
from mlops.storage import Container, container
from model.contract import Contract

if TYPE_CHECKING:
    from mlops.client import Client

FOLDER = "modelDataCollector"


def scored_rows(client: "Client", contract: Contract, start: datetime, end: datetime) -> pd.DataFrame:
    """Return every row scored in a window: identifier, features, prediction and `time`, when it was scored.

    Rows of deployments that no longer exist are among them: labels often arrive after the next rollout.
    """
    wanted = [contract.id_column, *contract.features, "prediction", "time"]
    store = container(client)
    if ONLINE_ENDPOINT.exists():
        rows = _collected(store, f"{FOLDER}/{read_yaml(ONLINE_ENDPOINT)['name']}", start, end)
    else:
        rows = _batch_rows(store, f"scored/{read_yaml(BATCH_ENDPOINT)['name']}", start, end)
    return rows.reindex(columns=wanted).dropna(subset=[contract.id_column])


def _collected(store: Container, endpoint: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the rows of every deployment that has ever collected, inputs beside outputs."""
    parts = []
    for deployment in store.folders(f"{endpoint}/"):
        collections = [
            _exploded(read_records(store, f"{endpoint}/{deployment}/{name}", start, end, aside))
            for name in ("model_inputs", "model_outputs")
        ]
        if not any(table.empty for table in collections):
            inputs, outputs = collections
            parts.append(inputs.merge(outputs.drop(columns="time"), on=CORRELATION))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _batch_rows(store: Container, folder: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the rows of batch scoring. They carry no time: the hour of their folder is taken for it."""
    return pd.DataFrame([row | {"time": hour.isoformat()} for hour, row in read_rows(store, folder, start, end, aside)])


def _exploded(records: list[Record]) -> pd.DataFrame:
    """Return one row for each element of a record's `data`; rows collected together share one correlation id."""
    problems = Counter(filter(None, map(problem_of_record, records)))
    for problem, count in problems.items():
        aside(f"{count} {problem}: skipped.")
    return pd.DataFrame(
        [
            row | {CORRELATION: f"{record[CORRELATION]}_{number}", "time": record.get("time")}
            for record in records
            if not problem_of_record(record)
            for number, row in enumerate(record["data"])
        ]
    )
