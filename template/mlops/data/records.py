"""Reads hourly folders of endpoints: the data collector's records, and the plain rows of batch scoring.

A folder holds `yyyy/MM/dd/HH/NAME.jsonl`. A monitor's window is in whole hours: it includes the hour in which it starts
and the hour in which it ends, unless it ends at the start of an hour. A retraining's window is exact: in its first and
last hour, a record's own time decides. Unreadable lines are skipped with one warning per file.
`src/model/preprocess_production_data.py` has the same rules for Spark.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops.storage import Container

HOUR = "%Y/%m/%d/%H"
FILE = re.compile(r"(?:.*/)?(?P<hour>\d{4}/\d{2}/\d{2}/\d{2})/[^/]+\.jsonl")
CORRELATION = "correlationid"
MOST_DIGITS = 308
MANY_DIGITS = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")

FILES_AT_ONCE = 64

UNREADABLE = "line(s) are cut off or do not hold a record"
ELSEWHERE = "record(s) are larger than 4 MB, so Azure keeps their rows in other files, which are not read"

Record = dict[str, Any]
Warn = Callable[[str], None]
Check = Callable[[Any], str]


def read_records(store: Container, folder: str, start: datetime, end: datetime, warn: Warn) -> list[Record]:
    """Return the data collector's records of a window: each has a time, a correlation id and a list of rows.

    If a record's time is missing or of another hour, the hour of its folder is used.

    Args:
        store: the storage of the folder.
        folder: a collection's folder, empty for the store itself.
        start: the window's start, with its time zone.
        end: the window's end, with its time zone.
        warn: receives a message for each file with skipped lines.
    """
    return [record for _, record in _records(store, folder, start, end, warn)]


def read_window(store: Container, folder: str, start: datetime, end: datetime, warn: Warn) -> list[Record]:
    """Return the records of a window that starts and ends within hours; arguments as in `read_records`.

    A record written just after the hour into the old hour's folder counts for that folder's hour, so no window misses
    it.
    """
    return [record for moment, record in _records(store, folder, start, end, warn) if start <= moment < end]


def read_rows(
    store: Container, folder: str, start: datetime, end: datetime, warn: Warn
) -> list[tuple[datetime, Record]]:
    """Return the plain rows of a window with the hour of their scoring; arguments as in `read_records`."""
    return list(_read(store, folder, start, end, warn, problem_of_row))


def problem_of_row(row: Any) -> str:
    """Return why a line does not hold a row, or an empty text."""
    return "" if isinstance(row, dict) else UNREADABLE


def problem_of_record(record: Any) -> str:
    """Return why a record does not give rows, or an empty text."""
    if not isinstance(record, dict):
        return UNREADABLE
    if "dataref" in record and not isinstance(record.get("data"), list):
        return ELSEWHERE
    rows = record.get("data")
    is_whole = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return "" if is_whole and isinstance(record.get(CORRELATION), str) else UNREADABLE


def _records(
    store: Container, folder: str, start: datetime, end: datetime, warn: Warn
) -> Iterator[tuple[datetime, Record]]:
    """Yield the records of a window's hours, each with its time."""
    for hour, record in _read(store, folder, start, end, warn, problem_of_record):
        moment = time_within(hour, record.get("time"))
        yield moment, record | {"time": moment.isoformat()}


def time_within(hour: datetime, time: Any) -> datetime:
    """Return a record's time if it is within its folder's hour, else the nearer end of that hour."""
    try:
        moment = datetime.fromisoformat(str(time))
        return min(max(moment, hour), hour + timedelta(hours=1) - timedelta.resolution).astimezone(UTC)
    # The time is missing or has no zone.
    except (ValueError, TypeError):
        return hour


def hour_of(name: str) -> datetime | None:
    """Return the hour whose folder a file is in, None for a file outside hour folders."""
    found = FILE.fullmatch(name)
    try:
        return datetime.strptime(found["hour"], HOUR).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _read(
    store: Container, folder: str, start: datetime, end: datetime, warn: Warn, check: Check
) -> Iterator[tuple[datetime, Record]]:
    files = _files(store, folder, start, end)
    for first in range(0, len(files), FILES_AT_ONCE):
        part = files[first : first + FILES_AT_ONCE]
        for (hour, name), content in zip(part, store.read_all([name for _, name in part]), strict=True):
            for record in _checked(name, content, warn, check):
                yield hour, record


def _checked(name: str, content: bytes, warn: Warn, check: Check) -> Iterator[Record]:
    skipped: dict[str, list[int]] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            record = _parsed(line)
            problem = check(record)
            if problem:
                skipped.setdefault(problem, []).append(number)
            else:
                yield record
    for problem, lines in skipped.items():
        warn(f"{name}: {len(lines)} {problem}: skipped. The first is line {lines[0]}.")


def _parsed(line: bytes) -> Any:
    try:
        # Decode here, because `json` would read some bytes as UTF-16.
        text = line.decode("utf-8")
        return json.loads(text, parse_int=_whole_number) if MANY_DIGITS.search(text) else json.loads(text)
    # A list nested thousands of times raises RecursionError instead of JSONDecodeError.
    except (ValueError, RecursionError):
        return None


def _whole_number(digits: str) -> int:
    """Return a whole number.

    Raises:
        ValueError: it is too large for a float, and so for a table.
    """
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _files(store: Container, folder: str, start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Return a window's files, the oldest first; listing by month costs two requests for thirty days."""
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    prefix = f"{folder}/" if folder else ""
    names = [name for month in _months(first, end.astimezone(UTC)) for name in store.names(f"{prefix}{month}/")]
    files = [(hour, name) for name in names if (hour := hour_of(name)) is not None]
    return [(hour, name) for hour, name in sorted(files) if first <= hour < end]


def _months(start: datetime, end: datetime) -> list[str]:
    count = 12 * (end.year - start.year) + end.month - start.month + 1
    months = (divmod(start.month - 1 + number, 12) for number in range(count))
    return [f"{start.year + years}/{month + 1:02}" for years, month in months]
