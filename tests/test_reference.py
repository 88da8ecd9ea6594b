"""The reference data of a model version is registered by an address that Azure documents for data assets."""

import re

import pytest

from azure_runs import run

# Documented for data assets: a path in a datastore. `azureml://jobs/JOB/outputs/NAME` is documented for models only.
DATASTORE = re.compile(
    r"azureml://(subscriptions/.+/workspaces/[^/]+/)?datastores/workspaceblobstore/paths/(?P<path>.+)"
)
REGISTER = """
import json
import pandas as pd
from azure.ai.ml.entities import Model
from mlops.client import connect
from mlops.reference import read_reference, register_reference
from model.tables import write_mltable

written = emulator.arm.path(emulator.workspace.uri("azureml/train-1/reference"))
write_mltable(pd.DataFrame({"age": [41.0, 52.0]}), written, {})
client = connect()
register_reference(client, Model(name="model", version="3", path=".", tags={"job": "train-1"}))
sent = [json.loads(one.body)["properties"] for one in emulator.requests if one.method == "PUT" and "/data/" in one.path]
result = {"sent": sent, "ages": list(read_reference(client, "3")["age"])}
"""


@pytest.fixture(scope="module")
def registered(render, tmp_path_factory):
    (done,) = run(render(), tmp_path_factory.mktemp("azure") / "state", {"python": REGISTER})
    assert done.code == 0, done.said
    return done.result


def test_reference_is_registered_by_its_path_in_the_datastore(registered):
    (properties,) = registered["sent"]
    assert properties["dataType"] == "mltable"
    found = DATASTORE.fullmatch(properties["dataUri"])
    assert found, properties["dataUri"]
    assert found["path"].strip("/") == "azureml/train-1/reference"


def test_rows_that_the_job_wrote_are_read_as_the_reference(registered):
    assert registered["ages"] == [41.0, 52.0]
