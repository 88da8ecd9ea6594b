"""Tests rollouts of a batch endpoint, next to an online one, with the real SDK against an emulated Azure."""

import pytest

from azure_runs import run, verb
from test_rollout_azure import BEGIN, FORBIDDEN, REGISTER, deploy, python, script, settings

OLD = "model-1"
LOOK = """
documents = emulator.arm.documents
(name, endpoint), = documents.all("batchEndpoints")
tags = {
    version: (found["properties"].get("tags") or {}).get("rollout")
    for version, found in documents.all("models/diabetes-model/versions")
}
host = emulator.arm.online.host
result = {
    "online": (host.traffic, sorted(host.deployments)),
    "default": (endpoint["properties"].get("defaults") or {}).get("deploymentName"),
    "deployments": documents.names(f"batchEndpoints/{name}/deployments"),
    "tags": {version: tag for version, tag in tags.items() if tag},
}
"""
SCORE = """
import pandas as pd
from mlops.data.batch_scoring import score_folder
from mlops.workspace import connect
from mlops.data.production import usual_rows
from mlops.paths import BATCH_ENDPOINT, read_yaml
score_folder(connect(), read_yaml(BATCH_ENDPOINT)["name"], usual_rows().head(3), "2026/01/01/00")
"""
# The service writes the rows into the given folder, or into none.
ELSEWHERE = """
from azureml_emulator.jobs import scoring
place = scoring.Scoring._output if not hasattr(scoring, "place") else scoring.place
scoring.place = place
def output(self, step):
    path = place(self, step)
    return {replacement}
scoring.Scoring._output = output
"""
FOLDER = ELSEWHERE.format(replacement='path / "predictions.jsonl"')
NOWHERE = ELSEWHERE.format(replacement='self._folder / "lost.jsonl"')
AS_TOLD = ELSEWHERE.format(replacement="path")


@pytest.fixture(scope="module")
def rolled_out(render, tmp_path_factory):
    """Return the results of successive rollouts."""
    project, state = render(endpoint_type="online_and_batch"), tmp_path_factory.mktemp("batch") / "state"
    settings(project, watch_minutes=0, probes=3)
    steps = {
        "data": verb("data"),
        "train": verb("train"),
        "register": python(REGISTER),
        "host": python(BEGIN),
        "first": deploy(1),
        "after first": python(LOOK),
        "pinned": python(
            "from azure.ai.ml.constants import _endpoint\nresult = _endpoint.EndpointInvokeFields.DEFAULT_HEADER"
        ),
        "again": deploy(1),
        "to a folder": python(FOLDER),
        "second": deploy(2),
        "after second": python(LOOK),
        "to nowhere": python(NOWHERE),
        "nothing written": deploy(3),
        "after nothing": python(LOOK),
        "as told": python(AS_TOLD),
        "failed job": deploy(4, job_ends="Failed"),
        "cancelled job": deploy(5, job_ends="Canceled"),
        "refused job": deploy(
            6, faults=[{"match": "POST .*inference.ml.azure.com", "status": 403, "text": "denied by policy"}]
        ),
        "too slow to start": deploy(6, faults=[{"match": "POST .*inference.ml.azure.com", "status": 408, "json": {}}]),
        "odd error": deploy(
            6, faults=[{"match": "POST .*inference", "status": 500, "json": {"error": "no such luck"}}]
        ),
        "refused default": deploy(6, faults=[{"match": r"PUT .*batchEndpoints/[^/?]+\?", **FORBIDDEN}]),
        "refused creation": deploy(6, faults=[{"match": "PUT .*batchEndpoints/.*/deployments/", **FORBIDDEN}]),
        "after refusals": python(LOOK),
        "online is unfit": script("model-7", "good", "text:503"),
        "unfit online": deploy(7),
        "after unfit online": python(LOOK),
        "score": python(SCORE),
    }
    results = run(project, state, *steps.values())
    found = dict(zip(steps, results, strict=True))
    assert found["train"].code == 0, found["train"].output
    return found


def test_first_version_becomes_the_default(rolled_out):
    assert rolled_out["first"].code == 0, rolled_out["first"].output
    assert rolled_out["after first"].result == {
        "online": [{OLD: 100}, [OLD]],
        "default": OLD,
        "deployments": [OLD],
        "tags": {"1": "deployed"},
    }
    assert "UNCHANGED" in rolled_out["again"].stdout


def test_sdk_does_not_keep_the_deployments_name_for_later_requests(rolled_out):
    assert "azureml-model-deployment" not in rolled_out["pinned"].result
    assert rolled_out["score"].code == 0, rolled_out["score"].output


def test_rows_are_read_from_the_path_that_the_service_uses(rolled_out):
    assert rolled_out["second"].code == 0, rolled_out["second"].output
    assert rolled_out["after second"].result["default"] == "model-2"
    assert rolled_out["after second"].result["deployments"] == ["model-2"]


def test_missing_rows_are_a_reason_without_a_stack_trace(rolled_out):
    done = rolled_out["nothing written"]
    assert done.code == 1, done.output
    assert "scored a sample, but wrote no rows to azureml://datastores/" in " ".join(done.output.split())
    after = rolled_out["after nothing"].result
    assert (after["default"], after["deployments"], after["tags"]["3"]) == ("model-2", ["model-2"], "failed")


def test_failed_job_is_the_models_fault_and_a_cancelled_one_is_not(rolled_out):
    tags = rolled_out["after refusals"].result["tags"]
    assert (rolled_out["failed job"].code, rolled_out["cancelled job"].code) == (1, 1)
    assert "it did not score a sample: " in " ".join(rolled_out["failed job"].output.split())
    assert "cancelled" in rolled_out["cancelled job"].stderr
    assert (tags["4"], tags.get("5")) == ("failed", None)


@pytest.mark.parametrize(
    "name", ["refused job", "too slow to start", "odd error", "refused default", "refused creation"]
)
def test_refusal_does_not_change_the_default_or_the_version(rolled_out, name):
    done, after = rolled_out[name], rolled_out["after refusals"].result
    assert done.code == 1, done.output
    assert done.stderr.splitlines()[-1].startswith("mlops: ")
    assert (after["default"], after["deployments"], after["tags"].get("6")) == ("model-2", ["model-2"], None)


def test_default_stays_if_the_online_endpoint_finds_the_version_unfit(rolled_out):
    after = rolled_out["after unfit online"].result
    assert "503: no healthy upstream" in rolled_out["unfit online"].stderr
    assert (after["default"], after["deployments"], after["tags"]["7"]) == ("model-2", ["model-2"], "failed")
    assert after["online"] == [{"model-2": 100}, ["model-2"]]
