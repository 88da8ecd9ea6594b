"""A champion that cannot be fetched fails the step 'evaluate'; one that cannot score is a decision of the gate."""

import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import mlflow
import numpy as np
import pandas as pd
import pytest

from laptop import laptop
from model import evaluate
from model.contract import load_contract
from model.registry import Champion, find_champion
from projects import mlops

CHAMPION = Champion("m", "2")
VERSION = {"name": "m", "version": "2", "source": "mlflow-artifacts:/m", "status": "READY"}
SEARCH, ADDRESS = "model-versions/search", "model-versions/get-download-uri"
FORBIDDEN = (403, {"error_code": "PERMISSION_DENIED", "message": "denied by policy"})
GONE = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Model version 2 was not found"})
FOUND = (200, {"model_versions": [VERSION]})


@pytest.fixture(scope="module")
def trained(render):
    """Return a project with a champion."""
    project = render()
    for verb in ("data", "train"):
        done = mlops(project, verb)
        assert done.code == 0, done.stderr
    return project


@pytest.fixture
def project(trained, tmp_path):
    """Return a copy of the project whose registry names files in the copy."""
    copy = shutil.copytree(trained, tmp_path / "project")
    for file in (copy / ".azureml-local" / "mlruns").rglob("meta.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace(str(trained), str(copy)), encoding="utf-8")
    return copy


def files_of_the_champion(project):
    (version,) = laptop(project / ".azureml-local").local.emulator.arm.models.store.versions()
    assert project in version.files.parents
    return version.files


def steps(project):
    """Return the statuses of the newest job and of its steps."""
    client = laptop(project / ".azureml-local").client
    newest = next(iter(client.jobs.list()))
    found = laptop(project / ".azureml-local").local.emulator.arm.documents.all("runs")
    return newest.status, {run["displayName"]: run["status"] for _, run in found if run["parentRunId"] == newest.name}


def test_champion_that_cannot_be_fetched_fails_the_step_and_the_job(project):
    shutil.rmtree(files_of_the_champion(project))
    done = mlops(project, "train")
    assert done.code == 1, done.stderr
    assert "The step 'evaluate' failed with exit code" in done.stderr
    said = " ".join(done.stderr.split())
    assert "The champion models:/diabetes-model/1 cannot be fetched, so nothing was decided: " in said
    job, after = steps(project)
    assert (job, after["evaluate"], after["register"]) == ("Failed", "Failed", "Canceled")


def test_champion_that_cannot_be_loaded_is_a_decision_of_the_gate(project):
    (files_of_the_champion(project) / "model.pkl").write_bytes(b"not a model")
    done = mlops(project, "train")
    assert done.code == 0, done.stderr
    assert "RETAIN: nothing was registered" in done.stdout
    assert "The champion has no finite rmse" in " ".join(done.stdout.split())
    assert steps(project)[0] == "Completed"


@pytest.fixture
def registry(monkeypatch):
    """Return the answers of a tracking server, by the end of a path; it answers 404 to any other."""
    answers = {"registered-models/get": (200, {"registered_model": {"name": "m"}})}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            status, content = next((answers[end] for end in answers if path.endswith(end)), (404, {}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.server_port}")
    yield answers
    mlflow.set_tracking_uri(before)
    server.shutdown()
    server.server_close()
    thread.join()


def losses(contract):
    return evaluate.champion_losses(CHAMPION, pd.DataFrame({"a": [1.0]}), contract)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({ADDRESS: FORBIDDEN}, "denied by policy"),
        ({ADDRESS: GONE}, "Model version 2 was not found"),
        ({ADDRESS: (504, {})}, "too many 504 error responses"),
        ({ADDRESS: (200, {"artifact_uri": "unknown://m"})}, "Could not find a registered artifact repository"),
        ({ADDRESS: (200, {"artifact_uri": "mlflow-artifacts:/m"}), "artifacts": (403, {})}, "403"),
    ],
    ids=["403", "deleted version", "time-out", "missing package", "403 of the store"],
)
def test_refused_download_is_not_a_decision(registry, trained, answers, reason):
    registry.update(answers)
    contract = load_contract(trained / "src" / "model" / "contract.yml")
    with pytest.raises(SystemExit) as caught:
        losses(contract)
    assert "models:/m/2 cannot be fetched, so nothing was decided: " in str(caught.value)
    assert reason in str(caught.value)


def test_empty_answer_of_a_store_is_not_a_decision(registry, tmp_path):
    registry[ADDRESS] = (200, {"artifact_uri": (tmp_path / "store").as_uri()})
    (tmp_path / "store").mkdir()
    with pytest.raises(SystemExit, match="it has no files"):
        evaluate.fetch(CHAMPION, tmp_path / "here")


def test_refused_question_is_not_an_answer(registry, trained, tmp_path, monkeypatch):
    registry[SEARCH] = FORBIDDEN
    outputs = laptop(trained / ".azureml-local").local.emulator.arm.path(
        "azureml://datastores/workspaceblobstore/paths/azureml"
    )
    (split,) = outputs.glob("*-split")
    given = {"model": "none", "training": split / "training", "holdout": split / "holdout"}
    given |= {"model-name": "m", "margin": "0", "gate": tmp_path}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr("sys.argv", ["evaluate", *options])
    contract = load_contract(trained / "src" / "model" / "contract.yml")
    monkeypatch.setattr(evaluate, "load_contract", lambda: contract)
    with pytest.raises(SystemExit, match=r"The registry did not say which model is the champion: .*denied by policy"):
        evaluate.main()
    assert not list(tmp_path.iterdir())


def test_no_champion_yet_is_an_answer(registry):
    registry[SEARCH] = GONE
    assert find_champion("m") is None
    registry[SEARCH] = FOUND
    assert find_champion("m") == CHAMPION


def test_unscored_champion_has_no_losses(trained, monkeypatch):
    """Its files are here, so that it cannot score them is its own fault."""
    monkeypatch.setattr(evaluate, "fetch", lambda champion, folder: folder)
    assert np.isnan(losses(load_contract(trained / "src" / "model" / "contract.yml"))).all()
