"""The check against Azure's published API accepts the SDK's requests and finds planted defects."""

import copy
import json
from dataclasses import replace

import pytest
from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import (
    CategoricalDriftMetrics,
    CodeConfiguration,
    Data,
    DataCollector,
    DataDriftMetricThreshold,
    DataDriftSignal,
    DeploymentCollection,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    MonitorDefinition,
    MonitorSchedule,
    NumericalDriftMetrics,
    ProductionData,
    RecurrenceTrigger,
    ReferenceData,
    ServerlessSparkCompute,
)
from azure.identity import DefaultAzureCredential
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_process import environment
from azureml_emulator.application import Emulator
from checked_requests import answering
from openapi_check import HOST, Checker

KINDS = (
    "codes/versions",
    "components/versions",
    "data/versions",
    "environments/versions",
    "jobs",
    "models/versions",
    "onlineEndpoints",
    "onlineEndpoints/deployments",
    "schedules",
)


class Host:
    """Replaces the process that runs endpoints, which this file does not need."""

    address = "http://127.0.0.1:1"

    def ensure(self):
        pass

    def control(self, method, path, content=None):
        return {}


def register_each_kind(client, arm, folder):
    """Create one resource of each kind that this project writes, as the SDK does it."""
    data = client.data.create_or_update(Data(name="rows", version="1", type="uri_folder", path=str(folder / "rows")))
    # The emulator's models come from jobs, and no job runs here.
    path = "models/m/versions/1"
    arm.documents.put(path, arm.models.named(path, "1", {"modelUri": data.path, "flavors": {}}))
    client.environments.create_or_update(Environment(name="e", version="1", image="mcr.microsoft.com/a:1"))
    client.models.create_or_update(Model(name="m", version="1", type="mlflow_model", path=data.path))
    rows = Input(type="uri_folder", path="azureml:rows:1")
    step = command(
        name="step",
        version="1",
        command="python a.py ${{inputs.rows}}",
        code=str(folder / "code"),
        environment="azureml:e:1",
        inputs={"rows": Input(type="uri_folder")},
    )
    component = client.components.create_or_update(step.component)

    @pipeline(compute="serverless")
    def steps(rows):
        component(rows=rows)

    client.jobs.create_or_update(steps(rows=rows))
    endpoint = ManagedOnlineEndpoint(name="endpoint-1", auth_mode="key", tags={"a": "b"})
    client.online_endpoints.begin_create_or_update(endpoint).result()
    deployment = ManagedOnlineDeployment(
        name="model-1",
        endpoint_name="endpoint-1",
        model="azureml:m:1",
        environment="azureml:e:1",
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="a.py"),
        instance_type="Standard_DS3_v2",
        instance_count=1,
        data_collector=DataCollector(collections={"model_inputs": DeploymentCollection(enabled="true")}),
    )
    client.online_deployments.begin_create_or_update(deployment).result()
    drift = DataDriftSignal(
        reference_data=ReferenceData(input_data=rows, data_context="training"),
        production_data=ProductionData(input_data=rows, data_context="model_inputs"),
        metric_thresholds=DataDriftMetricThreshold(
            numerical=NumericalDriftMetrics(jensen_shannon_distance=0.1),
            categorical=CategoricalDriftMetrics(jensen_shannon_distance=0.1),
        ),
    )
    compute = ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4")
    definition = MonitorDefinition(compute=compute, monitoring_signals={"drift": drift})
    daily = RecurrenceTrigger(frequency="day", interval=1)
    monitor = MonitorSchedule(name="monitor", trigger=daily, create_monitor=definition)
    client.schedules.begin_create_or_update(monitor).result()
    list(client.models.list("m"))
    list(client.jobs.list(max_results=1))


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Return the SDK's requests when it creates one resource of each kind."""
    folder = tmp_path_factory.mktemp("azure")
    for name, content in {"rows/a.csv": "a\n1\n", "code/a.py": "print(1)\n"}.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(content)
    emulator = Emulator(folder / "state")
    emulator.arm.online.host = Host()
    emulator.arm.jobs.ends = "Canceled"
    here = emulator.workspace
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(emulator).items():
            patch.setenv(name, value)
        with answering(emulator):
            client = MLClient(DefaultAzureCredential(), here.subscription, here.group, here.name)
            register_each_kind(client, emulator.arm, folder)
    return emulator.requests


