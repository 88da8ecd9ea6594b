"""The check against Azure's published API lets the SDK's requests pass and finds planted defects."""

import copy
import json
from dataclasses import replace

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data, Environment, ManagedOnlineEndpoint
from azure.identity import DefaultAzureCredential
from hypothesis import given, settings
from hypothesis import strategies as st

from azureml_emulator.application import Emulator
from azureml_emulator.run import environment
from openapi_check import HOST, Checker


class Host:
    """Stands for the process that keeps endpoints alive: this file asks for none."""

    address = "http://127.0.0.1:1"

    def control(self, method, path, content=None):
        return {}


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """What the SDK sends when it registers data and an environment and makes an endpoint, by kind of resource."""
    folder = tmp_path_factory.mktemp("azure")
    (folder / "rows").mkdir()
    (folder / "rows" / "a.csv").write_text("a\n1\n")
    emulator = Emulator(folder / "state")
    emulator.arm.online.host = Host()
    here = emulator.workspace
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(emulator).items():
            patch.setenv(name, value)
        with emulator.answering():
            client = MLClient(DefaultAzureCredential(), here.subscription, here.group, here.name)
            client.data.create_or_update(Data(name="rows", version="1", type="uri_folder", path=str(folder / "rows")))
            client.environments.create_or_update(Environment(name="e", version="1", image="mcr.microsoft.com/a:1"))
            endpoint = ManagedOnlineEndpoint(name="endpoint-1", auth_mode="key", tags={"a": "b"})
            client.online_endpoints.begin_create_or_update(endpoint).result()
    return emulator.requests


@pytest.fixture
def put(sent):
    """The request that made a resource, with changes."""

    def put(kind, change=None, **changes):
        request = next(one for one in sent if one.method == "PUT" and f"/{kind}/" in one.path and one.host == HOST)
        body = copy.deepcopy(json.loads(request.body))
        if change:
            change(body)
        return replace(request, body=json.dumps(body).encode(), **changes)

    return put


def test_what_the_sdk_sends_passes(sent):
    checker = Checker()
    assert [problem for request in sent for problem in checker.problems(request)] == []
    assert sum(checker.checked.values()) == 6


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "POST"}, "no action|no resource"),
        ({"method": "LOCK"}, "no such verb"),
        ({"query": {"api-version": "2019-01-01"}}, "API version is not known"),
        ({"query": {}}, "API version is not known"),
        ({"body": b"{"}, "not JSON"),
    ],
)
def test_defect_in_a_request_is_found(put, changes, said):
    (problem, *_) = Checker().problems(replace(put("data"), **changes))
    assert any(part in problem for part in said.split("|"))


@pytest.mark.parametrize("path", ["/datas/rows/versions/1", "/data/rows/version/1", "/data/rows//versions/1"])
def test_address_that_does_not_exist_is_found(put, path):
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
