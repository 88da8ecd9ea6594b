"""Tests the way from an event to a workflow: every event, through both bridges, to a GitHub that accepts or fails."""

import importlib.util
import json
import logging
import os
import stat
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import azure.functions as func
import pytest

from azureml_emulator.errors import EmulatorError
from azureml_emulator.events import bridge
from azureml_emulator.events.bridge import Hop, Project, deliver
from azureml_emulator.events.event_grid import breaches, model_registered, passes, subscriptions_to
from azureml_emulator.events.logic_app import LogicApp
from azureml_emulator.github.server import LARGEST_PAYLOAD, GitHub
from azureml_emulator.tokens import GITHUB_TOKEN, IDENTITY_TOKEN
from mlops.settings import load_settings
from mlops.workspace import IN_WORKFLOW, NO_LIMITS

EVENTS = Path(__file__).parent / "reference" / "events"
BRIDGE = Path(__file__).parents[1] / "template" / "infra" / "bridge"
REPOSITORY = "my-organization/diabetes"
DISPATCHES = f"/repos/{REPOSITORY}/dispatches"
WORKSPACE = "mlw-diabetes"
ID = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
TAG = "The signal 'diabetes_monitor_data_drift' has failed due to one or more features violating metric thresholds.\n"


def reference(name: str) -> dict:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))[0]


def load_function():
    specification = importlib.util.spec_from_file_location("function_app", BRIDGE / "function" / "function_app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


FUNCTION = load_function()
DEFINITION = json.loads((BRIDGE / "logic_app" / "workflow.json").read_text(encoding="utf-8"))


def by_function(event: dict) -> dict | None:
    given = func.EventGridEvent(
        id=event["id"],
        topic=event["topic"],
        subject=event["subject"],
        event_type=event["eventType"],
        event_time=datetime(2026, 11, 20),
        data=event["data"],
        data_version="",
    )
    return FUNCTION.to_dispatch(given)


def by_logic_app(event: dict) -> dict | None:
    with GitHub(REPOSITORY) as github:
        logic_app(github).run([event])
        sent = [{"event_type": item.event_type, "client_payload": item.client_payload} for item in github.dispatches]
    return sent[0] if sent else None


def logic_app(github: GitHub) -> LogicApp:
    parameters = {"githubApi": github.url, "repository": REPOSITORY, "tokenUri": github.token_uri}
    return LogicApp(DEFINITION, parameters)


BREACH = {
    "event_type": "drift-detected",
    "client_payload": {
        "root_run_id": "monitor_20261120_root",
        "run_id": "5b7a2f60-1c3d-4e8a-9f01-2d3c4b5a6978",
        "signal": "diabetes_monitor_data_drift",
        "status": "Completed",
        "workspace": WORKSPACE,
    },
}
MODEL = {
    "event_type": "model-registered",
    "client_payload": {"model_name": "diabetes-model", "model_version": "3", "workspace": WORKSPACE},
}


@pytest.mark.parametrize("forward", [by_function, by_logic_app])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("breach_completed", BREACH),
        ("breach_documented_casing", BREACH),
        ("breach_failed", {**BREACH, "client_payload": BREACH["client_payload"] | {"status": "Failed"}}),
        ("model_registered_documented", MODEL),
        ("model_registered_spec_casing", MODEL),
        ("dataset_drift_v1", None),
    ],
)
def test_both_bridges_send_the_same(forward, name, expected):
    event = reference(name)
    if expected:
        expected = {**expected, "client_payload": {"event_id": event["id"], **expected["client_payload"]}}
    assert forward(event) == expected


@pytest.mark.parametrize("forward", [by_function, by_logic_app])
def test_keys_in_lower_case_and_a_run_without_root_are_read(forward):
    event = reference("breach_completed")
    tags = {"azureml_modelmonitor_threshold_breached": TAG}
    event["data"] = {"runid": "r1", "runtags": tags, "runstatus": "Completed"}
    payload = forward(event)["client_payload"]
    assert (payload["root_run_id"], payload["run_id"], payload["status"]) == ("r1", "r1", "Completed")
    assert payload["signal"] == "diabetes_monitor_data_drift"


