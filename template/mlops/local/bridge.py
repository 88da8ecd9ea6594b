"""Carries an event from the workspace to the workflow on the laptop, by way of the same files as on Azure and GitHub:
the subscription's filter, the Function's code or the Logic App's definition, the workflow's steps.
"""

import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops.files import write_json
from mlops.local.conditions import Result
from mlops.local.events import Event, subscriptions_to
from mlops.local.github import TOKEN, Dispatch, GitHub
from mlops.local.logic_app import IDENTITY_TOKEN, LogicApp
from mlops.local.workflows import StepResult, Trigger, run_workflow, workflows_for
from mlops.settings import Settings, load_settings

DELIVERIES = 3
# A loop takes minutes on the laptop and days in a workspace.
NO_COOL_DOWN = {"MLOPS_COOL_DOWN_HOURS": "0", "MLOPS_NO_LIMITS": "1"}


@dataclass(frozen=True)
class Hop:
    """One stage of an event's way: what went over it, what came of it, and the outputs of a workflow's step."""

    hop: str
    sent: Any
    outcome: str
    ok: bool = True
    outputs: dict[str, str] = field(default_factory=dict)


Bridge = Callable[[Event, GitHub], str]


def deliver(
    event: Event,
    project_root: Path,
    state: Path,
    outages: Iterable[int] = (),
    follow: Callable[[Hop], None] = lambda hop: None,
) -> list[Hop]:
    """Carry an event as far as it gets, and return every hop.

    Args:
        event: an event as Event Grid sends it.
        project_root: the rendered project.
        state: the emulator's folder.
        outages: statuses that GitHub answers first, to try what happens then.
        follow: is told each hop as it happens.
    """
    hops = []
    for hop in _travel(event, project_root, state, outages):
        hops.append(hop)
        follow(hop)
    return hops


def _travel(event: Event, root: Path, state: Path, outages: Iterable[int]) -> Iterator[Hop]:
    settings = load_settings(root)
    with GitHub(settings.github.repository, outages) as github:
        if settings.trigger == "scheduled":
            yield from _poll(root, state, settings, github)
        else:
            subscriptions = subscriptions_to(event, root)
            yield Hop("Event Grid", event, f"wanted by {', '.join(subscriptions)}" if subscriptions else "filtered out")
            if not subscriptions:
                return
            yield from _cross(event, _bridge(root, settings), settings.trigger, github, state)
        for dispatch in [dispatch for dispatch in github.dispatches if dispatch.status == 204]:
            yield from _start_workflows(dispatch, root, state, settings)


def _cross(event: Event, bridge: Bridge, trigger: str, github: GitHub, state: Path) -> Iterator[Hop]:
    """Deliver to the bridge, again if it failed, and at last to the dead letters."""
    name = "Logic App" if trigger == "logic_app" else "Function"
    for _ in range(DELIVERIES):
        known = len(github.dispatches)
        try:
            outcome, is_delivered = bridge(event, github), True
        except Exception as error:  # whatever goes wrong in the bridge, Event Grid sees that it failed
            outcome, is_delivered = f"failed: {type(error).__name__}: {error}", False
        yield Hop(name, [event], outcome, is_delivered)
        for dispatch in github.dispatches[known:]:
            sent = {"event_type": dispatch.event_type, "client_payload": dispatch.client_payload}
            yield Hop("GitHub", sent, str(dispatch.status), dispatch.status == 204)
        if is_delivered:
            return
    file = state / "dead-letters" / f"{event.get('id')}.json"
    write_json(file, event)
    yield Hop("dead letter", event, f"kept as {file.name}", ok=False)


def _bridge(root: Path, settings: Settings) -> Bridge:
    folder = root / "infra" / "bridge" / settings.trigger
    if settings.trigger == "function":
        return _function(folder / "function_app.py", settings.github.repository)
    definition = json.loads((folder / "workflow.json").read_text(encoding="utf-8"))

    def call(event: Event, github: GitHub) -> str:
        parameters = {
            "githubApi": github.url,
            "repository": settings.github.repository,
            "tokenUri": github.token_uri,
        }
        answer = LogicApp(definition, parameters).run([event]).answer
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {json.dumps(answer.body)}")
        return f"200 {json.dumps(answer.body)}"

    return call


def _function(file: Path, repository: str) -> Bridge:
    specification = importlib.util.spec_from_file_location("function_app", file)
    if specification is None or specification.loader is None:
        raise FileNotFoundError(file)
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    # The laptop does not wait between attempts.
    module.RETRY = module.RETRY.new(backoff_factor=0)
    (registered,) = module.app.get_functions()

    def call(event: Event, github: GitHub) -> str:
        import azure.functions as func

        given = func.EventGridEvent(
            id=event["id"],
            topic=event["topic"],
            subject=event["subject"],
            event_type=event["eventType"],
            # Azure's seven digits are one more than Python reads.
            event_time=datetime.fromisoformat(event["eventTime"][:26].rstrip("Z")),
            data=event["data"],
            data_version=event["dataVersion"],
        )
        settings = {
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": repository,
            "GITHUB_TOKEN_URI": github.token_uri,
            "IDENTITY_ENDPOINT": github.identity_uri,
            "IDENTITY_HEADER": IDENTITY_TOKEN,
        }
        with _environment(settings):
            registered.get_user_function()(given)
        return "done"

    return call


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _poll(root: Path, state: Path, settings: Settings, github: GitHub) -> Iterator[Hop]:
    """Run the workflow that looks for events, with the laptop's GitHub in the place of the real one."""
    environment = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": TOKEN, **NO_COOL_DOWN}
    trigger = Trigger("schedule", {}, settings.github.repository, environment)
    file = root / ".github" / "workflows" / "poll.yml"
    for result in run_workflow(file, trigger, root, state):
        yield _step_hop(file, result, None)
    for dispatch in github.dispatches:
        sent = {"event_type": dispatch.event_type, "client_payload": dispatch.client_payload}
        yield Hop("GitHub", sent, str(dispatch.status), dispatch.status == 204)


def _start_workflows(dispatch: Dispatch, root: Path, state: Path, settings: Settings) -> Iterator[Hop]:
    event = {"action": dispatch.event_type, "client_payload": dispatch.client_payload}
    trigger = Trigger("repository_dispatch", event, settings.github.repository, NO_COOL_DOWN)
    for file in workflows_for(root, dispatch.event_type):
        for result in run_workflow(file, trigger, root, state):
            yield _step_hop(file, result, dispatch.client_payload)


def _step_hop(file: Path, result: StepResult, sent: Any) -> Hop:
    decision = ": ".join(result.outputs[key] for key in ("outcome", "reason") if key in result.outputs)
    failure = f"failed with exit code {result.code}, its log, {result.log}, ends with:\n{result.tail}"
    outcome = failure if result.code else decision or "done"
    is_failure = result.conclusion is Result.FAILURE
    return Hop(f"{file.stem}: {result.step}", sent, outcome, not is_failure, result.outputs)
