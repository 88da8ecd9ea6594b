"""Monitor schedules on the laptop: kept as their YAML, run when asked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import yaml
from azure.ai.ml.entities import MonitorSchedule
from azure.ai.ml.entities._load_functions import load_schedule
from azure.core.exceptions import ResourceNotFoundError

from mlops.files import read_json, write_json, write_text
from mlops.local import clock
from mlops.local.datastore import Datastore
from mlops.local.monitoring import MonitorRun, Window, from_json, run_signals, to_json


@dataclass(frozen=True)
class TriggerResult:
    """What `trigger` returns on Azure: the name of the job it started."""

    job_name: str


class Done:
    """A long-running operation that has ended, as `begin_*` returns it."""

    def __init__(self, result: Any):
        self._result = result

    def result(self, timeout: float | None = None) -> Any:
        """Return what came of it."""
        return self._result


class ScheduleOperations:
    """`ml_client.schedules`."""

    def __init__(self, state: Path, datastore: Datastore):
        self._state, self._datastore = state, datastore
        self._folder = state / "schedules"

    def begin_create_or_update(self, schedule: MonitorSchedule) -> Done:
        """Keep a monitor schedule; what Azure would refuse is refused here.

        The data that `@latest` names is the version of this moment: a schedule on Azure keeps the one it was made with.

        Raises:
            ResourceNotFoundError: it names data or a component that was never registered.
        """
        schedule._to_rest_object()
        definition = json.loads(json.dumps(schedule._to_dict(), default=str))
        for signal in definition["create_monitor"]["monitoring_signals"].values():
            self._freeze(signal)
        target = definition["create_monitor"].get("monitoring_target")
        known = self._definition(str(schedule.name))
        if known is None or known["create_monitor"].get("monitoring_target") != target:
            # Another deployment: what an earlier one got is none of its rows.
            self._open_window(str(schedule.name))
        write_text(self._file(str(schedule.name)), yaml.safe_dump(definition, sort_keys=False, allow_unicode=True))
        return Done(self.get(str(schedule.name)))

    def get(self, name: str) -> MonitorSchedule:
        """Return a schedule.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        if not self._file(name).exists():
            raise ResourceNotFoundError(f"There is no schedule {name}.")
        return cast(MonitorSchedule, load_schedule(self._file(name)))

    def list(self) -> Iterator[MonitorSchedule]:
        """Return every schedule."""
        for file in sorted(self._folder.glob("*.yml")):
            yield self.get(file.stem)

    def begin_delete(self, name: str) -> Done:
        """Remove a schedule; what it found stays."""
        self._file(name).unlink(missing_ok=True)
        return Done(None)

    def trigger(self, name: str) -> TriggerResult:
        """Run a monitor now, over all rows since its last run, and move the clock on so that windows never overlap.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        definition = self._definition(name)
        if definition is None:
            raise ResourceNotFoundError(f"There is no schedule {name}.")
        start = datetime.fromisoformat(read_json(self._window(name))["start"])
        end = clock.now(self._state)
        run_name = f"{name}-{end:%Y%m%d%H%M%S}"
        folder = self._state / "monitoring" / run_name
        window = Window(self._datastore, definition, start, end, folder)
        signals = run_signals(definition, window, self._datastore, folder)
        run = MonitorRun(run_name, name, start.isoformat(), end.isoformat(), tuple(signals))
        write_json(folder / "run.json", to_json(run))
        self._open_window(name)
        return TriggerResult(run_name)

    def result(self, job_name: str) -> MonitorRun:
        """Return what a run found. Azure shows it in the studio."""
        return from_json(read_json(self._state / "monitoring" / job_name / "run.json"))

    def last_result(self, name: str) -> MonitorRun | None:
        """Return what a monitor's last run found, if it ran."""
        runs = sorted((self._state / "monitoring").glob(f"{name}-*/run.json"))
        return from_json(read_json(runs[-1])) if runs else None

    def _freeze(self, part: Any) -> None:
        """Look up every asset that a part of a definition names."""
        for item in part if isinstance(part, list) else [part] if isinstance(part, dict) else []:
            if not isinstance(item, dict):
                continue
            for key, value in item.items():
                if key == "path":
                    item[key] = self._datastore.frozen(value)
                elif key in ("component_id", "pre_processing_component"):
                    self._datastore.component(value)
                else:
                    self._freeze(value)

    def _open_window(self, name: str) -> None:
        write_json(self._window(name), {"start": clock.advance(self._state).isoformat()})

    def _definition(self, name: str) -> dict[str, Any] | None:
        file = self._file(name)
        return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.yml"

    def _window(self, name: str) -> Path:
        return self._folder / f"{name}.window.json"
