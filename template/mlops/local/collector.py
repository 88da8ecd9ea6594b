"""The data collector: receives what `azureml-ai-monitoring` posts and keeps it as Azure does, one folder an hour."""

import json
import os
import re
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from mlops.local.clock import full_hour, now

HOUR = "%Y/%m/%d/%H"
BY_HOUR = re.compile(r"\d{4}/\d\d/\d\d/\d\d")
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
    """Return a collection's records of a window, the oldest hour first.

    Args:
        folder: the collection's folder, which holds `yyyy/MM/dd/HH/*.jsonl`.
        start: the window's start; the whole of its hour is read.
        end: the window's end; records of an hour that starts then or later are left out.
        warn: told the file and line of each record that a kill has cut off; such a record is skipped.
    """
    return [record for file in _files(folder, start, end) for record in _read(file, warn, _is_record)]


def read_rows(
    folder: Path, start: datetime, end: datetime, warn: Callable[[str], None] = warnings.warn
) -> list[dict[str, Any]]:
    """Return the plain rows of a window, such as a batch endpoint writes; the arguments are those of `read_records`."""
    return [row for file in _files(folder, start, end) for row in _read(file, warn, lambda row: isinstance(row, dict))]


def files_of(folder: Path, start: datetime, end: datetime) -> list[Path]:
    """Return the files of a window. A folder that is not laid out by the hour belongs to every window."""
    hourly = [file for file in folder.rglob("*.jsonl") if BY_HOUR.fullmatch(file.parent.relative_to(folder).as_posix())]
    return list(_files(folder, start, end)) if hourly else [file for file in folder.rglob("*") if file.is_file()]


def _files(folder: Path, start: datetime, end: datetime) -> Iterator[Path]:
    hour = full_hour(start.astimezone(UTC))
    while hour < end:
        yield from sorted((folder / hour.strftime(HOUR)).glob("*.jsonl"))
        hour += timedelta(hours=1)


def _is_record(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("data"), list)


def _read(file: Path, warn: Callable[[str], None], is_whole: Callable[[Any], bool]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not is_whole(record):
            warn(f"{os.fspath(file)}, line {number}, is cut off or no record: it is skipped.")
            continue
        yield record
