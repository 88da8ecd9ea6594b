"""Remembers what the poll has told GitHub. Pure: the text is kept as a tag of the newest model version.

A tag in the registry, because a runner keeps nothing, the identity that polls may write it, and it goes away with the
model. It holds an entry for each dispatch, `KEY@TIME`, the newest last. A key is a version of the model, or a try of a
retraining: what has changed the world since, such as a retraining that failed, makes another key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TAG = "dispatched"
# GitHub is told again after this, because an event may get lost on its way, and three times at most.
AGAIN_AFTER = timedelta(days=1)
MOST = 3
# More than can be under way at a time; a tag has room for some hundred characters.
KEPT = 12
FORMAT = "%Y%m%dT%H%MZ"


@dataclass(frozen=True)
class Memory:
    """What GitHub was told, and when: the oldest first."""

    entries: tuple[tuple[str, datetime], ...] = ()

    @classmethod
    def read(cls, texts: Iterable[str]) -> "Memory":
        """Read the tags of all versions of the model; what is no entry is left out."""
        found = {entry for text in texts for word in text.split() if (entry := _entry(word)) is not None}
        return cls(tuple(sorted(found, key=lambda entry: entry[::-1])))

    def write(self) -> str:
        """Return the text that keeps it."""
        return " ".join(f"{key}@{time:{FORMAT}}" for key, time in self.entries[-KEPT:])

    def with_dispatch(self, key: str, now: datetime) -> "Memory":
        """Return the memory after another dispatch."""
        return Memory((*self.entries, (key, now.astimezone(UTC).replace(second=0, microsecond=0))))

    def objection(self, key: str, now: datetime) -> str:
        """Return why GitHub is not to be told again, or nothing."""
        times = [time for known, time in self.entries if known == key]
        if len(times) >= MOST:
            return f"GitHub was told of it {MOST} times: start the workflow by hand to try it again."
        if times and now - times[-1] < AGAIN_AFTER:
            return f"GitHub was told of it at {times[-1]:%Y-%m-%d %H:%M} UTC, and is told again a day later."
        return ""


def _entry(word: str) -> tuple[str, datetime] | None:
    key, _, time = word.partition("@")
    try:
        return (key, datetime.strptime(time, FORMAT).replace(tzinfo=UTC)) if key else None
    except ValueError:
        return None
