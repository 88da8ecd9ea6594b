"""Rollouts with the real SDK in front of an emulated Azure: whatever the new deployment or Azure does, the old one serves."""

import json
import shutil

import pytest
import yaml

from azure_runs import run, verb

MODEL, OLD = "diabetes-model", "model-1"
VERSIONS = 30
# A version's files are those of the first, which the pipeline has trained and registered.
REGISTER = f"""
from mlflow import MlflowClient
registry = MlflowClient(emulator.arm.models.tracking_uri)
first = registry.get_model_version({MODEL!r}, "1")
tags = {{key: value for key, value in first.tags.items() if key != "rollout"}}
for number in range({VERSIONS}):
    registry.create_model_version({MODEL!r}, first.source, run_id=first.run_id, tags=tags)
emulator.arm.models.collect()
for number in range(1, {VERSIONS} + 2):
    path = f"data/{MODEL}-reference/versions/{{number}}"
    uri = emulator.workspace.uri(f"azureml/{{tags['job']}}/reference")
    facts = {{"dataType": "mltable", "dataUri": uri, "tags": {{}}, "isAnonymous": False, "isArchived": False}}
    emulator.arm.documents.put(path, emulator.arm.assets.named(path, str(number), facts))
"""
# Deployments on a scripted server, waits that are no part of what is tested, and a version 1 that serves.
BEGIN = """
import mlops.rollout_steps, mlops.scoring
from scripted_host import ScriptedHost
mlops.rollout_steps.PAUSES = (0.0, 0.0)
mlops.scoring.MARGIN = 0.2
emulator.arm.online.host = ScriptedHost()
"""
LOOK = f"""
host = emulator.arm.online.host
tags = {{
    name: (found["properties"].get("tags") or {{}}).get("rollout")
    for name, found in emulator.arm.documents.all("models/{MODEL}/versions")
}}
endpoints = dict(emulator.arm.documents.all("onlineEndpoints"))
result = {{
    "traffic": {{name: share for name, share in host.traffic.items() if share}},
    "deployments": sorted(host.deployments),
    "tags": {{name: tag for name, tag in tags.items() if tag}},
    "requests": host.requests,
    "statuses": {{name: known.statuses for name, known in host.deployments.items()}},
}}
host.requests = []
"""


def python(code):
    return {"python": code}


def script(deployment, *answers):
    return python(f"emulator.arm.online.host.scripts[{deployment!r}] = {list(answers)!r}")


def settings(project, **values):
    """Set values of the rollout in infra/project.yml."""
    file = project / "infra" / "project.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["rollout"] |= values
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(render, tmp_path_factory):
    """A project and its workspace, with thirty versions of a model and no endpoint."""
    project, state = render(), tmp_path_factory.mktemp("azure") / "state"
    settings(project, watch_minutes=0.02, probes=6)
    deployment = project / "endpoints" / "online" / "deployment" / "deployment.yml"
    text = deployment.read_text(encoding="utf-8")
    deployment.write_text(text.replace("request_timeout_ms: 10000", "request_timeout_ms: 1000"), encoding="utf-8")
    for result in run(project, state, verb("data"), verb("train"), python(REGISTER)):
        assert result.code == 0, result.said
    return project, state


def deploy(version, **more):
    return verb("deploy", "--version", str(version), **more)


# What the new deployment answers to its requests, the first of which is the smoke test, and what is said of it.
UNFIT = {
    "an error as JSON": (["good", "good", "json:500"], "500: no such luck"),
    "an error as text": (["good", "good", "text:503"], "503: no healthy upstream"),
    "an error that is a text in JSON": (["good", "plain"], "500: no such luck"),
    "a time-out of Azure's": (["good", "text:408"], "408: no healthy upstream"),
    "a time-out of Azure's, in JSON": (["json:408"], "408: no such luck"),
    "an error at once, as text": (["text:502"], "502: no healthy upstream"),
    "a cut connection": (["good", "good", "good", "cut"], "no answer"),
    "half an answer": (["good", "half"], "no answer"),
    "no answer": (["good", "hang:60"], "no answer after 1."),
    "no answer at once": (["hang:60"], "no answer after 1."),
    "an answer that never ends": (["good", "drip"], "no answer after 1."),
    "not a number": (["good", "nan"], "it predicted nan where the model predicted"),
    "another answer": (["good", "says:{}"], "holds no predictions"),
    "a number for a list": (["good", 'says:{"predictions": 5}'], "holds no predictions"),
    "busy without end": (["good", "busy:0"], "429: Too many pending requests."),
    "busy for an hour": (["good", "busy:3600"], "429: Too many pending requests."),
    "slow answers": (["good", "slow:0.4"], "more than 300 ms"),
    "a crash at its start": (["crashes"], "it did not come up: "),
}


@pytest.fixture(scope="module")
def unfit(trained, tmp_path_factory):
    """What came of one rollout after the other of versions that are unfit in different ways."""
    project, state = trained
    here = tmp_path_factory.mktemp("unfit") / "state"
    shutil.copytree(state, here)
    steps = [python(BEGIN), deploy(1), python(LOOK)]
    for number, (answers, _) in enumerate(UNFIT.values(), 2):
        steps += [script(f"model-{number}", *answers), verb("deploy", "--version", str(number), "--max-latency-ms", "300"), python(LOOK)]
    results = run(project, here, *steps)
    assert results[1].code == 0, results[1].said
    found = results[3:]
    return {name: (found[3 * place + 1], found[3 * place + 2].result) for place, name in enumerate(UNFIT)}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_deployment_is_taken_back(unfit, name):
    done, after = unfit[name]
    version = str(list(UNFIT).index(name) + 2)
    assert done.code == 1, done.said
    assert "ROLLED_BACK" in done.stdout
    assert UNFIT[name][1] in " ".join(done.said.split())
    assert after["traffic"] == {OLD: 100}
    assert after["deployments"] == [OLD]
    assert after["tags"][version] == "failed"
    # Nothing was asked through Resource Manager or the SDK's own invoke.
    assert done.requests.count("POST WS/onlineEndpoints/*/listKeys") <= 2
