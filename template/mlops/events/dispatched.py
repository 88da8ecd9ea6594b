"""Remembers what the poll has reported to GitHub. Pure: the text is kept as a tag of the newest model version.

A runner keeps nothing, so a tag holds it: the identity of the poll may write it, and it is deleted with the model. It
has an entry `KEY@TIME` for each dispatch, the newest last. The key is a model version or a try of a retraining, so a
new state, such as a failed retraining, has a new key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TAG = "dispatched"
# An event may get lost, so GitHub is notified again after this time, and three times at most.
AGAIN_AFTER = timedelta(days=1)
MOST = 3
# More than can be in progress at a time; a tag holds some hundred characters.
KEPT = 12
FORMAT = "%Y%m%dT%H%MZ"


@dataclass(frozen=True)
class Memory:
    """The dispatches to GitHub with their times, the oldest first."""

    entries: tuple[tuple[str, datetime], ...] = ()

    @classmethod
    def read(cls, texts: Iterable[str]) -> "Memory":
        """Read the tags of all versions of the model; invalid entries are ignored."""
        found = {entry for text in texts for word in text.split() if (entry := _entry(word)) is not None}
        return cls(tuple(sorted(found, key=lambda entry: entry[::-1])))

    def write(self) -> str:
        """Return the text of the tag."""
        return " ".join(f"{key}@{time:{FORMAT}}" for key, time in self.entries[-KEPT:])

    def with_dispatch(self, key: str, now: datetime) -> "Memory":
        """Return the memory after another dispatch."""
        return Memory((*self.entries, (key, now.astimezone(UTC).replace(second=0, microsecond=0))))

    def objection(self, key: str, now: datetime) -> str:
        """Return why not to send a dispatch again, or an empty text."""
        times = [time for known, time in self.entries if known == key]
        if len(times) >= MOST:
            return f"GitHub was notified {MOST} times: start the workflow by hand to try it again."
        if times and now - times[-1] < AGAIN_AFTER:
            return f"GitHub was notified at {times[-1]:%Y-%m-%d %H:%M} UTC, and is notified again a day later."
        return ""


def _entry(word: str) -> tuple[str, datetime] | None:
    key, _, time = word.partition("@")
    try:
        return (key, datetime.strptime(time, FORMAT).replace(tzinfo=UTC)) if key else None
    except ValueError:
        return None
