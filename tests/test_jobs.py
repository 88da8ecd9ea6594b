"""Tests jobs with the real SDK: they are found, followed with their steps, and their outputs are read without keys."""

import json

import pytest

from azure_runs import run, verb
from refusal_faults import AUTHORIZATION, FAULTS

NO_WAIT = {"python": "from mlops.jobs import watching\nwatching.wait = lambda seconds: __import__('time').sleep(0.05)"}
JOB = r"GET .*/jobs/diabetes-model-training-\w+\?"
CHILDREN = "/children"
ESTIMATOR = "def build_estimator(contract):\n    raise RuntimeError('no such luck')\n"
STRANGERS = """
scope = emulator.workspace.id
def job(name, **properties):
    return {"id": f"{scope}/jobs/{name}", "name": name, "type": "jobs", "properties": properties}
command = {"command": "x", "environmentId": f"{scope}/environments/e/versions/1", "status": "Completed"}
strangers = [
    job("label", jobType="Labeling", status="Running"),
    job("new", jobType="SomethingNew", status="Running"),
    job("broken", jobType="Pipeline", status="Running", jobs={"a": {"type": "nothing"}}, inputs={"x": None}),
    job("sweep", jobType="Sweep", status="Running"),
    job("fine", jobType="Command", **command),
    {"id": f"{scope}/jobs/child", "name": "child", "properties": None},
]
"""
SOURCES = {
    "outputs": """
from pathlib import Path
import tempfile
from mlops.workspace import connect
from mlops.jobs.jobs import download_output, listed
client = connect()
name = next(iter(listed(client))).name
folder = download_output(client, name, "gate", Path(tempfile.mkdtemp()))
result = [name, sorted(file.name for file in folder.rglob("*")), [step.status for step in listed(client, name)]]
""",
    "strangers": STRANGERS
    + """
from mlops.workspace import connect
from mlops.jobs.jobs import listed
emulator.arm.jobs.strangers = strangers
client = connect()
result = [[job.name for job in listed(client)][:2], len(list(listed(client, limit=1)))]
try:
    list(client.jobs.list())
except Exception as error:
    result.append(type(error).__name__)
emulator.arm.jobs.strangers = []
""",
    "found": STRANGERS
    + """
from mlops.workspace import connect
from mlops.jobs.jobs import find, listed
client = connect()
known = next(iter(listed(client))).name
for stranger in strangers:
    emulator.arm.documents.put(f"jobs/{stranger['name']}", stranger)
result = [find(client, name) for name in (known, "retrain-0123456789abcdef", "label", "new", "fine", "broken")]
for stranger in strangers:
    emulator.arm.documents.delete(f"jobs/{stranger['name']}")
""",
    "lost answer": """
import requests
from mlops.workspace import connect
from mlops.jobs.jobs import find, submit
from mlops.training.pipeline import load_pipeline
emulator.arm.jobs.ends = "Completed"
left = 1
def lose(request):
    global left
    if left and request.method == "PUT" and "/jobs/" in request.path:
        left -= 1
        emulator.arm(request)
        raise requests.exceptions.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
emulator.faults.append(lose)
client = connect()
job = load_pipeline(client)
name = submit(client, job)
result = [name == job.name, find(client, name) is not None, left]
try:
    submit(client, job, is_new=False)
except Exception as error:
    result.append(getattr(error, "status_code", None))
""",
    "places": """
import json
from mlops.workspace import connect
from mlops.training.pipeline import load_pipeline
job = load_pipeline(connect(), "retrain-0123456789abcdef")
result = json.dumps(job._to_rest_object().as_dict()["properties"]["outputs"])
""",
}
FIND = """
from mlops.workspace import connect
from mlops.jobs.jobs import find
try:
    result = find(connect(), "retrain-0123456789abcdef")
except Exception as error:
    result = type(error).__name__
"""
ENVIRONMENT = """
from mlops.workspace import connect
from mlops.paths import TRAINING_ENVIRONMENT
from mlops.training.environments import register_environment
try:
    result = register_environment(connect(), TRAINING_ENVIRONMENT)
except Exception as error:
    result = getattr(error, "status_code", None)
"""
ENDS = {"Canceled": "was cancelled", "Failed": "failed", "NotResponding": "does not respond", "Paused": "ended as"}
LOST = {"503": "no healthy upstream", "403": "AuthorizationFailed", "404 page": "404", "page": "cannot be understood"}
REFUSED = ("403", "404 group", "404 page", "404 workspace", "500", "cut")

