"""Finds breaches and new models without Event Grid, and sends GitHub the dispatch that an event would have caused.

The same triage decides, so that a known event starts no workflow; the workflow decides once more. A tag of the newest
model version remembers each dispatch (dispatched.py). So a model that a reviewer has rejected, or a breach whose
retraining found no labels, is sent once a day and three times at most, not every half hour. A person may start the
workflow by hand at any time.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import httpx

from mlops.errors import RunFailedError, WrongInputError
from mlops.events.dispatched import TAG, Memory
from mlops.events.triage import DRIFT, MODEL, Decision, Outcome, Project, WorkspaceState, triage
from mlops.events.workflow_event import has_no_limits, project_of, recent_retrainings, tries_of
from mlops.monitoring.runs import Breach, breaches
from mlops.monitoring.schedule import monitor_name
from mlops.registry import newest_standing, tags_of
from mlops.settings import Settings
from mlops.workspace import now

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Dispatch = tuple[str, dict[str, str]]


def poll(client: "MLClient", settings: Settings, environment: Mapping[str, str]) -> list[tuple[Dispatch, Decision]]:
    """Send a `repository_dispatch` for everything that triage would act on, and return all findings.

    Raises:
        WrongInputError: the token is missing.
        RunFailedError: GitHub refused.
    """
    if not environment.get("GITHUB_TOKEN"):
        raise WrongInputError("GITHUB_TOKEN is not set: the workflow passes it, with the permission contents: write.")
    return list(_Poll(client, settings, environment).run())


class _Poll:
    """One poll and its knowledge so far."""

    def __init__(self, client: "MLClient", settings: Settings, environment: Mapping[str, str]):
        self._client, self._settings, self._environment = client, settings, environment
        self._project: Project = project_of(settings, environment)
        self._now, self._sent = now(client), set[str]()
        self._tags = tags_of(client, settings.model_name)
        self._rollouts = {version: tags.get("rollout") for version, tags in self._tags.items()}
        self._memory = Memory.read(tags.get(TAG, "") for tags in self._tags.values())

    def run(self) -> Iterator[tuple[Dispatch, Decision]]:
        """Send the dispatches that are due."""
        found = list(breaches(self._client, monitor_name(), self._settings.signal_prefix, self._now))
        recent = recent_retrainings(self._client) if found and self._project.cool_down else {}
        for breach in found:
            known = WorkspaceState(
                recent | tries_of(self._client, breach.root, self._project.tries), self._rollouts, self._now
            )
            yield self._handle((DRIFT, self._payload(breach)), known)
        version = newest_standing(self._rollouts)
        if version and not self._rollouts[version]:
            payload = {"event_id": f"poll-{version}", "model_name": self._settings.model_name, "model_version": version}
            dispatch = (MODEL, payload | {"workspace": self._project.workspace})
            yield self._handle(dispatch, WorkspaceState({}, self._rollouts, self._now))

    def _payload(self, breach: Breach) -> dict[str, str]:
        return {
            "event_id": f"poll-{hashlib.sha256(breach.run.encode()).hexdigest()[:16]}",
            "root_run_id": breach.root,
            "run_id": breach.run,
            "signal": breach.signal,
            "status": breach.status,
            "workspace": self._project.workspace,
        }

    def _handle(self, dispatch: Dispatch, known: WorkspaceState) -> tuple[Dispatch, Decision]:
        """Send an event if triage would act on it and GitHub does not know it."""
        decision = triage(*dispatch, self._project, known)
        if decision.outcome not in (Outcome.RETRAIN, Outcome.DEPLOY):
            return dispatch, decision
        key = decision.job.removeprefix("retrain-") or f"version-{decision.version}"
        objection = "" if has_no_limits(self._environment) else self._memory.objection(key, self._now)
        objection = objection or ("GitHub was notified a moment ago." if key in self._sent else "")
        if objection:
            said = f"{decision.reason} {objection}"
            return dispatch, Decision(Outcome.ALREADY_HANDLED, said, decision.job, decision.version)
        before = self._memory
        # Remember first, then send: a poll that is killed in between delays the event by a day, but never repeats it
        # without end.
        self._remember(before.with_dispatch(key, self._now))
        try:
            _send(dispatch, self._settings.github.repository, self._environment)
        except BaseException:
            self._remember(before)
            raise
        self._sent.add(key)
        return dispatch, decision

    def _remember(self, memory: Memory) -> None:
        self._memory = memory
        if not self._tags:
            return
        newest = max(self._tags, key=int)
        # Read again: a rollout may have tagged it meanwhile.
        model = self._client.models.get(self._settings.model_name, version=newest)
        model.tags = {**(model.tags or {}), TAG: memory.write()}
        self._client.models.create_or_update(model)


def _send(dispatch: Dispatch, repository: str, environment: Mapping[str, str]) -> None:
    event_type, payload = dispatch
    api = environment.get("GITHUB_API_URL") or "https://api.github.com"
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {environment['GITHUB_TOKEN']}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    transport = httpx.HTTPTransport(retries=3)
    try:
        with httpx.Client(transport=transport, headers=headers, timeout=10) as client:
            answer = client.post(
                f"{api}/repos/{environment.get('GITHUB_REPOSITORY') or repository}/dispatches",
                json={"event_type": event_type, "client_payload": payload},
            )
    except httpx.HTTPError as error:
        raise RunFailedError(f"The {event_type} event could not be sent to GitHub: {error}.") from error
    if answer.status_code != 204:
        raise RunFailedError(f"GitHub refused the {event_type} event with status {answer.status_code}.")
