"""Tests retraining on Azure with the real SDK: scored rows are joined with new labels, with few requests."""

import json
import shutil

import pytest

from azure_runs import run, verb

# Runs after `mlops data`: endpoints have collected rows in the last thirty days, including the production rows. The
# emulated storage is a folder, and the files are as the data collector writes them.
COLLECTED = """
import json
import pandas as pd
from datetime import timedelta
from mlops.paths import ONLINE_ENDPOINT, read_yaml
from mlops.data.production import usual_rows
from model.contract import load_contract

contract, now = load_contract(), emulator.arm.clock.now()
endpoint = read_yaml(ONLINE_ENDPOINT)["name"]
store = emulator.storage.folder(emulator.workspace.container)
rows = usual_rows().astype(object)
rows = rows.where(rows.notna(), None)
days, deployment, hours = DAYS, DEPLOYMENT, HOURS
for day in range(days):
    moment = now - timedelta(days=day, hours=hours)
    part = rows.iloc[day::days].assign(prediction=1.0).to_dict("records")
    collections = {"model_inputs": contract.features, "model_outputs": [contract.id_column, "prediction"]}
    for collection, columns in collections.items():
        file = store / "modelDataCollector" / endpoint / deployment / collection / f"{moment:%Y/%m/%d/%H}" / "i.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        record = {"specversion": "1.0", "correlationid": f"{deployment}-{day}", "time": moment.isoformat(),
                  "data": [{name: row[name] for name in columns} for row in part]}
        file.write_text(json.dumps(record) + "\\n" + MORE)
result = len(rows)
"""
# Acts like the project's own systems: they know the labels, and register them as the next version of the asset.
LABELLED = """
import pandas as pd
from mlops.data.assets import newest_version, read_asset, register_rows
from mlops.workspace import connect
from mlops.data.production import usual_rows
from mlops.paths import LABELS, read_yaml
from model.contract import load_contract

client, contract = connect(), load_contract()
name = read_yaml(LABELS)["name"]
old = read_asset(client, name, newest_version(client, name))
new = usual_rows()[[contract.id_column, contract.target]]
register_rows(client, LABELS, pd.concat([old, new], ignore_index=True))
result = len(new)
"""
# Runs `mlops retrain` up to the training, which other tests cover.
PREPARED = """
import mlops.training.retrain as module
from mlops.data.assets import newest_version, read_asset
from mlops.workspace import connect
from mlops.paths import LABELLED_DATA, read_yaml
from mlops.training.pipeline import TrainingResult

name = read_yaml(LABELLED_DATA)["name"]
module.train = lambda client, job=None: TrainingResult('job', {}, 'model', '2')
client = connect()
emulator.requests.clear()
try:
    module.retrain(client)
    said = ""
except Exception as error:
    said = f"{type(error).__name__}: {error}"
asked = [f"{one.method} {one.url}" for one in emulator.requests]
version = newest_version(client, name)
result = {"said": said, "asked": asked, "version": version, "rows": len(read_asset(client, name, version))}
"""


def collected(days: int = 30, deployment: str = "model-1", hours: int = 1, more: str = "") -> dict:
    source = COLLECTED.replace("DAYS", str(days)).replace("DEPLOYMENT", repr(deployment)).replace("HOURS", str(hours))
    return {"python": source.replace("MORE", repr(more))}


LABELS_CAME_IN = {"python": LABELLED}


@pytest.fixture(scope="module")
def project(render):
    return render()


@pytest.fixture(scope="module")
def with_data(project, tmp_path_factory):
    """Return an emulated workspace after `mlops data`."""
    state = tmp_path_factory.mktemp("azure") / "state"
    (built,) = run(project, state, verb("data"))
    assert built.code == 0, built.output
    return state


@pytest.fixture
def state(with_data, tmp_path):
    return shutil.copytree(with_data, tmp_path / "state")


def prepared(project, state, *steps) -> dict:
    """Retrain after these steps and return the result."""
    results = run(project, state, *steps, {"python": PREPARED})
    assert [result.code for result in results] == [0] * len(results), [result.output for result in results]
    return results[-1].result | {"sent": results[0].result, "stderr": results[-1].stderr}


def test_thirty_days_are_read_with_few_requests_and_every_row_is_trained_on(project, state, record_property):
    found = prepared(project, state, collected(), LABELS_CAME_IN)
    assert found["said"] == ""
    assert (found["version"], found["rows"]) == ("2", 301 + found["sent"])
    storage = [one for one in found["asked"] if ".blob." in one]
    record_property("storage requests of one retraining (30 days, one deployment)", len(storage))
    record_property("storage requests to find the rows of 30 days", len([one for one in storage if "modelData" in one]))
    assert len(storage) <= 100
    assert not [one for one in found["asked"] if "listSecrets" in one or "sig=" in one]


def test_late_labels_of_a_retired_deployments_rows_are_used(project, state):
    found = prepared(project, state, collected(days=3, deployment="model-1", hours=200), LABELS_CAME_IN)
    assert (found["said"], found["rows"]) == ("", 301 + found["sent"])


def test_rows_that_were_just_sent_are_used(project, state):
    found = prepared(project, state, collected(days=1, hours=0), LABELS_CAME_IN)
    assert (found["said"], found["rows"]) == ("", 301 + found["sent"])


def test_strange_records_are_skipped_and_the_others_used(project, state):
    large = json.dumps({"specversion": "1.0", "correlationid": "x", "dataref": "azureml://somewhere"})
    found = prepared(project, state, collected(days=2, more=f"{large}\n[1]\n{{"), LABELS_CAME_IN)
    assert (found["said"], found["rows"]) == ("", 301 + found["sent"])


def test_window_without_labels_is_wrong_input(project, state):
    assert prepared(project, state, collected(days=1))["said"].startswith(
        "WrongInputError: No new labels since the last training"
    )
    (done,) = run(project, state, verb("retrain"))
    assert done.code == 2
    assert done.stderr.startswith("mlops: No new labels since the last training: retraining on the same rows would")


def test_simulated_labels_of_the_laptop_are_not_used_on_azure(project, state):
    pending = project / "data" / "pending_labels"
    shutil.copytree(project / "data" / "production_truth", pending)
    try:
        found = prepared(project, state, collected(days=1))
        assert "No new labels" in found["said"]
        assert pending.is_dir()
    finally:
        shutil.rmtree(pending)


REFUSALS = {
    "no right to read blobs": {"status": 403, "headers": {"x-ms-error-code": "AuthorizationPermissionMismatch"}},
    "a container that is gone": {"status": 404, "headers": {"x-ms-error-code": "ContainerNotFound"}},
    "a page of text": {"status": 502, "text": "<html>bad gateway</html>"},
    "a cut connection": {"raises": "cut"},
}


def test_any_answer_of_the_storage_ends_with_one_sentence(project, state):
    refused = [verb("retrain", faults=[{"match": r"blob\.core", **fault}]) for fault in REFUSALS.values()]
    for done, case in zip(run(project, state, *refused), REFUSALS, strict=True):
        assert done.code == 1, (case, done.output)
        assert done.stderr.startswith("mlops: "), case
        assert done.stderr.count("\n") == 1, (case, done.stderr)
        assert "No new labels" not in done.stderr, case