STEPS = {
    "no wait": NO_WAIT,
    "data": verb("data"),
    # One training, during which Azure does not answer for some time.
    "trained": verb(
        "train",
        faults=[{"match": JOB, "times": 8, **FAULTS["503"]}, {"match": CHILDREN, "times": 4, **FAULTS["cut"]}],
    ),
    **{name: {"python": source} for name, source in SOURCES.items()},
    **{f"ends {status}": verb("train", job_ends=status) for status in ENDS},
    "no gate": verb("train", job_ends="Completed"),
    **{f"lost {fault}": verb("train", faults=[{"match": JOB, **FAULTS[fault]}]) for fault in LOST},
    "closed history": verb(
        "train", job_ends="Canceled", faults=[{"match": CHILDREN, "status": 403, "json": AUTHORIZATION}]
    ),
    **{f"find {name}": {"python": FIND, "faults": [{"match": "GET .*/jobs/", **FAULTS[name]}]} for name in REFUSED},
    "environment": {"python": ENVIRONMENT},
    **{
        f"environment {name}": {"python": ENVIRONMENT, "faults": [{"match": "GET .*/environments/", **FAULTS[name]}]}
        for name in ("404 group", "404 page", "403")
    },
}


@pytest.fixture(scope="module")
def results(render, tmp_path_factory):
    done = dict(zip(STEPS, run(render(), tmp_path_factory.mktemp("jobs") / "state", *STEPS.values()), strict=True))
    assert {name: result.stderr for name, result in done.items() if result.code == "traceback"} == {}
    return done


@pytest.fixture
def trained(results):
    return results["trained"]


def test_training_on_azure_shows_the_same_steps_as_the_laptop(trained):
    assert trained.code == 0, trained.output
    shown = [line.split()[:2] for line in trained.stdout.splitlines()[:4]]
    assert shown == [["✓", "split"], ["✓", "train"], ["✓", "evaluate"], ["✓", "register"]]
    assert "PROMOTE: registered diabetes-model version 1" in trained.stdout


def test_temporary_fault_is_reported_once_and_retried(trained):
    (line,) = trained.stderr.strip().splitlines()
    assert "continues; its state is read again" in line
    assert "503" in line


def test_no_request_asks_for_a_key(trained):
    assert [kind for kind in trained.requests if "listSecrets" in kind or "listKeys" in kind] == []


def test_outputs_are_at_the_path_of_the_jobs_name(results):
    name, files, statuses = results["outputs"].result
    assert name.startswith("diabetes-model-training-")
    assert files == ["gate.json"]
    assert statuses == ["Completed"] * 4


@pytest.mark.parametrize("status", ENDS)
def test_job_that_does_not_complete_is_named_with_its_link(status, results):
    done = results[f"ends {status}"]
    assert done.code == 1
    (line,) = done.stderr.strip().splitlines()
    assert "The job diabetes-model-training-" in line
    assert ENDS[status] in line
    assert "https://ml.azure.com/runs/diabetes-model-training-" in line


def test_step_that_failed_is_named(render, tmp_path):
    project = render()
    (project / "src" / "model" / "estimator.py").write_text(ESTIMATOR, encoding="utf-8")
    done = run(project, tmp_path / "state", NO_WAIT, verb("data"), verb("train"))[2]
    assert done.code == 1
    assert "failed at the step 'train'" in done.stderr
    assert "✗ train" in done.stdout


def test_job_without_a_gate_is_a_sentence(results):
    done = results["no gate"]
    assert done.code == 1
    assert (
        "left nothing at azureml://datastores/workspaceblobstore/paths/azureml/diabetes-model-training-" in done.stderr
    )
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("fault", LOST)
def test_job_with_an_unknown_state_is_reported_as_possibly_running(fault, results):
    done = results[f"lost {fault}"]
    assert done.code == 1
    lines = done.stderr.strip().splitlines()
    assert "may still be running" in lines[-1]
    assert LOST[fault] in lines[-1]
    assert len(lines) <= 2


def test_job_is_followed_if_run_history_is_closed(results):
    first, last = results["closed history"].stderr.strip().splitlines()
    assert "cannot be shown" in first
    assert "was cancelled" in last


def test_strange_jobs_of_the_workspace_are_ignored(results):
    names, limited, raised = results["strangers"].result
    assert names[0] == "fine"
    assert names[1].startswith("diabetes-model-training-")
    assert limited == 1
    assert raised == "JobException", "the SDK reads them by itself now: `listed` can do without its copy"


def test_job_is_found_by_name(results):
    known, nothing, *strange, broken = results["found"].result
    assert (known, nothing) == ("Completed", None)
    assert strange == ["Unknown", "Unknown", "Completed"]
    assert broken == "Unknown"


@pytest.mark.parametrize("name", REFUSED)
def test_only_a_missing_job_is_none(name, results):
    assert results[f"find {name}"].result.endswith("Error")


def test_job_with_a_lost_answer_is_not_started_twice(results):
    assert results["lost answer"].result == [True, True, 0, 409]


def test_environment_is_registered_only_if_it_is_missing(results):
    assert results["environment"].result.startswith("azureml:mlops-training:")
    for name, status in {"404 group": 404, "404 page": 404, "403": 403}.items():
        done = results[f"environment {name}"]
        assert done.result == status
        assert [kind for kind in done.requests if kind.startswith("PUT")] == []


def test_pipeline_is_submitted_with_the_place_of_each_output(results):
    places = {name: output["uri"] for name, output in json.loads(results["places"].result).items()}
    start = "azureml://datastores/workspaceblobstore/paths/azureml/retrain-0123456789abcdef"
    assert places == {"gate": f"{start}/gate", "reference": f"{start}/reference"}
