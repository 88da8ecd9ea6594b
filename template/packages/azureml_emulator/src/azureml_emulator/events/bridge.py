"""Carries an event from the workspace to the workflow through the same files as on Azure and GitHub.

These are the subscription's filter, the Function's code or the Logic App's definition, and the workflow's steps.
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

from azureml_emulator.events.event_grid import Event, subscriptions_to
from azureml_emulator.events.logic_app import LogicApp
from azureml_emulator.files import write_json
from azureml_emulator.github.expressions import Result
from azureml_emulator.github.server import Dispatch, GitHub
from azureml_emulator.github.workflows import StepResult, Trigger, run_workflow, workflows_for
from azureml_emulator.tokens import GITHUB_TOKEN, IDENTITY_TOKEN

DELIVERIES = 3


@dataclass(frozen=True)
class Project:
    """A project, as far as events concern it.

    Args:
        root: its folder.
        trigger: `function`, `logic_app`, or `scheduled`, with which a workflow polls for events.
        repository: owner/name on GitHub.
        environment: variables for workflows in addition to GitHub's.
    """

    root: Path
    trigger: str
    repository: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Hop:
    """One stage of an event's way: its outcome, and the outputs of a workflow's step."""

    hop: str
    sent: Any
    outcome: str
    ok: bool = True
    outputs: dict[str, str] = field(default_factory=dict)


Bridge = Callable[[Event, GitHub], str]


def deliver(
    event: Event,
    project: Project,
    state: Path,
    outages: Iterable[int] = (),
    follow: Callable[[Hop], None] = lambda hop: None,
) -> list[Hop]:
    """Carry an event as far as possible, and return every hop.

    Args:
        event: an event as Event Grid sends it.
        project: the rendered project.
        state: the emulator's folder.
        outages: statuses that GitHub answers first, to simulate outages.
        follow: receives each hop as it happens.
    """
    hops = []
    for hop in _travel(event, project, state, outages):
        hops.append(hop)
        follow(hop)
    return hops


def _travel(event: Event, project: Project, state: Path, outages: Iterable[int]) -> Iterator[Hop]:
    with GitHub(project.repository, outages) as github:
        if project.trigger == "scheduled":
            yield from _poll(project, state, github)
        else:
            subscriptions = subscriptions_to(event, project.root)
            yield Hop("Event Grid", event, f"wanted by {', '.join(subscriptions)}" if subscriptions else "filtered out")
            if not subscriptions:
                return
            yield from _cross(event, _bridge(project), project.trigger, github, state)
        for dispatch in [dispatch for dispatch in github.dispatches if dispatch.status == 204]:
            yield from _start_workflows(dispatch, project, state)


def _cross(event: Event, bridge: Bridge, trigger: str, github: GitHub, state: Path) -> Iterator[Hop]:
    """Deliver to the bridge, again after failures, and finally to the dead letters."""
    name = "Logic App" if trigger == "logic_app" else "Function"
    for _ in range(DELIVERIES):
        known = len(github.dispatches)
        try:
            outcome, is_delivered = bridge(event, github), True
        except Exception as error:  # whatever goes wrong in the bridge, Event Grid sees a failure
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


def _bridge(project: Project) -> Bridge:
    folder = project.root / "infra" / "bridge" / project.trigger
    if project.trigger == "function":
        return _function(folder / "function_app.py", project.repository)
    definition = json.loads((folder / "workflow.json").read_text(encoding="utf-8"))

    def call(event: Event, github: GitHub) -> str:
        parameters = {
            "githubApi": github.url,
            "repository": project.repository,
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


def _poll(project: Project, state: Path, github: GitHub) -> Iterator[Hop]:
    """Run the workflow that polls for events, with the laptop's GitHub in place of the real one."""
    environment = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": GITHUB_TOKEN, **project.environment}
    trigger = Trigger("schedule", {}, project.repository, environment)
    file = project.root / ".github" / "workflows" / "poll.yml"
    for result in run_workflow(file, trigger, project.root, state):
        yield _step_hop(file, result, None)
    for dispatch in github.dispatches:
        sent = {"event_type": dispatch.event_type, "client_payload": dispatch.client_payload}
        yield Hop("GitHub", sent, str(dispatch.status), dispatch.status == 204)


def _start_workflows(dispatch: Dispatch, project: Project, state: Path) -> Iterator[Hop]:
    event = {"action": dispatch.event_type, "client_payload": dispatch.client_payload}
    trigger = Trigger("repository_dispatch", event, project.repository, project.environment)
    for file in workflows_for(project.root, dispatch.event_type):
        for result in run_workflow(file, trigger, project.root, state):
            yield _step_hop(file, result, dispatch.client_payload)


def _step_hop(file: Path, result: StepResult, sent: Any) -> Hop:
    decision = ": ".join(result.outputs[key] for key in ("outcome", "reason") if key in result.outputs)
    failure = f"failed with exit code {result.code}, its log, {result.log}, ends with:\n{result.tail}"
    outcome = failure if result.code else decision or "done"
    is_failure = result.conclusion is Result.FAILURE
    return Hop(f"{file.stem}: {result.step}", sent, outcome, not is_failure, result.outputs)
