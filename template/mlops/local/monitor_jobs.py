"""A monitor's runs as jobs, as a workspace shows them: the root, a pipeline for each signal, its evaluate step."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from azure.ai.ml.entities import SystemData

from azureml_metrics.signals import SignalResult, State, breach_tag
from mlops.files import read_json
from mlops.local.events import BREACH_TAG
from mlops.local.monitoring import MonitorRun, from_json


@dataclass(frozen=True)
class MonitorJob:
    """A run of the tree, as the SDK gives one."""

    name: str
    display_name: str
    creation_context: SystemData
    status: str = "Completed"
    type: str = "base"
    tags: dict[str, str] = field(default_factory=dict)


class MonitorJobs:
    """The runs of every monitor of the emulator."""

    def __init__(self, state: Path):
        self._folder = state / "monitoring"

    def roots(self, monitor: str | None = None) -> Iterator[MonitorJob]:
        """Return every monitor's run, or those of one."""
        for file in sorted(self._folder.glob("*/run.json")):
            run = from_json(read_json(file))
            if monitor in (None, run.monitor):
                yield _root(run)

    def find(self, name: str) -> MonitorJob | None:
        """Return the run that has a name, at whatever level."""
        run = self._run(name)
        if run is None:
            return None
        below = [job for signal in run.signals for job in (_pipeline(run, signal), _step(run, signal))]
        return next((job for job in [_root(run), *below] if job.name == name), None)

    def children(self, parent: str) -> list[MonitorJob]:
        """Return the runs right under one."""
        run = self._run(parent)
        if run is None:
            return []
        if parent == run.name:
            return [_pipeline(run, signal) for signal in run.signals]
        return [_step(run, signal) for signal in run.signals if parent == _pipeline(run, signal).name]

    def _run(self, name: str) -> MonitorRun | None:
        """Return the monitor's run that a name belongs to: names of runs under it begin with its own."""
        for file in self._folder.glob("*/run.json"):
            if name == file.parent.name or name.startswith(f"{file.parent.name}-"):
                return from_json(read_json(file))
        return None


def _root(run: MonitorRun) -> MonitorJob:
    return MonitorJob(run.name, run.name, _at(run), type="pipeline")


def _pipeline(run: MonitorRun, signal: SignalResult) -> MonitorJob:
    return MonitorJob(f"{run.name}-{signal.name}", signal.name, _at(run))


def _step(run: MonitorRun, signal: SignalResult) -> MonitorJob:
    tags = {BREACH_TAG: breach_tag(signal)} if signal.state is State.ALERT else {}
    return MonitorJob(f"{run.name}-{signal.name}-evaluate", "evaluate", _at(run), tags=tags)


def _at(run: MonitorRun) -> SystemData:
    return SystemData(created_at=datetime.fromisoformat(run.end))
