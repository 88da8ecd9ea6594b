"""The emulator's clock: real time, until a monitor run closes its window and moves the clock on.

Collected records lie in hour folders and monitors read whole hours. Moved on to the next full hour, the clock keeps
what arrives after a run out of the window that the run has read.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops.files import read_json, write_json

FILE = "clock.json"


def now(state: Path) -> datetime:
    """Return the emulator's time."""
    return datetime.now(UTC) + _offset(state)


def advance(state: Path) -> datetime:
    """Move the clock on to the start of the next full hour and return it."""
    hour = full_hour(now(state)) + timedelta(hours=1)
    write_json(state / FILE, {"offset_seconds": (hour - datetime.now(UTC)).total_seconds()})
    return hour


def full_hour(moment: datetime) -> datetime:
    """Return the start of a moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _offset(state: Path) -> timedelta:
    file = state / FILE
    return timedelta(seconds=read_json(file)["offset_seconds"] if file.exists() else 0)
