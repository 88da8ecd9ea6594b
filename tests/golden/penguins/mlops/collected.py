"""What the endpoint collected, with its identifiers: from the laptop's folder or the workspace's storage."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops.errors import aside
from mlops.project import BATCH_ENDPOINT, ONLINE_ENDPOINT, read_yaml
from model.contract import Contract

if TYPE_CHECKING:
    from mlops.client import Client

CORRELATION = "correlationid"
FOLDER = "modelDataCollector"
HOUR = "%Y/%m/%d/%H"


def scored_rows(client: "Client", contract: Contract, start: datetime, end: datetime) -> pd.DataFrame:
    """Return every row scored in a window: identifier, features, prediction and `time`, when it was."""
    wanted = [contract.id_column, *contract.features, "prediction", "time"]
    if not ONLINE_ENDPOINT.exists():
        return _batch_rows(client, str(read_yaml(BATCH_ENDPOINT)["name"]), start, end).reindex(columns=wanted)
    endpoint = str(read_yaml(ONLINE_ENDPOINT)["name"])
    deployments = [str(known.name) for known in client.online_deployments.list(endpoint_name=endpoint)]
    parts = [_rows_of(client, endpoint, deployment, start, end) for deployment in deployments]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return rows.reindex(columns=wanted).dropna(subset=[contract.id_column])


def _rows_of(client: "Client", endpoint: str, deployment: str, start: datetime, end: datetime) -> pd.DataFrame:
    inputs = _exploded(_records(client, f"{FOLDER}/{endpoint}/{deployment}/model_inputs", start, end))
    outputs = _exploded(_records(client, f"{FOLDER}/{endpoint}/{deployment}/model_outputs", start, end))
    if inputs.empty or outputs.empty:
        return pd.DataFrame()
    return inputs.merge(outputs.drop(columns="time"), on=CORRELATION)


def _batch_rows(client: "Client", endpoint: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Rows that a batch endpoint scored carry no time: their folder's hour stands for it."""
    rows: list[dict[str, Any]] = []
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        found = _records(client, f"scored/{endpoint}", hour, hour + timedelta(hours=1))
        rows += [row | {"time": hour.isoformat()} for row in found]
        hour += timedelta(hours=1)
    return pd.DataFrame(rows)


def _exploded(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row for each element of a record's `data`; rows collected together share one correlation id."""
    return pd.DataFrame(
        [
            row | {CORRELATION: f"{record[CORRELATION]}_{number}", "time": record["time"]}
            for record in records
            for number, row in enumerate(record.get("data") or [])
        ]
    )


def _records(client: "Client", folder: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    from mlops.local.client import LocalClient

    if isinstance(client, LocalClient):
        from mlops.local.collector import read_records, read_rows

        read = read_records if folder.startswith(FOLDER) else read_rows
        path = f"azureml://datastores/workspaceblobstore/paths/{folder}"
        return read(client.datastore.resolve(path), start, end, aside)
    return list(_records_in_storage(client, folder, start, end))


def _records_in_storage(client: Any, folder: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Read the workspace's default blob store; a line cut off in the middle is no record."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    store = client.datastores.get("workspaceblobstore")
    address = f"https://{store.account_name}.blob.{store.endpoint or 'core.windows.net'}"
    container = ContainerClient(address, store.container_name, credential=DefaultAzureCredential())
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        for blob in container.list_blobs(name_starts_with=f"{folder}/{hour.strftime(HOUR)}/"):
            for line in container.download_blob(blob.name).readall().decode("utf-8").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    aside(f"A line of {blob.name} is cut off: it is skipped.")
        hour += timedelta(hours=1)
