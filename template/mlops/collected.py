"""What the endpoint collected, with its identifiers: from the laptop's folder or the workspace's storage."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops.project import ONLINE_ENDPOINT, read_yaml
from model.contract import Contract

if TYPE_CHECKING:
    from mlops.client import Client

CORRELATION = "correlationid"
FOLDER = "modelDataCollector"
HOUR = "%Y/%m/%d/%H"


def scored_rows(client: "Client", contract: Contract, start: datetime, end: datetime) -> pd.DataFrame:
    """Return every row scored in a window: identifier, features, prediction and `time`, when it was."""
    endpoint = str(read_yaml(ONLINE_ENDPOINT)["name"])
    deployments = [str(known.name) for known in client.online_deployments.list(endpoint_name=endpoint)]
    parts = [_rows_of(client, endpoint, deployment, start, end) for deployment in deployments]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    wanted = [contract.id_column, *contract.features, "prediction", "time"]
    return rows.reindex(columns=wanted).dropna(subset=[contract.id_column])


def _rows_of(client: "Client", endpoint: str, deployment: str, start: datetime, end: datetime) -> pd.DataFrame:
    inputs = _exploded(_records(client, f"{endpoint}/{deployment}/model_inputs", start, end))
    outputs = _exploded(_records(client, f"{endpoint}/{deployment}/model_outputs", start, end))
    if inputs.empty or outputs.empty:
        return pd.DataFrame()
    return inputs.merge(outputs.drop(columns="time"), on=CORRELATION)


def _exploded(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row for each element of a record's `data`; rows collected together share one correlation id."""
    return pd.DataFrame(
        [
            row | {CORRELATION: f"{record[CORRELATION]}_{number}", "time": record["time"]}
            for record in records
            for number, row in enumerate(record.get("data") or [])
        ]
    )


def _records(client: "Client", collection: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    from mlops.local.client import LocalClient

    if isinstance(client, LocalClient):
        from mlops.local.collector import read_records

        path = f"azureml://datastores/workspaceblobstore/paths/{FOLDER}/{collection}"
        return read_records(client.datastore.resolve(path), start, end)
    return list(_records_in_storage(client, collection, start, end))


def _records_in_storage(client: Any, collection: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Read the workspace's default blob store; a line cut off in the middle is no record."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    store = client.datastores.get("workspaceblobstore")
    address = f"https://{store.account_name}.blob.{store.endpoint or 'core.windows.net'}"
    container = ContainerClient(address, store.container_name, credential=DefaultAzureCredential())
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        for blob in container.list_blobs(name_starts_with=f"{FOLDER}/{collection}/{hour.strftime(HOUR)}/"):
            for line in container.download_blob(blob.name).readall().decode("utf-8").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    print(f"Skipped a line of {blob.name} that was cut off.")
        hour += timedelta(hours=1)
