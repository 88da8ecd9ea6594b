"""Runs the loop, resumable: each stage can run again after a kill, and a new start continues after the last stage."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from azureml_metrics.results import MonitorRun, to_json
from azureml_metrics.signals import State
from mlops.data.assets import build_data, newest_version
from mlops.data.production import deliver_labels, invoke
from mlops.data.shifts import Shift, default_shift
from mlops.errors import RunFailedError
from mlops.events.workflow_event import MANY, tries_of
from mlops.files import read_json, write_json
from mlops.jobs.following import follow
from mlops.jobs.jobs import find
from mlops.jobs.watching import COMPLETED
from mlops.monitoring.schedule import needs_labels, rebind_labels, run_monitor
from mlops.paths import LABELLED_DATA, STATE, read_yaml
from mlops.registry import version_to_deploy
from mlops.rollout.deploy import read_rollout
from mlops.training.pipeline import TrainingResult, result_of, train
from mlops.workspace import deliver_events, repeat_registration
from model.contract import load_contract

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.workspace import Hop

RESULT = STATE / "loop.json"
PROGRESS = STATE / "loop-progress.json"
STAGES = ("data", "train", "deploy", "quiet", "breach", "retrain", "redeploy", "quiet_again")


class Outcome(StrEnum):
    """The outcome of a loop."""

    CLOSED = "closed"
    NO_ALERT = "no_alert"
    RETAINED = "retained"
    FALSE_ALERT = "false_alert"
    STILL_ALERTING = "still_alerting"
    NOT_MEASURED = "not_measured"


@dataclass
class Stage:
    """One stage and its results."""

    name: str
    status: str = "waiting"
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Progress:
    """The stages of a loop so far, and the drift of production that has accumulated. It survives a kill."""

    shift: Shift
    outcome: str = ""
    accumulated_drift: list[Shift] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=lambda: [Stage(name) for name in STAGES])

    def save(self) -> None:
        """Save progress so that an interrupted loop can resume."""
        write_json(PROGRESS, asdict(self))
        stages = [asdict(stage) for stage in self.stages]
        write_json(RESULT, {"outcome": self.outcome or "running", "shift": self.shift, "stages": stages})


Report = Callable[[Progress, str], None]


class Ended(Exception):
    """The loop ends here, with this outcome."""

    def __init__(self, outcome: Outcome):
        super().__init__(outcome)
        self.outcome = outcome


def load_progress(shift: Shift | None) -> Progress:
    """Return the interrupted loop's progress, or a new one; another shift than the interrupted loop's starts anew."""
    accumulated_drift: list[Shift] = []
    if PROGRESS.exists():
        known = read_json(PROGRESS)
        # Projects of version 0.1.0 have the older name of the key.
        accumulated_drift = [Shift(name) for name in known.get("accumulated_drift", known.get("regime", []))]
        if not known["outcome"] and shift in (None, known["shift"]):
            stages = [Stage(**stage) for stage in known["stages"]]
            return Progress(Shift(known["shift"]), "", accumulated_drift, stages)
    return Progress(shift or default_shift(load_contract()), accumulated_drift=accumulated_drift)


def run_loop(client: "MLClient", progress: Progress, report: Report) -> Outcome:
    """Run the remaining stages and return the outcome."""
    loop = Loop(client, progress, report)
    try:
        for stage in progress.stages:
            if stage.status == "done":
                continue
            with loop.running(stage):
                getattr(loop, stage.name)(stage)
        outcome = Outcome.CLOSED
    except Ended as ended:
        outcome = ended.outcome
    progress.outcome = outcome
    progress.save()
    return outcome


class Loop:
    """The stages, one method each."""

    def __init__(self, client: "MLClient", progress: Progress, report: Report):
        self._client, self._progress, self._report = client, progress, report

    @contextmanager
    def running(self, stage: Stage) -> Iterator[None]:
        """Record a stage's status and duration."""
        started = time.monotonic()
        stage.status, stage.facts = "running", {}
        self._show("")
        try:
            yield
            stage.status = "done"
        except Ended:
            stage.status = "done"
            raise
        except BaseException:
            stage.status = "failed"
            raise
        finally:
            stage.seconds = round(time.monotonic() - started, 2)
            self._show("")

    def data(self, stage: Stage) -> None:
        """Build the data assets, unless a retraining has already registered newer ones."""
        version = newest_version(self._client, str(read_yaml(LABELLED_DATA)["name"]))
        if version is None or version == "1":
            stage.facts["assets"] = [asdict(asset) for asset in build_data(self._client)]
        else:
            stage.facts["labelled_version"] = version

    def train(self, stage: Stage) -> None:
        """Train; RETAIN means that the champion in the registry is as good."""
        _training_facts(stage, train(self._client))

    def deploy(self, stage: Stage) -> None:
        """Deploy by the workflow that the ModelRegistered event starts, which first calibrates the monitor."""
        model = version_to_deploy(self._client, None)
        name, version = str(model.name), str(model.version)
        # The event has arrived already if this loop was interrupted, or if an earlier loop has deployed the champion.
        repeat_registration(self._client, name, version)
        self._deliver(stage, f"models/{name}:{version}")
        stage.facts |= read_rollout(version)

    def quiet(self, stage: Stage) -> None:
        """Monitor production without drift: no alert."""
        if _alerts(self._window(stage, self._progress.accumulated_drift)):
            raise Ended(Outcome.FALSE_ALERT)

    def breach(self, stage: Stage) -> None:
        """Monitor drifted production: the monitor alerts."""
        if not _alerts(self._window(stage, [*self._progress.accumulated_drift, self._progress.shift])):
            raise Ended(Outcome.NO_ALERT)

    def retrain(self, stage: Stage) -> None:
        """Train on old and newly labelled rows; the gate decides."""
        breach = self._stage("breach").facts
        job = self._deliver(stage, breach["run"])
        # The poll does not report an event that an interrupted loop has handled.
        job = job or next((name for name, one in tries_of(self._client, breach["run"], MANY).items() if one.counts), "")
        if not job:
            raise RunFailedError(f"The breach of {breach['run']} led to no retraining. {_last_decision(stage)}")
        if find(self._client, job) != COMPLETED:
            # An interrupted loop may have started it.
            follow(self._client, job)
        result = result_of(self._client, job)
        _training_facts(stage, result)
        if result.gate["decision"] != "PROMOTE":
            self._settle()
            raise Ended(Outcome.RETAINED)

    def redeploy(self, stage: Stage) -> None:
        """Roll the new model out; the monitor is bound to it."""
        self.deploy(stage)

    def quiet_again(self, stage: Stage) -> None:
        """Monitor the same drifted production with the new model: no alert."""
        run = self._window(stage, [*self._progress.accumulated_drift, self._progress.shift])
        self._settle()
        if _alerts(run):
            raise Ended(Outcome.STILL_ALERTING)

    def _window(self, stage: Stage, shifts: list[Shift]) -> MonitorRun:
        """Send a window of rows, then run the monitor over them."""
        sent = invoke(self._client, shifts, progress=lambda done, of: self._show(f"request {done} of {of}"))
        if needs_labels():
            deliver_labels(self._client)
            rebind_labels(self._client)
        self._show("monitoring")
        run = run_monitor(self._client)
        stage.facts |= asdict(sent) | {"run": run.name, "monitor": to_json(run)}
        alerts = [signal.name for signal in run.breached]
        stage.facts |= {"alerts": alerts, "state": run.state, "tags": run.tags}
        return run

    def _deliver(self, stage: Stage, about: str) -> str:
        """Deliver the events that a run or a model has raised, and return the name of the resulting retraining, if any.

        Raises:
            RunFailedError: a hop failed.
        """
        hops: list[Hop] = []
        failed: Hop | None = None
        for delivered in deliver_events(self._client, lambda hop: self._show(f"{hop.hop}: {hop.outcome}"), about):
            hops += delivered
            failed = next((hop for hop in delivered if not hop.ok), None)
            if failed:
                # Another event of the same breach would only repeat this.
                break
        stage.facts["hops"] = [asdict(hop) for hop in hops]
        if failed:
            raise RunFailedError(f"{failed.hop} {failed.outcome}")
        return next((hop.outputs["job"] for hop in hops if hop.outputs.get("job")), "")

    def _settle(self) -> None:
        """Make the drift permanent: from now on it is the usual state of production."""
        shift = self._progress.shift
        if shift not in self._progress.accumulated_drift:
            self._progress.accumulated_drift.append(shift)

    def _stage(self, name: str) -> Stage:
        return next(stage for stage in self._progress.stages if stage.name == name)

    def _show(self, text: str) -> None:
        self._progress.save()
        self._report(self._progress, text)


def _alerts(run: MonitorRun) -> bool:
    """Return whether a monitor alerts; a window without measurements ends the loop, because its drift is unknown."""
    if run.state is State.NOT_MEASURED:
        raise Ended(Outcome.NOT_MEASURED)
    return run.state is State.ALERT


def _last_decision(stage: Stage) -> str:
    said = [hop["outcome"] for hop in stage.facts["hops"] if hop["outputs"].get("outcome")]
    return str(said[-1]) if said else "No workflow took it."


def _training_facts(stage: Stage, result: TrainingResult) -> None:
    stage.facts |= {"job": result.job, "gate": result.gate, "model": result.model, "version": result.version}