@pytest.fixture
def put(sent):
    """Return the request that created a resource, with changes."""

    def put(kind, change=None, **changes):
        request = next(one for one in sent if one.method == "PUT" and f"/{kind}/" in one.path and one.host == HOST)
        body = copy.deepcopy(json.loads(request.body))
        if change:
            change(body)
        return replace(request, body=json.dumps(body).encode(), **changes)

    return put


def test_requests_of_the_sdk_pass(sent):
    checker = Checker()
    assert [problem for request in sent for problem in checker.problems(request)] == []
    written = {operation.split()[1] for operation in checker.checked if operation.startswith("PUT")}
    assert written == {f"workspaces/{kind}" for kind in KINDS}
    # An exception that no request needs would hide a later error.
    assert checker.unneeded() == []


def rename(*path, to):
    def change(body):
        *above, last = path
        for key in above:
            body = body[key]
        body[to] = body.pop(last)

    return change


def assign(*path, value):
    def change(body):
        *above, last = path
        for key in above:
            body = body[key]
        body[last] = value

    return change


DEFECTS = {
    "misspelt property": ("data", rename("properties", "dataUri", to="dataURI")),
    "unknown property": ("data", assign("properties", "colour", value="red")),
    "wrong type": ("data", assign("properties", "dataUri", value=1)),
    "unknown kind of data": ("data", assign("properties", "dataType", value="uri_filder")),
    "no properties": ("data", lambda body: body.clear()),
    "tags that are a list": ("data", assign("properties", "tags", value=["a"])),
    "misspelt image": ("environments", rename("properties", "image", to="Image")),
    "unknown operating system": ("environments", assign("properties", "osType", value=3)),
    "misspelt mode": ("onlineEndpoints", rename("properties", "authMode", to="auth_mode")),
    "unknown mode": ("onlineEndpoints", assign("properties", "authMode", value=7)),
    "no location": ("onlineEndpoints", lambda body: body.pop("location")),
    "traffic that is text": ("onlineEndpoints", assign("properties", "traffic", value={"a": "much"})),
    "identity that is text": ("onlineEndpoints", assign("identity", value="SystemAssigned")),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_in_a_body_is_found(put, defect):
    kind, change = DEFECTS[defect]
    assert Checker().problems(put(kind)) == []
    assert Checker().problems(put(kind, change)) != []


# Required properties in Azure's documents, by kind, with their path in the body.
MONITOR = "properties.action.monitorDefinition"
REQUIRED = [
    "data: properties",
    "data: properties.dataUri",
    "data: properties.dataType",
    "environments: properties",
    "models: properties",
    "codes: properties",
    "components: properties",
    "jobs: properties",
    "jobs: properties.jobType",
    "jobs: properties.inputs.rows.jobInputType",
    "jobs: properties.inputs.rows.uri",
    "onlineEndpoints: location",
    "onlineEndpoints: properties",
    "onlineEndpoints: properties.authMode",
    "deployments: location",
    "deployments: properties",
    "deployments: properties.endpointComputeType",
    "deployments: properties.dataCollector.collections",
    "schedules: properties",
    "schedules: properties.action",
    "schedules: properties.action.actionType",
    f"schedules: {MONITOR}",
    f"schedules: {MONITOR}.computeConfiguration",
    f"schedules: {MONITOR}.computeConfiguration.computeType",
    f"schedules: {MONITOR}.signals",
    f"schedules: {MONITOR}.signals.drift.signalType",
    f"schedules: {MONITOR}.signals.drift.metricThresholds",
    f"schedules: {MONITOR}.signals.drift.productionData",
    f"schedules: {MONITOR}.signals.drift.referenceData.jobInputType",
    f"schedules: {MONITOR}.signals.drift.referenceData.uri",
    "schedules: properties.trigger",
    "schedules: properties.trigger.triggerType",
    "schedules: properties.trigger.frequency",
    "schedules: properties.trigger.interval",
]


@pytest.mark.parametrize("wanted", REQUIRED)
@pytest.mark.parametrize("defect", ["left out", "misspelt"])
def test_missing_required_property_is_found(put, wanted, defect):
    kind, _, way = wanted.partition(": ")
    *above, last = way.split(".")

    def change(body):
        for key in above:
            body = body[key]
        value = body.pop(last)
        if defect == "misspelt":
            body[f"{last}s"] = value

    assert Checker().problems(put(kind, change)) != []


def listing(sent, kind, query):
    """Return a request for a list of a resource's children, with these parameters."""
    request = next(one for one in sent if one.method == "PUT" and f"/{kind}/" in one.path and one.host == HOST)
    path = request.path.rpartition("/")[0]
    return replace(request, method="GET", path=path, body=b"", query=request.query | query)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("data", "listViewType"), ("data", "$tags"), ("codes", "hash"), ("models", "$orderBy"), ("jobs", "tag")]
    + [(kind, "$skip") for kind in ("data", "jobs", "schedules", "deployments")],
)
def test_parameter_of_a_list_is_accepted(sent, kind, name):
    assert Checker().problems(listing(sent, kind, {name: "1"})) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [("data", "tags"), ("data", "listviewtype"), ("jobs", "$top"), ("models", "hash"), ("schedules", "$orderBy")],
)
def test_unknown_parameter_of_a_list_is_found(sent, kind, name):
    (problem,) = Checker().problems(listing(sent, kind, {name: "1"}))
    assert f"there is no parameter {name}" in problem


