"""The data collector: receives what `azureml-ai-monitoring` posts and keeps it as Azure does, one folder an hour."""

import json
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from mlops.data import records
from mlops.data.records import HOUR
from mlops.data.storage import Folder
from mlops.local.clock import now

TYPE = "azureml.inference."


def collected_folder(state: Path, endpoint: str, deployment: str) -> Path:
    """Return where a deployment's collections lie, the emulator's default blob store."""
    return state / "datastores" / "workspaceblobstore" / "modelDataCollector" / endpoint / deployment


class RecordError(ValueError):
    """A record that no collection takes."""


class Collector:
    """The records of one deployment."""

    def __init__(self, state: Path, folder: Path, source: str, collections: set[str]):
        self._state, self._folder, self._source, self._collections = state, folder, source, collections
        # A file of one's own: a line that a kill has cut off stays the last of its file.
        self._instance = uuid.uuid4().hex
        self._open: dict[str, tuple[str, BinaryIO]] = {}
        self.rows: Counter[str] = Counter()

    def accept(self, headers: Mapping[str, str], body: bytes) -> None:
        """Write one record; when this returns it survives the death of this process.

        Raises:
            RecordError: it is none of this deployment's collections, or no list of rows.
        """
        collection = headers.get("ce-type", "").removeprefix(TYPE)
        if collection not in self._collections:
            raise RecordError(f"The collection '{collection}' is not switched on.")
        try:
            rows = json.loads(body)
        except ValueError as error:
            raise RecordError(f"The record is not valid JSON: {error}.") from error
        if not isinstance(rows, list):
            raise RecordError("The record is no list of rows.")
        moment = now(self._state)
        line = json.dumps(self._record(collection, headers, rows, len(body), moment), separators=(",", ":"))
        self._file(collection, moment.strftime(HOUR)).write(line.encode() + b"\n")
        self.rows[collection] += len(rows)

    def close(self) -> None:
        """Close the files."""
        for _, file in self._open.values():
            file.close()
        self._open.clear()

    def _file(self, collection: str, hour: str) -> BinaryIO:
        current, file = self._open.get(collection, ("", None))
        if file is None or current != hour:
            if file:
                file.close()
            path = self._folder / collection / hour / f"{self._instance}000000.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab", buffering=0)
            self._open[collection] = (hour, file)
        return file

    def _record(
        self, collection: str, headers: Mapping[str, str], rows: list[Any], length: int, moment: datetime
    ) -> dict[str, Any]:
        correlation = headers.get("ce-x-request-id", "")
        return {
            "specversion": "1.0",
            "id": headers.get("trace-id") or str(uuid.uuid4()),
            "source": self._source,
            "type": f"{TYPE}{collection}",
            "datacontenttype": "application/json",
            "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "data": rows,
            "contentrange": f"bytes 0-{length - 1}/{length}",
            "correlationid": correlation,
            "xrequestid": correlation,
            "modelversion": headers.get("ce-model-version", "default"),
            "collectdatatype": headers.get("ce-collect-data-type", ""),
            "agent": headers.get("ce-agent", ""),
        }


def read_records(
    folder: Path, start: datetime, end: datetime, warn: Callable[[str], None] = warnings.warn
) -> list[dict[str, Any]]:
    """Return the records of a window from a collection's folder on this machine, as `mlops.data.records` reads them."""
    return records.read_records(Folder(folder), "", start, end, warn)
