"""The emulator's clock: real time, until a monitor run closes its window and advances the clock.

Collected records are in hourly folders and monitors read whole hours. After a run the clock is at the next full hour,
so records that arrive later are not in the window that the run has read.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from azureml_emulator.files import read_json, write_json

DAY = timedelta(hours=1)
"""A simulated day, by which windows of days are measured."""


class Clock:
    """The time of a state folder."""

    def __init__(self, state: Path):
        self._file = state / "clock.json"

    def now(self) -> datetime:
        """Return the emulator's time."""
        try:
            return datetime.now(UTC) + timedelta(seconds=read_json(self._file)["offset_seconds"])
        except FileNotFoundError:
            return datetime.now(UTC)

    def advance(self) -> datetime:
        """Advance the clock to the start of the next full hour and return it."""
        hour = full_hour(self.now()) + DAY
        write_json(self._file, {"offset_seconds": (hour - datetime.now(UTC)).total_seconds()})
        return hour


def full_hour(moment: datetime) -> datetime:
    """Return the start of the hour of a time."""
    return moment.replace(minute=0, second=0, microsecond=0)
