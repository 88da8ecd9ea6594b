"""Keeps the events of the workspace until they are delivered: one file each, so that none is lost."""

import time
from collections.abc import Collection, Iterable
from pathlib import Path

from azureml_emulator.events.event_grid import Event
from azureml_emulator.files import read_json, write_json


class EventQueue:
    """The events of a workspace that are not delivered yet."""

    def __init__(self, state: Path):
        self._folder = state / "events"

    def put(self, events: Iterable[Event]) -> None:
        """Raise events."""
        for event in events:
            write_json(self._folder / f"{time.time_ns()}-{event['id']}.json", event)

    def pending(self, about: str = "", besides: Collection[Path] = ()) -> tuple[Path, Event] | None:
        """Return the oldest event and its file, None if there is none.

        Args:
            about: the name of a run, or `models/NAME:VERSION`; any event without it.
            besides: files that are left out.
        """
        for file in sorted(self._folder.glob("*.json")):
            if file in besides:
                continue
            event: Event = read_json(file)
            if not about or about in (event["subject"], event["data"].get("experimentName")):
                return file, event
        return None
