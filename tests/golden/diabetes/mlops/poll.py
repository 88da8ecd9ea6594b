"""Without Event Grid: looks for breaches and new models, and tells GitHub what an event would have told it.

The same triage decides, so that what is known already starts no workflow; the workflow it starts decides once more.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx

from mlops.errors import RunFailedError, WrongInputError
from mlops.inbox import look_around, project_of
from mlops.settings import Settings
from mlops.triage import DRIFT, MODEL, Decision, Outcome, triage

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.client import Client

BREACH_TAG = "azureml_modelmonitor_threshold_breached"
# A monitor's runs are younger than this when the poll meets them, even after a day without polls.
LOOKBACK = timedelta(days=2)
JOBS = 500

Dispatch = tuple[str, dict[str, str]]


def poll(client: "Client", settings: Settings, environment: Mapping[str, str]) -> list[tuple[Dispatch, Decision]]:
    """Send a `repository_dispatch` for everything that triage would act on, and return all that was found.

    Raises:
        WrongInputError: the token is missing.
        RunFailedError: GitHub refused.
    """
    if not environment.get("GITHUB_TOKEN"):
        raise WrongInputError("GITHUB_TOKEN is not set: the workflow passes it, with the permission contents: write.")
    known, project = look_around(client, settings), project_of(settings, environment)
    found = []
    for dispatch in [*_breaches(client, settings), *_models(settings, project.workspace, known.rollouts)]:
        decision = triage(*dispatch, project, known)
        if decision.outcome in (Outcome.RETRAIN, Outcome.DEPLOY):
            _send(dispatch, settings.github.repository, environment)
        found.append((dispatch, decision))
    return found


def _models(settings: Settings, workspace: str, rollouts: Mapping[str, str | None]) -> Iterator[Dispatch]:
    for version in sorted(rollouts, key=int):
        if rollouts[version] is None:
            payload = {"model_name": settings.model_name, "model_version": version, "workspace": workspace}
            yield MODEL, {"event_id": f"poll-{version}", **payload}


def _breaches(client: "Client", settings: Settings) -> Iterator[Dispatch]:
    for root, run, status, text in _tagged_runs(client):
        signal = text.partition("'")[2].partition("'")[0]
        payload = {"root_run_id": root, "run_id": run, "signal": signal, "status": status}
        workspace = settings.azure.workspace_name
        yield DRIFT, {"event_id": f"poll-{run}"[:128].replace("_", "-"), **payload, "workspace": workspace}


def _tagged_runs(client: "Client") -> Iterator[tuple[str, str, str, str]]:
    """Return root run, run, status and tag text of every recent breach."""
    from mlops.local.client import LocalClient

    if isinstance(client, LocalClient):
        for schedule in client.schedules.list():
            last = client.schedules.last_result(str(schedule.name))
            if last:
                for signal, text in last.tags.items():
                    yield last.name, f"{last.name}-{signal}", "Completed", text
        return
    for root in islice(client.jobs.list(), JOBS):
        created: Any = getattr(root.creation_context, "created_at", None)
        if created and created.replace(tzinfo=UTC) < datetime.now(UTC) - LOOKBACK:
            # The newest come first.
            return
        for step in _steps(client, str(root.name)):
            if BREACH_TAG in (step.tags or {}):
                yield str(root.name), str(step.name), str(step.status), str(step.tags[BREACH_TAG])


def _steps(client: "MLClient", parent: str) -> Iterator[Any]:
    """Return a job's steps with those of its inner pipelines: each signal of a monitor is one."""
    for step in client.jobs.list(parent_job_name=parent):
        yield step
        if getattr(step, "type", None) == "pipeline":
            yield from _steps(client, str(step.name))


def _send(dispatch: Dispatch, repository: str, environment: Mapping[str, str]) -> None:
    event_type, payload = dispatch
    api = environment.get("GITHUB_API_URL") or "https://api.github.com"
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {environment['GITHUB_TOKEN']}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport, headers=headers, timeout=10) as client:
        answer = client.post(
            f"{api}/repos/{environment.get('GITHUB_REPOSITORY') or repository}/dispatches",
            json={"event_type": event_type, "client_payload": payload},
        )
    if answer.status_code != 204:
        raise RunFailedError(f"GitHub refused the {event_type} event with status {answer.status_code}.")
