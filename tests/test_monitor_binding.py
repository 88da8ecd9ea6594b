"""Tests the monitor's schedule that is sent to Azure by the real SDK: components and data by id, and current labels."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from azure_runs import run, verb
from mlops.monitoring.schedule import next_start
from projects import python

PREPARE = """
import json
from types import SimpleNamespace
from azure.ai.ml.entities import Data
from mlops.workspace import connect
from mlops.monitoring.schedule import bind, rebind_labels
from mlops.paths import BATCH_ENDPOINT, ONLINE_ENDPOINT, model_name, read_yaml

client = connect()
documents, online = emulator.arm.documents, emulator.arm.online
online.host = SimpleNamespace(address="http://127.0.0.1:9", control=lambda *_: None, stop=lambda: None)

def data(name, version, kind="mltable"):
    path = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}"
    return client.data.create_or_update(Data(name=name, version=version, type=kind, path=path))

def sent():
    return [json.loads(request.body) for request in emulator.requests
            if request.method == "PUT" and "/schedules/" in request.path]
"""

# The assets that a rollout leaves before it binds the monitor.
DEPLOYED = (
    PREPARE
    + """
name = read_yaml(ONLINE_ENDPOINT)["name"] if ONLINE_ENDPOINT.exists() else "none"
endpoint, deployment = f"onlineEndpoints/{name}", f"onlineEndpoints/{name}/deployments/model-1"
collections = {}
for collection in ("model_inputs", "model_outputs"):
    asset = data(f"{name}-model-1-{collection}", "1", "uri_folder")
    collections[collection] = {"dataCollectionMode": "Enabled", "dataId": asset.id, "samplingRate": 1.0}
documents.put(endpoint, online.named(endpoint, name, {"authMode": "Key", "provisioningState": "Succeeded"},
    location="westeurope", key="k", tags={}, identity={"type": "SystemAssigned"}))
documents.put(deployment, online.named(deployment, "model-1", {
    "endpointComputeType": "Managed", "provisioningState": "Succeeded", "scaleSettings": {"scaleType": "Default"},
    "dataCollector": {"collections": collections}}, location="westeurope", tags={},
    sku={"name": "Default", "capacity": 1}))
model = f"models/{model_name()}/versions/1"
documents.put(model, online.named(model, "1", {"modelType": "mlflow_model", "modelUri": "azureml://x", "tags": {}}))
data(f"{model_name()}-reference", "1")
for version in ("1", "2"):
    data(f"{model_name()}-labels", version)
"""
)

BIND = """
bind(client, "model-1", "1")
result = sent()
"""

# Labels are registered; meanwhile a person has disabled the monitor and changed a threshold.
LABELS_COME_IN = """
data(f"{model_name()}-labels", "10")
name = documents.names("schedules")[0]
known = documents.get(f"schedules/{name}")
known["properties"]["isEnabled"] = False
for signal in known["properties"]["action"]["monitorDefinition"]["signals"].values():
    for threshold in signal.get("metricThresholds", []):
        threshold["threshold"]["value"] = 0.25
