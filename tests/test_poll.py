"""Tests a project without Event Grid, with the real SDK: the events that the poll sends or ignores."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_runs import run, verb
from azureml_emulator.events.bridge import Project, deliver
from azureml_emulator.events.event_grid import model_registered
from azureml_emulator.github.server import GitHub
from azureml_emulator.tokens import GITHUB_TOKEN
from laptop import laptop
from mlops.events.dispatched import AGAIN_AFTER, MOST, Memory
from mlops.events.triage import retraining_names
from mlops.monitoring.runs import breaches
from mlops.settings import load_settings
from mlops.workspace import IN_WORKFLOW, NO_LIMITS
from model.tables import write_mltable

NOW = datetime(2026, 11, 20, 12, 7, 33, tzinfo=UTC)

# A workspace with scripted jobs, runs and model versions.
WORKSPACE = """
from datetime import UTC, datetime, timedelta
from mlflow import MlflowClient
from mlops.paths import model_name

arm, documents = emulator.arm, emulator.arm.documents
TAG = "azureml_modelmonitor_threshold_breached"

def stamp(document, hours):
    document["systemData"]["createdAt"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    return document

def job(name, hours=1, status="Completed", kind="Pipeline", display=None):
    properties = {"jobType": kind, "status": status, "displayName": display or name, "jobs": {}, "inputs": {},
                  "outputs": {}, "tags": {}, "properties": {}, "services": {}, "settings": {}}
    documents.put(f"jobs/{name}", stamp(arm.jobs.named(f"jobs/{name}", name, properties), hours))
    arm.jobs.put_run(name, status)

def step(name, parent, status="Completed", signal=""):
    text = f"The signal '{signal}' has failed due to one or more features violating metric thresholds."
    arm.jobs.put_run(name, status, parent=parent, root="root", tags={TAG: text} if signal else {})

def monitor_run(name, signal, hours=1, status="Completed", depth=2, display=None):
    job(name, hours, status, display=display)
    parent = name
    for level in range(depth - 1):
        step(f"{name}-{level}", parent)
        parent = f"{name}-{level}"
    step(f"{name}-compute", parent)
    step(f"{name}-evaluate", parent, status, signal)

def version(number, **tags):
    registry = MlflowClient(arm.models.store.uri)
    if not registry.search_registered_models(f"name='{model_name()}'"):
        registry.create_registered_model(model_name())
    while len(registry.search_model_versions(f"name='{model_name()}'")) < number:
        registry.create_model_version(model_name(), "file:///nowhere")
    path = f"models/{model_name()}/versions/{number}"
    properties = {"modelType": "mlflow_model", "modelUri": "azureml://x", "tags": tags, "flavors": {}, "properties": {}}
    documents.put(path, arm.models.named(path, str(number), properties))

def strangers():
    labelling = {"jobType": "Labeling", "status": "Completed", "displayName": "labels"}
    nothing = {"jobType": "Pipeline", "status": "Completed", "jobs": {"a": {"type": "what"}}, "inputs": {"x": 1}}
    named = [arm.jobs.named(f"jobs/s{n}", f"s{n}", p) for n, p in enumerate((labelling, nothing))]
    arm.jobs.strangers = [stamp(document, 1) for document in named]
"""


def setup(*lines: str) -> dict:
    return {"python": "\n".join([WORKSPACE, *lines])}


class Polls:
    """A project that polls: `steps` change its workspace, and each `None` among them is a poll."""

    def __init__(self, project, state):
        self.project, self.state = project, state

    def __call__(self, *steps, outages=()):
        with GitHub(load_settings(self.project).github.repository, outages) as github:
            environment = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": GITHUB_TOKEN}
            poll = verb("poll", environment=environment)
            done = run(self.project, self.state, *(step or poll for step in steps))
        sent = [(item.event_type, item.client_payload) for item in github.dispatches if item.status == 204]
        return [result for result, step in zip(done, steps, strict=True) if step is None], sent


@pytest.fixture(scope="module")
def project(render):
    return render(trigger="scheduled")


@pytest.fixture
def polls(project, tmp_path):
    return Polls(project, tmp_path / "state")


def outcomes(result):
    assert result.code == 0, result.output
    return [line.split(": ")[1] for line in result.stdout.splitlines()]


SIGNAL = "diabetes_monitor_data_drift"


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_breach_is_found_at_any_depth_and_sent_once(polls, depth):
    found, sent = polls(
        setup(
            "version(1, rollout='deployed')",
            f"monitor_run('run_1', '{SIGNAL}', depth={depth}, display='diabetes-monitor-20261120T031500Z')",
            "strangers()",
        ),
        None,
        None,
    )
    assert [outcomes(result) for result in found] == [["RETRAIN"], ["ALREADY_HANDLED"]]
    ((event_type, payload),) = sent
    assert event_type == "drift-detected"
    assert (payload["root_run_id"], payload["run_id"], payload["signal"]) == ("run_1", "run_1-evaluate", SIGNAL)
    assert payload["status"] == "Completed"
    assert "GitHub was notified at" in found[1].stdout


def test_a_monitors_run_is_found_although_nothing_in_it_has_the_monitors_name(polls):
    found, sent = polls(
        setup("version(1, rollout='deployed')", f"monitor_run('a1', '{SIGNAL}', display='some words')"), None
    )
    assert [payload["root_run_id"] for _, payload in sent] == ["a1"], found


def test_only_this_projects_runs_are_read(polls):
    display = "diabetes-monitor-20261120T031500Z"
    (found,), sent = polls(
        setup(
            "version(1, rollout='deployed')",
            *(
                f"monitor_run('other_{number}', 'churn_monitor_data_drift', display='churn-monitor')"
                for number in range(4)
            ),
            *(f"job('training_{number}')" for number in range(20)),
            "job('command', kind='Command')",
            f"monitor_run('old', '{SIGNAL}', hours=49, display='{display}')",
            f"monitor_run('going', '{SIGNAL}', status='Running', display='{display}')",
            f"monitor_run('ours', '{SIGNAL}', hours=30, display='{display}')",
        ),
        None,
    )
    assert sorted(outcomes(found)) == ["IGNORE", "RETRAIN"]
    assert [payload["root_run_id"] for _, payload in sent] == ["ours"]
    children = [url for url in found.urls if "/children" in url]
    assert children
    assert [url for url in children if "other_" in url or "training_" in url or "old" in url] == []


def test_a_failed_retraining_is_sent_again_and_a_running_one_is_not(polls):
    first, second, _ = retraining_names("run_1")
    run_1 = f"monitor_run('run_1', '{SIGNAL}', display='diabetes-monitor')"
    found, sent = polls(
        setup("version(1, rollout='deployed')", run_1),
        None,
        setup(f"job('{first}', status='Running')"),
        None,
        setup(f"job('{first}', status='Failed')"),
        None,
        None,
        setup(f"job('{second}', status='Completed')"),
        None,
    )
    wanted = ["RETRAIN", "ALREADY_HANDLED", "RETRAIN", "ALREADY_HANDLED", "ALREADY_HANDLED"]
    assert [outcomes(result) for result in found] == [[outcome] for outcome in wanted]
    assert f"{first} ended as Failed" in found[2].stdout
    assert len(sent) == 2


def test_the_newest_model_without_a_rollout_is_sent_once_and_not_its_predecessors(polls):
    found, sent = polls(
        setup("version(1, rollout='deployed')", "version(2)", "version(10)", "version(11, rollout='failed')"),
        None,
        None,
        setup("version(10, rollout='deployed')"),
        None,
    )
    assert [outcomes(result) for result in found] == [["DEPLOY"], ["ALREADY_HANDLED"], []]
    assert [payload["model_version"] for _, payload in sent] == ["10"]


def test_what_is_remembered_leaves_a_versions_other_tags_as_they_are(polls):
    kept = "from mlops.paths import model_name; result = emulator.arm.documents.get('models/diabetes-model/versions/1')"
    with GitHub(load_settings(polls.project).github.repository) as github:
        told = verb("poll", environment={"GITHUB_API_URL": github.url, "GITHUB_TOKEN": GITHUB_TOKEN})
        *_, document = run(polls.project, polls.state, setup("version(1, job='train-1')"), told, {"python": kept})
    tags = document.result["properties"]["tags"]
    assert tags["job"] == "train-1"
    assert tags["dispatched"].startswith("version-1@")


def test_a_poll_that_github_did_not_accept_is_repeated(polls):
    found, sent = polls(setup("version(1)"), None, None, outages=[503])
    assert found[0].code == 1
    assert "GitHub refused the model-registered event with status 503." in found[0].stderr
    assert GITHUB_TOKEN not in found[0].output
    assert outcomes(found[1]) == ["DEPLOY"]
    assert len(sent) == 1


def test_a_workspace_without_models_and_monitors_is_valid_but_a_missing_token_is_an_error(polls):
    found, sent = polls(setup(""), None)
    assert (outcomes(found[0]), sent) == ([], [])
    (done,) = run(polls.project, polls.state, verb("poll"))
    assert (done.code, "GITHUB_TOKEN is not set" in done.stderr) == (2, True)


def test_an_error_of_azure_ends_with_a_sentence_and_sends_nothing(polls):
    refusal = {"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}}
    for match in ("GET .*/models/", "GET .*/jobs"):
        with GitHub(load_settings(polls.project).github.repository) as github:
            environment = {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": GITHUB_TOKEN}
            fault = {"match": match, "status": 403, "json": refusal}
            (done,) = run(polls.project, polls.state, verb("poll", environment=environment, faults=[fault]))
        assert (done.code, github.dispatches) == (1, []), done.output
        assert "Traceback" not in done.output


# --- recorded dispatches

moments = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2026, 12, 31)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
keys = st.from_regex(r"\A(version-[1-9][0-9]{0,8}|[0-9a-f]{16}(-[23])?)\Z")


@given(st.lists(st.tuples(keys, moments), max_size=20), st.text(max_size=40))
def test_written_records_are_read_again_and_other_text_is_ignored(entries, other):
    memory = Memory()
    for key, moment in entries:
        memory = memory.with_dispatch(key, moment)
    text = memory.write()
    assert len(text) < 500
    assert set(Memory.read([text, other.replace("@", "")]).entries) == set(memory.entries[-12:])


@given(st.lists(st.integers(0, 2000), max_size=300))
def test_one_cause_is_sent_at_most_three_times_and_never_twice_a_day(minutes):
    memory, sent = Memory(), []
    for minute in sorted(minutes):
        now = NOW + timedelta(minutes=30 * minute)
        if not Memory.read([memory.write()]).objection("version-3", now):
            sent.append(now)
            memory = Memory.read([memory.write()]).with_dispatch("version-3", now)
    assert len(sent) <= MOST
    assert all(later - earlier > AGAIN_AFTER - timedelta(minutes=1) for earlier, later in pairwise(sent))
    assert bool(sent) == bool(minutes)


# --- on the laptop

REFERENCE, SCORED = (f"azureml://datastores/workspaceblobstore/paths/{name}" for name in ("reference", "scored"))
DATA = {
    "referenceData": {"uri": REFERENCE, "jobInputType": "mltable"},
    "productionData": {"uri": SCORED, "jobInputType": "uri_folder"},
}


def threshold(metric, value):
    return {"metricThresholds": [{"metric": metric, "dataType": "numerical", "threshold": {"value": value}}]}


SIGNALS = {
    SIGNAL: {"signalType": "DataDrift"} | threshold("jensenShannonDistance", 0.1),
    "diabetes_monitor_data_quality": {"signalType": "DataQuality"} | threshold("nullValueRate", 0.5),
}


def test_the_laptop_shows_a_monitors_run_as_the_tree_that_the_poll_reads(tmp_path):
    place = laptop(tmp_path / "state")
    arm, now = place.local.emulator.arm, place.local.now()
    write_mltable(pd.DataFrame({"bmi": [20.0 + number / 10 for number in range(50)]}), arm.path(REFERENCE), {})
    record = {"specversion": "1.0", "correlationid": "c", "data": [{"bmi": 40.0 + number / 10} for number in range(50)]}
    hour = arm.path(SCORED) / f"{now:%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    (hour / "a.jsonl").write_text(json.dumps(record))
    signals = {name: {"mode": "Enabled"} | DATA | signal for name, signal in SIGNALS.items()}
    schedule = arm.schedules.named("schedules/m", "m", {"action": {"monitorDefinition": {"signals": signals}}})
    arm.documents.put("schedules/diabetes-monitor", schedule | {"window_start": now.isoformat()})
    job = place.client.schedules.trigger("diabetes-monitor").job_name
    arm.jobs.wait(job)
    found = breaches(place.client, "diabetes-monitor", "diabetes_monitor_", place.local.now())
    assert [(breach.root, breach.run, breach.signal, breach.status) for breach in found] == [
        (job, f"{job}-{SIGNAL}-evaluate", SIGNAL, "Completed")
    ]


def test_an_event_of_a_scheduled_project_goes_through_the_poll_workflow(render, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    # Replaces `uv run mlops`: the poll finds a model, and the deployment only reports its start.
    payload = '{"event_type": "model-registered", "client_payload": {"model_version": "3"}}'
    lines = [
        "#!/bin/bash",
        'case "$3" in',
        'poll) curl -sS -X POST -H "Authorization: Bearer $GITHUB_TOKEN" '
        f"-d '{payload}' \"$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/dispatches\";;",
        'triage) printf "outcome=DEPLOY\\nreason=new\\nversion=3\\n" >> "$GITHUB_OUTPUT";;',
        'calibrate | deploy) [ "$4 $5 $MLOPS_TARGET" = "--version 3 local" ];;',
        "esac",
    ]
    (tools / "uv").write_text("\n".join(lines), encoding="utf-8")
    (tools / "uv").chmod(0o700)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    root = render(trigger="scheduled")
    to = Project(root, "scheduled", load_settings(root).github.repository, NO_LIMITS | IN_WORKFLOW)
    hops = deliver(model_registered("/subscriptions/s", "diabetes-model", "3"), to, root / ".azureml-local")
    assert [(hop.hop, hop.ok) for hop in hops] == [
        ("poll: Poll for breaches and new models", True),
        ("GitHub", True),
        ("cd-triggered-by-aml: Decide", True),
        ("cd-triggered-by-aml: Calibrate the monitor", True),
        ("cd-triggered-by-aml: Roll out", True),
    ]
