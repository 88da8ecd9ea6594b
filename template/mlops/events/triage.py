"""Decides whether an event leads to a retraining, a deployment or nothing, with the reason. Pure: it makes no requests.

Event Grid delivers at least once and in any order, and a monitor run raises one event for each breaching signal and
each status. Yet one monitor run leads to at most one retraining. A retraining that failed or was cancelled does not
count: the next delivery repeats it under a new name, because Azure takes no job's name twice. Three tries are the
limit, so that a breach whose retraining always fails is not retried without end.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mlops.registry import newest_standing

DRIFT, MODEL = "drift-detected", "model-registered"
RETRAINING = re.compile(r"retrain-[0-9a-f]{16}(-[1-9][0-9]?)?")
FINAL = ("completed", "failed")
TRIES = 3
# Jobs in one of these states have ended without a result. Any other state, known or not, may still bring one.
WITHOUT_RESULT = ("failed", "canceled", "notresponding")

# Only values that match may leave the payload: none of them can end a shell word or leave a folder.
PATTERNS = {
    "event_id": r"[A-Za-z0-9][A-Za-z0-9-]{0,127}",
    "root_run_id": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}",
    "run_id": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}",
    "signal": r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}",
    "status": r"[A-Za-z]{1,32}",
    "workspace": r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}",
    "model_name": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}",
    "model_version": r"[0-9]{1,9}",
}
KEYS = {
    DRIFT: ("event_id", "root_run_id", "run_id", "signal", "status", "workspace"),
    MODEL: ("event_id", "model_name", "model_version", "workspace"),
}


# Azure's data quality signal compares the window's rows with the reference's (azureml-assets,
# `data_quality_metrics_joiner`), so it alerts on every busy day.
ROW_COUNT = "RowCount"


class Outcome(StrEnum):
    """The outcome of an event."""

    RETRAIN = "RETRAIN"
    DEPLOY = "DEPLOY"
    IGNORE = "IGNORE"
    ALREADY_HANDLED = "ALREADY_HANDLED"


@dataclass(frozen=True)
class Decision:
    """An outcome with the name of the retraining's job or the version to deploy."""

    outcome: Outcome
    reason: str
    job: str = ""
    version: str = ""


@dataclass(frozen=True)
class Project:
    """The names that identify this project's events, and its limits. Without a workspace any workspace matches."""

    model_name: str
    signal_prefix: str
    workspace: str = ""
    cool_down: timedelta = timedelta(0)
    tries: int = TRIES


@dataclass(frozen=True)
class Retraining:
    """A retraining's job: its status and its start."""

    status: str
    started: datetime | None = None

    @property
    def counts(self) -> bool:
        """Return whether it has a result or may still get one."""
        return self.status.lower() not in WITHOUT_RESULT


@dataclass(frozen=True)
class WorkspaceState:
    """The state of the workspace: retrainings by their job's name, and the rollout state of each model version."""

    retrainings: Mapping[str, Retraining]
    rollouts: Mapping[str, str | None]
    now: datetime
    beyond: frozenset[str] = frozenset()
    """The metrics by which the signal of the event alerted, if they decide anything."""


def triage(event_type: str, payload: object, project: Project, known: WorkspaceState) -> Decision:
    """Decide about a `repository_dispatch` event.

    Args:
        event_type: the dispatch's event type.
        payload: its `client_payload`, unchanged.
        project: the names that identify this project's events, and its limits.
        known: the state of the workspace.
    """
    if event_type not in KEYS:
        return _ignore(f"Unknown event type {_shown(event_type)}.")
    values, problem = read_payload(payload, KEYS[event_type])
    if problem:
        return _ignore(f"The payload is malformed: {problem}.")
    if project.workspace and values["workspace"].lower() != project.workspace.lower():
        return _ignore(f"The event is from the workspace {values['workspace']}, not {project.workspace}.")
    if event_type == MODEL:
        return _triage_model(values, project, known)
    return _triage_drift(values, project, known)