def test_the_function_is_registered_for_event_grid():
    (function,) = FUNCTION.app.get_functions()
    assert function.get_function_name() == "dispatch"  # the name to which infra/bridge/function/main.bicep subscribes
    assert function.get_bindings_dict()["bindings"][0]["type"] == "eventGridTrigger"


def test_the_laptop_runs_the_function_with_its_own_packages(render):
    project = render(trigger="function")
    declared = (project / "pyproject.toml").read_text(encoding="utf-8")
    for pin in (project / "infra" / "bridge" / "function" / "requirements.txt").read_text(encoding="utf-8").split():
        assert f'"{pin}"' in declared


def test_the_logic_app_answers_the_handshake():
    with GitHub(REPOSITORY) as github:
        run = logic_app(github).run([reference("subscription_validation")])
    assert (run.answer.status, run.answer.body) == (200, {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"})
    assert github.dispatches == []


@pytest.mark.parametrize("body", ["{", "", None, {}, [], [1], [{}], [{"eventType": 3}]])
def test_a_malformed_request_dispatches_nothing(body):
    with GitHub(REPOSITORY) as github:
        run = logic_app(github).run(body)
    assert run.answer.status in (200, 502)
    assert github.dispatches == []


def test_the_logic_apps_history_shows_no_token():
    with GitHub(REPOSITORY) as github:
        run = logic_app(github).run([reference("breach_completed")])
    history = json.dumps(run.history)
    assert run.answer.status == 200
    assert '"action": "Dispatch"' in history
    assert GITHUB_TOKEN not in history
    assert IDENTITY_TOKEN not in history


def test_the_filter_is_event_grids(render):
    project = render()
    assert subscriptions_to(reference("breach_completed"), project) == ["driftDetected"]
    assert subscriptions_to(reference("breach_documented_casing"), project) == ["driftDetected"]
    assert subscriptions_to(reference("model_registered_documented"), project) == ["modelRegistered"]
    unwanted = [
        reference("run_completed_no_breach"),
        reference("dataset_drift_v1"),
        model_registered(ID, "diabetes-model-2", "1"),
        model_registered(ID, "churn-model", "1"),
        *breaches(ID, "m1", {"churn_monitor_data_drift": TAG.replace("diabetes", "churn")}),
    ]
    assert [subscriptions_to(event, project) for event in unwanted] == [[]] * len(unwanted)
    with pytest.raises(EmulatorError, match=r"event-filters\.json: .*NumberIn"):
        passes(reference("breach_completed"), {"advancedFilters": [{"operatorType": "NumberIn"}]})


STUB = """#!{python}
# Stands for `mlops`: triage is the real one, training and deployment are noted down.
import os, pathlib, sys
sys.path[:0] = [os.getcwd(), os.getcwd() + "/src", *map(str, pathlib.Path.cwd().glob("packages/*/src"))]
if sys.argv[1] in ("triage", "poll"):
    from mlops.cli import run
    run()
else:
    with open("done.txt", "a") as file:
        file.write(" ".join(sys.argv[1:]) + "\\n")
    if sys.argv[1] == "retrain":
        from azureml_emulator.local import LocalWorkspace
        jobs = LocalWorkspace(pathlib.Path(".azureml-local"), "mlw-diabetes", "rg-diabetes").emulator.arm.jobs
        properties = {{"jobType": "Pipeline", "displayName": "", "jobs": {{}}, "inputs": {{}}, "outputs": {{}}}}
        jobs.start(sys.argv[-1], properties, [], lambda: "Completed")
        jobs.wait(sys.argv[-1])
"""


@pytest.fixture
def project(render, tmp_path, monkeypatch):
    """Return a rendered project in which `uv run mlops` is a stub."""

    def make(**answers) -> Path:
        tools = tmp_path / "tools"
        tools.mkdir()
        for name, text in {
            "mlops": STUB.format(python=sys.executable),
            "uv": f'#!/bin/bash\nshift 2\nexec "{tools}/mlops" "$@"\n',
        }.items():
            (tools / name).write_text(text, encoding="utf-8")
            (tools / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
        return render(**answers)

    return make


def carry(event: dict, root: Path, outages: Iterable[int] = ()) -> list[Hop]:
    """Deliver an event to a project as `mlops` does."""
    settings = load_settings(root)
    project = Project(root, settings.trigger, settings.github.repository, NO_LIMITS | IN_WORKFLOW)
    return deliver(event, project, root / ".azureml-local", outages)


def done(project: Path) -> list[str]:
    file = project / "done.txt"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("trigger", ["function", "logic_app"])
def test_a_breach_retrains_once_however_often_it_is_delivered(project, trigger):
    root = project(trigger=trigger)
    names = [carry(reference("breach_completed"), root) for _ in range(2)]
    assert [hop.hop for hop in names[0]] == [
        "Event Grid",
        "Function" if trigger == "function" else "Logic App",
        "GitHub",
        "ci-triggered-by-aml: Decide",
        "ci-triggered-by-aml: Retrain",
    ]
    assert names[0][2].outcome == "204"
    assert names[0][2].sent["client_payload"]["root_run_id"] == "monitor_20261120_root"
    assert [hops[3].outcome.split(":")[0] for hops in names] == ["RETRAIN", "ALREADY_HANDLED"]
    assert all(hop.ok for hops in names for hop in hops)
    assert len(done(root)) == 1
    assert GITHUB_TOKEN not in repr(names)


def test_an_injection_in_a_model_name_deploys_nothing_and_runs_nothing(project):
    root = project()
    event = model_registered(ID, "m$(touch owned)`touch owned`'; touch owned #", "3; touch owned")
    event["subject"] = "models/diabetes-model:3"
    hops = carry(event, root)
    assert hops[-1].outcome.startswith("IGNORE: The payload is malformed: model_name is 'm??touch owned?")
    assert hops[-1].hop == "cd-triggered-by-aml: Decide"
    assert done(root) == []
    assert not list(root.rglob("owned"))


@pytest.mark.parametrize("trigger", ["function", "logic_app"])
@pytest.mark.parametrize(
    ("outages", "statuses", "retrains"),
    [
        ([429, 500], ["429", "500", "204"], True),
        ([401] * 3, ["401", "401", "401"], False),
        ([404] * 3, ["404", "404", "404"], False),
        ([422] * 3, ["422", "422", "422"], False),
        ([401, 404], ["401", "404", "204"], True),
        ([500] * 12, ["500"] * 12, False),
    ],
)
def test_a_dispatch_that_github_refuses_is_retried_then_kept(
    project, monkeypatch, trigger, outages, statuses, retrains
):
    root = project(trigger=trigger)
    started = []
    monkeypatch.setattr(bridge, "_start_workflows", lambda dispatch, *_: started.append(dispatch) or [])
    hops = carry(reference("breach_completed"), root, outages)
    assert [hop.outcome for hop in hops if hop.hop == "GitHub"] == statuses
    assert len(started) == retrains
    assert (hops[-1].hop == "dead letter") != retrains
    assert bool(list((root / ".azureml-local" / "dead-letters").glob("*.json"))) != retrains


def test_a_payload_of_more_than_64_kb_is_refused_and_kept(project):
    root = project()
    event = model_registered(ID, "x" * LARGEST_PAYLOAD, "3")
    event["subject"] = "models/diabetes-model:3"
    hops = carry(event, root)
    assert [hop.outcome for hop in hops if hop.hop == "GitHub"] == ["422"] * 3
    assert hops[-1].hop == "dead letter"


def test_the_functions_log_shows_no_token(project, caplog):
    root = project(trigger="function")
    with caplog.at_level(logging.DEBUG):
        carry(model_registered(ID, "diabetes-model", "3"), root, [401])
    assert "was forwarded as model-registered" in caplog.text
    assert GITHUB_TOKEN not in caplog.text
    assert IDENTITY_TOKEN not in caplog.text


def test_an_unwanted_event_stops_at_event_grid(project):
    root = project()
    hops = carry(reference("dataset_drift_v1"), root)
    assert [(hop.hop, hop.outcome) for hop in hops] == [("Event Grid", "filtered out")]