documents.put(f"schedules/{name}", known)
result = {"before": known["properties"], "version": rebind_labels(client), "sent": sent()}
result |= {"again": rebind_labels(client), "sent again": len(sent()) - 1}
"""

VARIANTS = {
    "advanced": {"monitor_type": "advanced"},
    "custom_data": {"monitor_type": "custom_data"},
    "batch": {"endpoint_type": "batch"},
    "out_of_box": {},
}


def schedule_text(body):
    return json.dumps(body["properties"]["action"]["monitorDefinition"])


@pytest.fixture(scope="module")
def bound(render, tmp_path_factory):
    """Return the request for each kind of monitor, bound once and twice, and the requests in between."""

    def bind(variant):
        project, state = render(**VARIANTS[variant]), tmp_path_factory.mktemp("azure") / "state"
        results = run(project, state, {"python": DEPLOYED + BIND}, {"python": PREPARE + BIND})
        assert [result.output for result in results if result.code != 0] == []
        return results

    return {variant: bind(variant) for variant in VARIANTS}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_schedule_contains_only_ids_and_addresses(bound, variant):
    (body,) = bound[variant][0].result
    text = schedule_text(body)
    assert "@latest" not in text
    uris = re.findall(r'"(?:uri|componentId|preprocessingComponentId|modelId|deploymentId)": "([^"]*)"', text)
    assert uris
    assert [uri for uri in uris if not uri.startswith(("/subscriptions/", "azureml://datastores/"))] == []


def test_a_schedule_starts_at_its_next_time_and_not_when_it_is_bound(bound):
    (body,) = bound["out_of_box"][0].result
    start = datetime.fromisoformat(body["properties"]["trigger"]["startTime"])
    assert (start.hour, start.minute) == (3, 15)
    assert timedelta(0) < start - datetime.now(UTC).replace(tzinfo=None) <= timedelta(days=1)


@pytest.mark.parametrize(("now", "day"), [("2026-11-20T03:14", 20), ("2026-11-20T03:15", 21), ("2026-11-20T23:59", 21)])
def test_the_next_time_is_later_today_or_tomorrow(now, day):
    trigger = {"schedule": {"hours": 3, "minutes": 15}}
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert next_start(trigger, moment) == datetime(2026, 11, day, 3, 15)


def test_components_are_registered_before_the_schedule_names_them(bound):
    for variant, names in {
        "advanced": {"attribution_drift", "model_performance"},
        "custom_data": set(),
        "batch": {"preprocess_production_data"},
        "out_of_box": set(),
    }.items():
        first, second = bound[variant]
        named = set(re.findall(r"/components/([^/]+)/versions/1\.0\.\d+\"", schedule_text(first.result[0])))
        assert named == names
        puts = [request.startswith("PUT WS/components") for request in first.requests]
        assert sum(puts) == len(names)
        if names:
            assert puts.index(True) < first.requests.index("PUT WS/schedules/diabetes-monitor")
        # Bound again, nothing has changed: no code is uploaded and no version created.
        assert [request for request in second.requests if request.startswith(("PUT WS/c", "PUT blob"))] == []
        assert second.result == first.result


def test_labels_are_bound_to_their_newest_version(bound):
    assert "/data/diabetes-model-labels/versions/2" in schedule_text(bound["advanced"][0].result[0])


@pytest.fixture(scope="module")
def rebound(render, tmp_path_factory):
    project, state = render(monitor_type="advanced"), tmp_path_factory.mktemp("azure") / "state"
    more = {"python": PREPARE + 'data(f"{model_name()}-labels", "11")'}
    return run(
        project,
        state,
        {"python": PREPARE + "result = rebind_labels(client)"},
        {"python": DEPLOYED + BIND},
        {"python": PREPARE + LABELS_COME_IN},
        more,
        verb("labels"),
    )


def test_new_labels_are_bound_and_nothing_else_changes(rebound):
    before_any_rollout, _, come_in, _, said = rebound
    assert before_any_rollout.result is None
    found = come_in.result
    assert (found["version"], found["again"], found["sent again"]) == ("10", "10", 0)
    (body,) = found["sent"]
    wanted = json.loads(json.dumps(found["before"]).replace("labels/versions/2", "labels/versions/10"))
    wanted.pop("provisioningState")
    assert body["properties"] == wanted
    assert said.code == 0
    assert said.stdout.endswith("The monitor reads version 11 of the labels.\n")


VERSION = """
from mlops.monitoring.components import version_of
from mlops.paths import ROOT
print(version_of(ROOT / "components" / "preprocess_production_data.yml"))
"""


def test_a_component_has_another_version_when_its_code_or_its_definition_changes(render):
    project = render(endpoint_type="batch")

    def version():
        done = python(project, "-c", VERSION)
        assert done.code == 0, done.stderr
        return done.stdout.strip()

    def changed(file: Path, text: str):
        file.parent.mkdir(exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)
        return version()

    first = version()
    assert re.fullmatch(r"1\.0\.\d{1,10}", first)
    # Python's caches are not code, and are not uploaded either.
    assert changed(project / "src" / "model" / "__pycache__" / "x.cpython-311.pyc", "cache") == first
    second = changed(project / "src" / "model" / "tables.py", "\n# another line\n")
    third = changed(project / "components" / "preprocess_production_data.yml", "\n# another line\n")
    assert len({first, second, third}) == 3
