"""Reads the event that started a workflow run, asks what exists already, and tells the workflow what was decided."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import WrongInputError
from mlops.settings import Settings
from mlops.triage import DRIFT, Decision, Known, Outcome, Project, triage, triage_request

if TYPE_CHECKING:
    from mlops.client import Client

RETRAINING = re.compile(r"retrain-[0-9a-f]{16}")


@dataclass(frozen=True)
class Message:
    """What started a workflow run: an event of the bridge, a person or the schedule."""

    name: str
    type: str = ""
    payload: object = None
    run: str = ""


def read_message(environment: Mapping[str, str], file: Path | None = None) -> Message:
    """Read the event from the environment, or from a file of the shape that GITHUB_EVENT_PATH names.

    Raises:
        WrongInputError: there is no event, or it is no JSON; what it says is shown nowhere.
    """
    name = environment.get("GITHUB_EVENT_NAME", "repository_dispatch")
    run = environment.get("GITHUB_RUN_ID", "")
    if file is not None:
        event = _parse(file.read_text(encoding="utf-8"), str(file))
        if not isinstance(event, dict):
            raise WrongInputError(f"{file} holds no JSON object.")
        return Message(name, str(event.get("action", "")), event.get("client_payload"), run)
    if name != "repository_dispatch":
        return Message(name, run=run)
    if "EVENT_PAYLOAD" not in environment:
        raise WrongInputError(
            "There is no event: set EVENT_TYPE and EVENT_PAYLOAD as the workflows do, or name a file with --file."
        )
    payload = _parse(environment["EVENT_PAYLOAD"], "EVENT_PAYLOAD")
    return Message(name, environment.get("EVENT_TYPE", ""), payload, run)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise WrongInputError(f"{where} holds no JSON.") from error


def decide(client: "Client", message: Message, settings: Settings) -> Decision:
    """Decide what a message leads to, knowing what the workspace holds."""
    cool_down = timedelta(hours=settings.cool_down_hours)
    if message.name == "repository_dispatch":
        workspace = os.environ.get("AZUREML_WORKSPACE_NAME", settings.azure.workspace_name)
        project = Project(settings.model_name, settings.signal_prefix, workspace, cool_down)
        return triage(message.type, message.payload, project, _known(client, settings, drift=message.type == DRIFT))
    known = _known(client, settings, drift=True)
    return triage_request(f"github-{message.run}", known, cool_down if message.name == "schedule" else timedelta(0))


def _known(client: "Client", settings: Settings, drift: bool) -> Known:
    now = datetime.now(UTC)
    if drift:
        started = {str(job.name): _started(job) for job in client.jobs.list() if RETRAINING.fullmatch(str(job.name))}
        return Known(started, {}, now)
    try:
        models = list(client.models.list(name=settings.model_name))
    except ResourceNotFoundError:
        models = []
    rollouts = {str(model.version): (model.tags or {}).get("rollout") for model in models}
    return Known({}, {version: state for version, state in rollouts.items() if version.isdecimal()}, now)


def _started(job: Any) -> datetime | None:
    created: datetime | None = getattr(job.creation_context, "created_at", None)
    return created.replace(tzinfo=UTC) if created and created.tzinfo is None else created


def report(decision: Decision, environment: Mapping[str, str]) -> None:
    """Write a decision where the workflow's later steps and its readers find it, if it runs in a workflow."""
    # Every value has passed triage's patterns, the reason is one line: none can forge another output.
    outputs = {
        "outcome": decision.outcome,
        "reason": decision.reason,
        "job": decision.job,
        "version": decision.version,
    }
    _append(environment.get("GITHUB_OUTPUT"), "".join(f"{key}={value}\n" for key, value in outputs.items()))
    mark = "▶" if decision.outcome in (Outcome.RETRAIN, Outcome.DEPLOY) else "■"
    _append(environment.get("GITHUB_STEP_SUMMARY"), f"### {mark} {decision.outcome}\n\n{decision.reason}\n")


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)
