"""Turns the event that triggered a GitHub workflow into a decision and writes it to the workflow's outputs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.errors import WrongInputError
from mlops.events.triage import (
    RETRAINING,
    TRIES,
    Decision,
    Outcome,
    Project,
    Retraining,
    WorkspaceState,
    cause_of,
    retraining_names,
    signal_of,
    triage,
    triage_deployment,
    triage_retraining,
)
from mlops.jobs.jobs import created_at, find, listed, status_of
from mlops.monitoring.runs import metrics_beyond
from mlops.monitoring.schedule import is_quality
from mlops.registry import rollouts_of
from mlops.settings import Settings
from mlops.workspace import now

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


# The number of tries that fit into a retraining's name.
MANY = 99


@dataclass(frozen=True)
class Message:
    """The trigger of a workflow run: an event of the bridge, a person or the schedule."""

    name: str
    type: str = ""
    payload: object = None
    run: str = ""
    version: str = ""


def read_message(environment: Mapping[str, str], file: Path | None = None) -> Message:
    """Read the event from the environment, or from a file in the format of GITHUB_EVENT_PATH.

    Raises:
        WrongInputError: there is no event, or it is not JSON; its content is not shown.
    """
    name = environment.get("GITHUB_EVENT_NAME", "repository_dispatch")
    run, version = environment.get("GITHUB_RUN_ID", ""), environment.get("MODEL_VERSION", "")
    if file is not None:
        event = _parse(file.read_text(encoding="utf-8", errors="replace"), str(file))
        if not isinstance(event, dict):
            raise WrongInputError(f"{file} does not hold a JSON object.")
        return Message("repository_dispatch", str(event.get("action", "")), event.get("client_payload"), run)
    if name != "repository_dispatch":
        return Message(name, run=run, version=version)
    if "EVENT_PAYLOAD" not in environment:
        raise WrongInputError(
            "There is no event: set EVENT_TYPE and EVENT_PAYLOAD as the workflows do, or name a file with --file."
        )
    payload = _parse(environment["EVENT_PAYLOAD"], "EVENT_PAYLOAD")
    return Message(name, environment.get("EVENT_TYPE", ""), payload, run)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    # Not JSONDecodeError: a number of thousands of digits, or a list nested thousands of times.
    except (ValueError, RecursionError) as error:
        raise WrongInputError(f"{where} does not hold JSON.") from error


def decide(
    client: "MLClient", message: Message, wanted: Outcome, settings: Settings, environment: Mapping[str, str]
) -> Decision:
    """Decide about a message, given the state of the workspace.

    Args:
        client: the workspace, or the laptop's emulator of one.
        message: the trigger of the workflow.
        wanted: the outcome that the workflow can handle.
        settings: the project's.
        environment: may give the workspace's name and another cool-down.
    """
    project = project_of(settings, environment)
    if message.name == "repository_dispatch":
        cause = cause_of(message.type, message.payload)
        known = read_state(client, project, cause)
        signal = signal_of(message.type, message.payload)
        if cause and signal and is_quality(signal):
            known = replace(known, beyond=metrics_beyond(client, cause, signal))
        decision = triage(message.type, message.payload, project, known)
        if decision.outcome in (Outcome.RETRAIN, Outcome.DEPLOY) and decision.outcome != wanted:
            return Decision(Outcome.IGNORE, f"{decision.reason} Another workflow handles this.")
        return decision
    if wanted == Outcome.DEPLOY:
        return triage_deployment(message.version, project, read_state(client, project, None))
    if message.name != "schedule":
        # A person has decided already.
        project = replace(project, cool_down=timedelta(0))
    cause = f"github-{message.run}"
    return triage_retraining(cause, project, read_state(client, project, cause))


def project_of(settings: Settings, environment: Mapping[str, str]) -> Project:
    """Return the names that identify this project's events, and its limits.

    Raises:
        WrongInputError: MLOPS_COOL_DOWN_HOURS is not a number.
    """
    hours = environment.get("MLOPS_COOL_DOWN_HOURS") or str(settings.cool_down_hours)
    if not hours.isdecimal():
        raise WrongInputError(f"MLOPS_COOL_DOWN_HOURS is '{hours}'; it is a whole number of hours, such as 24.")
    workspace = environment.get("AZUREML_WORKSPACE_NAME") or settings.azure.workspace_name
    tries = MANY if has_no_limits(environment) else TRIES
    return Project(settings.model_name, settings.signal_prefix, workspace, timedelta(hours=int(hours)), tries)


def has_no_limits(environment: Mapping[str, str]) -> bool:
    """Return whether a loop on the laptop asks: a person watches it, so the number of tries has no limit."""
    return environment.get("MLOPS_NO_LIMITS") == "1"


def read_state(client: "MLClient", project: Project, cause: str | None) -> WorkspaceState:
    """Return the state of the workspace, as far as a decision needs it.

    Args:
        client: the workspace.
        project: the project.
        cause: the cause of a retraining; without one the decision is about a model.
    """
    if cause is None:
        return WorkspaceState({}, rollouts_of(client, project.model_name), now(client))
    recent = recent_retrainings(client) if project.cool_down else {}
    return WorkspaceState(recent | tries_of(client, cause, project.tries), {}, now(client))


def tries_of(client: "MLClient", cause: str, tries: int) -> dict[str, Retraining]:
    """Return the retrainings of a cause; their names are used in order."""
    found: dict[str, Retraining] = {}
    for name in retraining_names(cause, tries):
        status = find(client, name)
        if status is None:
            break
        found[name] = Retraining(status)
    return found


def recent_retrainings(client: "MLClient") -> dict[str, Retraining]:
    """Return the retrainings among the newest jobs of the workspace, for the cool-down."""
    return {
        str(job.name): Retraining(status_of(job), created_at(job))
        for job in listed(client)
        if RETRAINING.fullmatch(str(job.name))
    }


def report(decision: Decision, environment: Mapping[str, str]) -> None:
    """Write a decision to the workflow's outputs and summary, if it runs in a workflow."""
    # Every value has passed triage's patterns, and the reason is one line, so none can forge another output.
    outputs = {
        "outcome": decision.outcome,
        "reason": decision.reason,
        "job": decision.job,
        "version": decision.version,
    }
    _append(environment.get("GITHUB_OUTPUT"), "".join(f"{key}={value}\n" for key, value in outputs.items()))
    _append(environment.get("GITHUB_STEP_SUMMARY"), f"### {decision.outcome}\n\n{decision.reason}\n")


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)
