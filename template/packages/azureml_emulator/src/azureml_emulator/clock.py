"""The emulator's clock: real time, until a monitor run closes its window and moves the clock on.

Collected records lie in hour folders and monitors read whole hours. Moved on to the next full hour, the clock keeps
what arrives after a run out of the window that the run has read.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from azureml_emulator.files import read_json, write_json


class Clock:
    """The time in a state folder."""

    def __init__(self, state: Path):
        self._file = state / "clock.json"

    def now(self) -> datetime:
        """Return the emulator's time."""
        try:
            return datetime.now(UTC) + timedelta(seconds=read_json(self._file)["offset_seconds"])
        except FileNotFoundError:
            return datetime.now(UTC)

    def advance(self) -> datetime:
        """Move the clock on to the start of the next full hour and return it."""
        hour = full_hour(self.now()) + timedelta(hours=1)
        write_json(self._file, {"offset_seconds": (hour - datetime.now(UTC)).total_seconds()})
        return hour


def full_hour(moment: datetime) -> datetime:
    """Return the start of a moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)