def test_list_parameter_of_another_request_is_found(put):
    request = put("data")
    assert "no parameter force" in Checker().problems(replace(request, query=request.query | {"force": "true"}))[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": b'{"pendingUploadType": "Temporary"}'}, "pendingUploadType"),
        ({"body": b'{"uploadType": "None"}'}, "uploadType"),
        ({"body": b""}, "not JSON"),
        ({"query": {"api-version": "2022-10-01"}}, "no action"),
    ],
)
def test_defect_in_an_upload_is_found(sent, changes, said):
    request = next(one for one in sent if one.path.endswith("/startPendingUpload"))
    assert Checker().problems(request) == []
    assert said in Checker().problems(replace(request, **changes))[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "POST"}, "there is no"),
        ({"method": "LOCK"}, "the verb is not supported"),
        ({"query": {"api-version": "2019-01-01"}}, "API version is not known"),
        ({"query": {}}, "API version is not known"),
        ({"body": b"{"}, "not JSON"),
    ],
)
def test_defect_in_a_request_is_found(put, changes, said):
    (problem, *_) = Checker().problems(replace(put("data"), **changes))
    assert any(part in problem for part in said.split("|"))


@pytest.mark.parametrize("path", ["/datas/rows/versions/1", "/data/rows/version/1", "/data/rows//versions/1"])
def test_unknown_address_is_found(put, path):
    request = put("data")
    wrong = request.path.partition("/data/")[0] + path
    assert Checker().problems(replace(request, path=wrong)) != []


def test_name_that_breaks_its_pattern_is_found(put):
    request = put("onlineEndpoints")
    wrong = request.path.replace("endpoint-1", "-endpoint")
    assert "the name '-endpoint'" in Checker().problems(replace(request, path=wrong))[0]


@settings(max_examples=60)
@given(data=st.data())
def test_property_of_another_name_is_always_found(sent, data):
    requests = [one for one in sent if one.method == "PUT" and one.host == HOST]
    request = data.draw(st.sampled_from(requests))
    body = json.loads(request.body)
    name = data.draw(st.sampled_from(sorted(body["properties"])))
    other = data.draw(st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=3, max_size=9))
    body["properties"][f"{name}{other}"] = body["properties"].pop(name)
    assert Checker().problems(replace(request, body=json.dumps(body).encode())) != []
