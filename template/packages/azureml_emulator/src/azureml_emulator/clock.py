"""The emulator's clock: real time, until a monitor run closes its window and moves the clock on.

Collected records lie in hour folders and monitors read whole hours. Moved on to the next full hour, the clock keeps
what arrives after a run out of the window that the run has read.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Clock:
    """The time in a state folder."""

    def __init__(self, state: Path):
        self._file = state / "clock.json"

    def now(self) -> datetime:
        """Return the emulator's time."""
        known = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        return datetime.now(UTC) + timedelta(seconds=known.get("offset_seconds", 0))

    def advance(self) -> datetime:
        """Move the clock on to the start of the next full hour and return it."""
        hour = self.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"offset_seconds": (hour - datetime.now(UTC)).total_seconds()})
        staging = self._file.with_suffix(".new")
        staging.write_text(content, encoding="utf-8")
        staging.replace(self._file)
        return hour
