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
from mlops.workspace import connect
from mlops.monitoring.reference import register_reference
from model.tables import write_mltable

written = emulator.arm.path(emulator.workspace.uri("azureml/train-1/reference"))
write_mltable(pd.DataFrame({"age": [41.0, 52.0]}), written, {})
register_reference(connect(), Model(name="model", version="3", path=".", tags={"job": "train-1"}))
sent = [one for one in emulator.requests if one.method == "PUT" and "/data/" in one.path]
result = [json.loads(one.body)["properties"] for one in sent]
"""
READ = """
from mlops.workspace import connect
from mlops.monitoring.reference import read_reference

result = list(read_reference(connect(), "3")["age"])
"""


@pytest.fixture(scope="module")
def steps(render, tmp_path_factory):
    """What came of registering the reference, and of reading it."""
    return run(render(), tmp_path_factory.mktemp("azure") / "state", {"python": REGISTER}, {"python": READ})


def test_reference_is_registered_by_its_path_in_the_datastore(steps):
    assert steps[0].code == 0, steps[0].output
    (properties,) = steps[0].result
    assert properties["dataType"] == "mltable"
    found = DATASTORE.fullmatch(properties["dataUri"])
    assert found, properties["dataUri"]
    assert found["path"].strip("/") == "azureml/train-1/reference"


def test_rows_that_the_job_wrote_are_read_as_the_reference(steps):
    assert steps[1].code == 0, steps[1].output
    assert steps[1].result == [41.0, 52.0]
