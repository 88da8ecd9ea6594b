"""Emulates the data collector: stores the records of `azureml-ai-monitoring` as Azure does, in one folder per hour."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from azureml_emulator.clock import Clock, full_hour

TYPE = "azureml.inference."
HOUR = "%Y/%m/%d/%H"
HOUR_FOLDER = re.compile(r".*/(?P<hour>\d{4}/\d{2}/\d{2}/\d{2})/[^/]+\.jsonl")


class RecordError(ValueError):
    """A record that no collection accepts."""


class Collector:
    """The records of one deployment."""

    def __init__(self, clock: Clock, folder: Path, source: str, collections: set[str]):
        self._clock, self._folder, self._source, self._collections = clock, folder, source, collections
        # One file per collector instance, so only the last line of a file can ever be truncated.
        self._instance = uuid.uuid4().hex
        self._open: dict[str, tuple[str, BinaryIO]] = {}
        self.rows: Counter[str] = Counter()

    def accept(self, headers: Mapping[str, str], body: bytes) -> None:
        """Write one record; after the return it survives the death of this process.

        Raises:
            RecordError: it does not belong to one of this deployment's collections, or is not a list of rows.
        """
        collection = headers.get("ce-type", "").removeprefix(TYPE)
        if collection not in self._collections:
            raise RecordError(f"The collection '{collection}' is not switched on.")
        try:
            rows = json.loads(body)
        except ValueError as error:
            raise RecordError(f"The record is not valid JSON: {error}.") from error
        if not isinstance(rows, list):
            raise RecordError("The record is not a list of rows.")
        moment = self._clock.now()
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


def read_records(folder: Path, start: datetime, end: datetime, warn: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the records of a window's hours from a collection's folder, as Azure's preprocessor reads them.

    The window is in whole hours: the hour in which it starts is read from its beginning.

    Args:
        folder: the collection's folder.
        start: the window's start, with its time zone.
        end: the window's end, with its time zone.
        warn: receives a message for each file with skipped lines.
    """
    found = []
    for file in files_of(folder, start, end):
        lines = [line for line in file.read_bytes().split(b"\n") if line.strip()]
        records = [record for line in lines if (record := _parsed(line)) is not None]
        if len(records) < len(lines):
            warn(f"{file}: {len(lines) - len(records)} line(s) do not hold a record with rows: skipped.")
        found += records
    return found


def files_of(folder: Path, start: datetime, end: datetime) -> list[Path]:
    """Return the files of a window's hours, the oldest first; every file if folders are not hourly."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and ".emulator" not in file.parts)
    hours = {file: hour for file in files if (hour := _hour(file)) is not None}
    if not hours:
        return files
    return [file for file, hour in hours.items() if full_hour(start) <= hour < end]


def _hour(file: Path) -> datetime | None:
    found = HOUR_FOLDER.fullmatch(file.as_posix())
    try:
        return datetime.strptime(found["hour"], HOUR).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    rows = record.get("data") if isinstance(record, dict) else None
    return record if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None
