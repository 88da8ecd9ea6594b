"""The monitor's schedule as it leaves for Azure, through the real SDK: components and data by id, labels bound anew."""

import json

import pytest

from azure_runs import run, verb

PREPARE = """
import json
from types import SimpleNamespace
from azure.ai.ml.entities import Data
from mlops.client import connect, Target
from mlops.project import model_name, read_yaml, ONLINE_ENDPOINT

client = connect(Target.AZURE)
documents, workspace = emulator.arm.documents, emulator.workspace
emulator.arm.online.host = SimpleNamespace(address="http://127.0.0.1:9", control=lambda *_: None, stop=lambda: None)

def data(name, version, kind="mltable"):
    path = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}"
    return client.data.create_or_update(Data(name=name, version=version, type=kind, path=path))

def bodies():
    return [json.loads(request.body) for request in emulator.requests
            if request.method == "PUT" and "/schedules/" in request.path]
"""

DEPLOYED = (
    PREPARE
    + """
name = read_yaml(ONLINE_ENDPOINT)["name"]
base = f"onlineEndpoints/{name}"
documents.put(base, emulator.arm.online.named(base, name, {"authMode": "Key", "provisioningState": "Succeeded"},
    location="westeurope", key="k", tags={}, identity={"type": "SystemAssigned"}))
collections = {}
for collection in ("model_inputs", "model_outputs"):
    asset = data(f"{name}-model-1-{collection}", "1", "uri_folder")
    collections[collection] = {"dataCollectionMode": "Enabled", "dataId": asset.id, "samplingRate": 1.0}
documents.put(f"{base}/deployments/model-1", emulator.arm.online.named(f"{base}/deployments/model-1", "model-1", {
    "endpointComputeType": "Managed", "provisioningState": "Succeeded", "scaleSettings": {"scaleType": "Default"},
    "dataCollector": {"collections": collections}}, location="westeurope", tags={},
    sku={"name": "Default", "capacity": 1}))
data(f"{model_name()}-reference", "1")
for version in ("1", "2"):
    data(f"{model_name()}-labels", version)
"""
)

BIND = """
from mlops.monitor import bind
bind(client, "model-1", "1")
result = bodies()
"""


@pytest.fixture(scope="module")
def advanced(render, tmp_path_factory):
    return render(monitor_type="advanced"), tmp_path_factory.mktemp("azure") / "state"


@pytest.fixture(scope="module")
def bound(advanced):
    again = {
        "python": PREPARE
        + f"""
data(f"{{model_name()}}-labels", "10")
{BIND.replace("bind(", "rebind_labels(").replace('client, "model-1", "1"', "client").replace("import bind", "import rebind_labels")}
"""
    }
    return run(*advanced, {"python": DEPLOYED + BIND}, {"python": PREPARE + BIND}, again, verb("labels"))


def signals(body):
    return body["properties"]["action"]["monitorDefinition"]["signals"]


def test_debug(bound):
    for one in bound:
        print(one.code, one.said[-2000:], json.dumps(one.result, indent=1)[:9000], one.requests)
    assert 0
