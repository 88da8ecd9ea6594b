"""The workspace refuses the same requests as Azure, with Azure's status and code: the list in the README."""

import json

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest

from azureml_emulator.local import LocalWorkspace

VERSION = "2024-04-01"
ENVIRONMENT = {"image": "mcr.microsoft.com/base:1", "condaFile": "name: one"}
COMPONENT = {"componentSpec": {"name": "one", "command": "true", "environment": "azureml:known:1", "type": "command"}}
DATA = {"dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/rows"}
ENDPOINT = {"authMode": "Key", "traffic": {}}
PIPELINE = {"jobType": "Pipeline", "inputs": {}, "outputs": {}, "experimentName": "one"}


def deployment(**changes):
    of_model = {"model": "/models/none/versions/1", "environmentId": "/environments/known/versions/1"}
    return of_model | {"codeConfiguration": {"codeId": "/codes/none/versions/1", "scoringScript": "score.py"}} | changes


def step(component):
    return PIPELINE | {"jobs": {"a": {"type": "command", "componentId": component}}}


def monitor(**signal):
    definition = {"signals": {"a": {"signalType": "Custom", **signal}}}
    return {"action": {"actionType": "CreateMonitor", "monitorDefinition": definition}, "trigger": {}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Return a workspace with an environment, a component, data and an endpoint, each called `known`."""
    local = LocalWorkspace(tmp_path_factory.mktemp("refusals") / "state", "mlw", "rg")
    local.emulator.arm.deployments.quota = 0
    documents = local.emulator.arm.documents
    documents.put("onlineEndpoints/known", {"properties": ENDPOINT, "key": "k"})
    documents.put("jobs/known", {"properties": {"status": "Completed"}})
    for path, properties in {
        "environments/known/versions/1": ENVIRONMENT,
        "components/known/versions/1": COMPONENT,
        "data/known/versions/1": DATA,
    }.items():
        assert put(local, path, properties).status_code == 201
    return local


def put(local, path, properties):
    workspace = local.emulator.workspace
    address = f"https://management.azure.com{workspace.id}/{path}?api-version={VERSION}"
    token = local.credential.get_token("https://management.azure.com/.default").token
    body = {"properties": properties, "location": "westeurope", "sku": {"name": "Standard_DS3_v2", "capacity": 1}}
    request = HttpRequest("PUT", address, json=body, headers={"Authorization": f"Bearer {token}"})
    with PipelineClient("https://management.azure.com", policies=[], transport=local.transport) as client:
        return client.send_request(request)


REFUSED = {
    "a component of an environment that was never registered": (
        "components/new/versions/1",
        {"componentSpec": COMPONENT["componentSpec"] | {"environment": "azureml:none:1"}},
        404,
        "UserError",
    ),
    "a component of an environment in a registry that does not exist": (
        "components/new/versions/1",
        {"componentSpec": COMPONENT["componentSpec"] | {"environment": "azureml://registries/none/environments/e/1"}},
        404,
        "RegistryNotFound",
    ),
    "a component of code that was never registered": (
        "components/new/versions/1",
        {"componentSpec": COMPONENT["componentSpec"] | {"code": "azureml:none:1"}},
        404,
        "UserError",
    ),
    "a job with a component that was never registered": (
        "jobs/new",
        step("/components/none/versions/1"),
        404,
        "UserError",
    ),
    "a job with data that was never registered": (
        "jobs/new",
        step("/components/known/versions/1")
        | {"inputs": {"rows": {"jobInputType": "mltable", "uri": "azureml:/data/none/versions/1"}}},
        404,
        "UserError",
    ),
    "a job with the name of another": ("jobs/known", step("/components/known/versions/1"), 409, "UserError"),
    "a deployment over quota": (
        "onlineEndpoints/known/deployments/new",
        deployment(),
        400,
        "OutOfQuota",
    ),
    "a batch deployment of a model that was never registered": (
        "batchEndpoints/none/deployments/new",
        deployment(model={"assetId": "/models/none/versions/1"}),
        404,
        "ResourceNotFound",
    ),
    "another content of a version": (
        "environments/known/versions/1",
        ENVIRONMENT | {"condaFile": "name: two"},
        409,
        "UserError",
    ),
    "other data of a version": ("data/known/versions/1", DATA | {"dataUri": DATA["dataUri"] + "2"}, 409, "UserError"),
    "data that is in no datastore": (
        "data/new/versions/1",
        DATA | {"dataUri": "azureml://jobs/a/outputs/b"},
        400,
        "UserError",
    ),
    "a name of more than 255 characters": (f"data/{'n' * 256}/versions/1", DATA, 400, "ValidationError"),
    "traffic for a deployment that does not exist": (
        "onlineEndpoints/known",
        ENDPOINT | {"traffic": {"none": 100}},
        400,
        "UserError",
    ),
    "a monitor with a component that was never registered": (
        "schedules/new",
        monitor(componentId="/subscriptions/s/components/none/versions/1"),
        404,
        "UserError",
    ),
    "a monitor with a component by its name": (
        "schedules/new",
        monitor(componentId="azureml:known:1"),
        400,
        "UserError",
    ),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_is_refused_with_azures_status_and_code(workspace, asked):
    path, properties, status, code = REFUSED[asked]
    response = put(workspace, path, properties)
    assert (response.status_code, json.loads(response.text())["error"]["code"]) == (status, code)


def test_a_version_sent_again_as_it_is_stays(workspace):
    assert put(workspace, "environments/known/versions/1", ENVIRONMENT).status_code == 200


def test_a_registry_of_azures_own_is_there(workspace):
    spec = COMPONENT["componentSpec"] | {
        "environment": "azureml://registries/azureml/environments/sklearn-1.5/versions/1"
    }
    assert put(workspace, "components/of-azure/versions/1", {"componentSpec": spec}).status_code == 201