def read_payload(payload: object, keys: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """Return the payload's values by lower-case key, and the problem of the first invalid one."""
    if not isinstance(payload, dict):
        return {}, "it is not a JSON object"
    given: dict[str, Any] = {str(key).lower(): value for key, value in payload.items()}
    values = {}
    for key in keys:
        value = given.get(key)
        # Azure sends some versions as JSON numbers. True is not one.
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(PATTERNS[key], text):
            return {}, f"{key} is {_shown(value)}" if key in given else f"{key} is missing"
        values[key] = text
    return values, ""


def cause_of(event_type: str, payload: object) -> str | None:
    """Return the cause of an event's retraining, the monitor's run; None if the event asks for none."""
    values, problem = read_payload(payload, KEYS[DRIFT]) if event_type == DRIFT else ({}, "another event")
    return None if problem else values["root_run_id"]


def retraining_names(cause: str, tries: int = TRIES) -> tuple[str, ...]:
    """Return the possible names of a cause's retraining, one for each try, whatever the number of reports."""
    name = f"retrain-{hashlib.sha256(cause.encode()).hexdigest()[:16]}"
    return (name, *(f"{name}-{number}" for number in range(2, tries + 1)))


def signal_of(event_type: str, payload: object) -> str:
    """Return the signal of a breach, an empty text for any other event."""
    values, problem = read_payload(payload, KEYS[DRIFT]) if event_type == DRIFT else ({}, "")
    return "" if problem else values.get("signal", "")


def triage_retraining(cause: str, project: Project, known: WorkspaceState) -> Decision:
    """Decide about a retraining that a person or the schedule requests; a person's project has no cool-down."""
    return _retrain(cause, "A retraining was requested.", project, known)


def triage_deployment(version: str, project: Project, known: WorkspaceState) -> Decision:
    """Decide about a deployment that a person requests: of the newest version, or of a chosen one."""
    chosen = version or newest_standing(known.rollouts) or ""
    if chosen not in known.rollouts:
        return _ignore(
            f"{project.model_name} has no version {_shown(version)}." if version else "There is no model yet."
        )
    return Decision(Outcome.DEPLOY, f"{project.model_name} version {chosen} was requested.", version=chosen)


def _triage_drift(values: dict[str, str], project: Project, known: WorkspaceState) -> Decision:
    if values["status"].lower() not in FINAL:
        return _ignore(f"The monitor run is {values['status']}: only Completed and Failed are final.")
    if not values["signal"].lower().startswith(project.signal_prefix.lower()):
        return _ignore(f"The signal {values['signal']} belongs to another monitor.")
    if known.beyond == {ROW_COUNT}:
        return _ignore(
            f"The signal {values['signal']} alerted only because the window has more rows than the reference: "
            "Azure judges the number of rows as if it were a rate of errors."
        )
    reason = f"The signal {values['signal']} broke its thresholds in the monitor run {values['root_run_id']}."
    return _retrain(values["root_run_id"], reason, project, known)


def _retrain(cause: str, reason: str, project: Project, known: WorkspaceState) -> Decision:
    names, cool_down = retraining_names(cause, project.tries), project.cool_down
    tried = {name: known.retrainings[name] for name in names if name in known.retrainings}
    for name, retraining in tried.items():
        if retraining.counts:
            explanation = f"{reason} Its retraining {name} has been started before and is {retraining.status}."
            return Decision(Outcome.ALREADY_HANDLED, explanation, name)
    if len(tried) == len(names):
        last = f"{', '.join(tried)} all ended without a result: fix the cause, then start the workflow by hand"
        return Decision(Outcome.ALREADY_HANDLED, f"{reason} Its retraining was tried {len(tried)} times, and {last}.")
    for name, retraining in known.retrainings.items():
        started = retraining.started
        if name not in names and retraining.counts and started and known.now - started < cool_down:
            hours = f"{cool_down.total_seconds() / 3600:g}"
            return _ignore(f"{reason} But {name} started at {started:%Y-%m-%d %H:%M} UTC, less than {hours} hours ago.")
    again = f" {', '.join(tried)} ended as {', '.join(one.status for one in tried.values())}." if tried else ""
    return Decision(Outcome.RETRAIN, f"{reason}{again}", next(name for name in names if name not in tried))


def _triage_model(values: dict[str, str], project: Project, known: WorkspaceState) -> Decision:
    name, version = values["model_name"], str(int(values["model_version"]))
    if name.lower() != project.model_name.lower():
        return _ignore(f"{name} is not this project's model, {project.model_name}.")
    if version not in known.rollouts:
        return _ignore(f"{name} has no version {version}.")
    if known.rollouts[version]:
        reason = f"{name} version {version} was rolled out before: {known.rollouts[version]}."
        return Decision(Outcome.ALREADY_HANDLED, reason, version=version)
    newest = newest_standing(known.rollouts)
    if newest != version:
        return _ignore(f"{name} version {newest} is newer than version {version}.")
    return Decision(Outcome.DEPLOY, f"{name} version {version} was registered.", version=version)


def _ignore(reason: str) -> Decision:
    return Decision(Outcome.IGNORE, reason)


def _shown(value: object) -> str:
    """Return a foreign value in a form that is harmless and short in a log or a summary."""
    plain = value if isinstance(value, str | int | float | None) else type(value).__name__
    text = re.sub(r"[^A-Za-z0-9 _.:,-]", "?", str(plain))
    return f"'{text[:60]}{'...' if len(text) > 60 else ''}'"
