"""Runs every command of a GitHub runner or a person on Azure, in the loop's order, with the real SDK and servers."""

import json

import pytest

from azure_runs import run, verb
from projects import render_from, template

# Rows were scored; now another system of the team registers their labels.
LABELS_ARRIVE = """
from mlops.workspace import connect
from mlops.data.production import deliver_labels
result = deliver_labels(connect())
"""


def drift(name):
    """Return the payload that the bridge sends to the workflow when the project's monitor finds drift."""
    payload = {
        "event_id": "e-1",
        "root_run_id": "monitor-1",
        "run_id": "evaluate-1",
        "signal": f"{name}_monitor_data_drift",
        "status": "Completed",
        "workspace": "mlw-diabetes",
    }
    return {"EVENT_TYPE": "drift-detected", "EVENT_PAYLOAD": json.dumps(payload)}


PROJECTS = {
    "online": {},
    "batch": {"endpoint_type": "batch", "monitor_type": "custom_data"},
    "advanced": {"dataset": "penguins", "monitor_type": "advanced", "endpoint_type": "online_and_batch"},
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name == "advanced" else []) for name in PROJECTS],
)
def runs(request, tmp_path_factory):
    """Return the result of each command, by its purpose."""
    folder = tmp_path_factory.mktemp("azure")
    settings = PROJECTS[request.param]
    project = render_from(template(), folder / "project", workspace_name="mlw-diabetes", **settings)
    steps = {
        "data": verb("data"),
        "data again": verb("data"),
        "train": verb("train"),
        "deploy": verb("deploy"),
        "deploy again": verb("deploy"),
        "invoke": verb("invoke"),
        "retrain without labels": verb("retrain"),
        "labels arrive": {"python": LABELS_ARRIVE},
        "triage retrain": verb("triage", "retrain", environment=drift(settings.get("dataset", "diabetes"))),
        "retrain": verb("retrain"),
        "calibrate": verb("calibrate"),
        "deploy what is newest": verb("deploy"),
        "monitor": verb("monitor"),
    }
    results = run(project, folder / "state", *steps.values())
    return dict(zip(steps, results, strict=True))


FAILING = {"retrain without labels": 2, "monitor": 2}


def test_every_command_ends_as_expected(runs):
    ended = {name: (result.code, result.output[-600:]) for name, result in runs.items()}
    wrong = {name: found for name, found in ended.items() if found[0] != FAILING.get(name, 0)}
    assert wrong == {}


def test_no_request_asks_for_a_storage_key(runs):
    urls = [url for result in runs.values() for url in result.urls]
    assert not [url for url in urls if "listSecrets" in url]
    signed = [url for url in urls if "sig=" in url and "skoid=" not in url]
    assert signed == []


def test_second_run_registers_nothing(runs):
    assert "unchanged" in runs["data again"].stdout
    assert "new" not in runs["data again"].stdout.replace("newest", "")
    writing = [url for url in runs["data again"].urls + runs["deploy again"].urls if url.startswith("PUT")]
    assert {url.partition("?")[0].rpartition("/")[2] for url in writing} <= {"diabetes-monitor", "penguins-monitor"}
    assert "UNCHANGED" in runs["deploy again"].stdout


def test_scoring_asks_for_address_and_key_once_and_not_for_each_request(runs):
    asked = [name for name in runs["invoke"].requests if "Endpoints" in name]
    assert len(asked) <= 6, asked


def test_retraining_reads_rows_with_few_requests(runs, record_property):
    retraining = [url for url in runs["retrain"].urls if ".blob." in url]
    record_property("storage requests of one retraining, uploads of code and data among them", len(retraining))
    assert len(retraining) <= 40
    assert "No new labels since the last training" in runs["retrain without labels"].stderr


def test_breach_leads_to_a_retraining(runs):
    assert "RETRAIN" in runs["triage retrain"].stdout


def test_gate_is_read(runs):
    assert "PROMOTE" in runs["train"].stdout
    assert any(decision in runs["retrain"].stdout for decision in ("PROMOTE", "RETAIN"))


def test_monitor_command_is_refused_on_azure(runs):
    assert "az ml schedule trigger" in runs["monitor"].stderr
