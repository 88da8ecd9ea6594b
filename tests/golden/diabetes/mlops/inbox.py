"""Reads the event that started a workflow run, asks what exists already, and tells the workflow what was decided."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import WrongInputError
from mlops.settings import Settings
from mlops.triage import (
    RETRAINING,
    Decision,
    Known,
    Outcome,
    Project,
    triage,
    triage_deployment,
    triage_retraining,
)

if TYPE_CHECKING:
    from mlops.client import Client

# The newest jobs of a workspace: more than any event outlives.
JOBS = 2000


@dataclass(frozen=True)
class Message:
    """What started a workflow run: an event of the bridge, a person or the schedule."""

    name: str
    type: str = ""
    payload: object = None
    run: str = ""
    version: str = ""


def read_message(environment: Mapping[str, str], file: Path | None = None) -> Message:
    """Read the event from the environment, or from a file of the shape that GITHUB_EVENT_PATH names.

    Raises:
        WrongInputError: there is no event, or it is no JSON; what it says is shown nowhere.
    """
    name = environment.get("GITHUB_EVENT_NAME", "repository_dispatch")
    run, version = environment.get("GITHUB_RUN_ID", ""), environment.get("MODEL_VERSION", "")
    if file is not None:
        event = _parse(file.read_text(encoding="utf-8", errors="replace"), str(file))
        if not isinstance(event, dict):
            raise WrongInputError(f"{file} holds no JSON object.")
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
    # A number of thousands of digits or a list in thousands of lists is no JSONDecodeError.
    except (ValueError, RecursionError) as error:
        raise WrongInputError(f"{where} holds no JSON.") from error


def decide(
    client: "Client", message: Message, wanted: Outcome, settings: Settings, environment: Mapping[str, str]
) -> Decision:
    """Decide what a message leads to, knowing what the workspace holds.

    Args:
        client: the workspace, or the laptop's emulator of one.
        message: what started the workflow.
        wanted: what the workflow is able to do.
        settings: the project's.
        environment: where the workspace's name and another cool-down may be given.
    """
    known = look_around(client, settings)
    project = project_of(settings, environment)
    if message.name == "repository_dispatch":
        decision = triage(message.type, message.payload, project, known)
        if decision.outcome in (Outcome.RETRAIN, Outcome.DEPLOY) and decision.outcome != wanted:
            return Decision(Outcome.IGNORE, f"{decision.reason} That is another workflow's to handle.")
        return decision
    if wanted == Outcome.DEPLOY:
        return triage_deployment(message.version, project, known)
    cool_down = project.cool_down if message.name == "schedule" else timedelta(0)
    return triage_retraining(f"github-{message.run}", known, cool_down)


def project_of(settings: Settings, environment: Mapping[str, str]) -> Project:
    """Return what makes an event this project's.

    Raises:
        WrongInputError: MLOPS_COOL_DOWN_HOURS is no number.
    """
    hours = environment.get("MLOPS_COOL_DOWN_HOURS") or str(settings.cool_down_hours)
    if not hours.isdecimal():
        raise WrongInputError(f"MLOPS_COOL_DOWN_HOURS is '{hours}'; it is a whole number of hours, such as 24.")
    workspace = environment.get("AZUREML_WORKSPACE_NAME") or settings.azure.workspace_name
    return Project(settings.model_name, settings.signal_prefix, workspace, timedelta(hours=int(hours)))


def look_around(client: "Client", settings: Settings) -> Known:
    """Return the retrainings and the model versions that exist."""
    retrainings = {
        str(job.name): _started(job) for job in islice(client.jobs.list(), JOBS) if RETRAINING.fullmatch(str(job.name))
    }
    try:
        models = list(client.models.list(name=settings.model_name))
    except ResourceNotFoundError:
        models = []
    rollouts = {str(model.version): (model.tags or {}).get("rollout") for model in models}
    return Known(retrainings, {key: state for key, state in rollouts.items() if key.isdecimal()}, _now(client))


def _now(client: "Client") -> datetime:
    from mlops.local.client import LocalClient

    if isinstance(client, LocalClient):
        from mlops.local.clock import now
        from mlops.project import STATE

        return now(STATE)
    return datetime.now(UTC)


def _started(job: Any) -> datetime | None:
    created: datetime | None = getattr(job.creation_context, "created_at", None)
    return created.replace(tzinfo=UTC) if created and created.tzinfo is None else created


def report(decision: Decision, environment: Mapping[str, str]) -> None:
    """Write a decision where the workflow's later steps and its readers find it, if it runs in a workflow."""
    # Every value has passed triage's patterns, and the reason is one line: none can forge another output.
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
