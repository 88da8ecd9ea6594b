"""Azure ML's SDK accepts components and pipeline, and they fit each other; nothing is sent to Azure."""

import re

import pytest
from azure.ai.ml import load_component, load_compute, load_data, load_job

from mlops.paths import LABELLED_DATA, PIPELINE, ROOT, TRAINING_ENVIRONMENT, read_yaml

COMPONENTS = sorted((ROOT / "components").glob("*.yml"))
DECIDES_ANEW = ["evaluate", "register"]


def names(path):
    return path.stem


@pytest.mark.parametrize("path", COMPONENTS, ids=names)
def test_component_is_valid_for_azure(path):
    component = load_component(path)
    component._validate(raise_error=True)
    assert component._to_rest_object()


@pytest.mark.parametrize("path", COMPONENTS, ids=names)
def test_command_uses_what_the_component_declares(path):
    component = read_yaml(path)
    used = re.findall(r"\$\{\{(\w+\.\w+)}}", component.get("command") or component["args"])
    declared = [f"{kind}.{name}" for kind in ("inputs", "outputs") for name in component.get(kind, {})]
    assert sorted(set(used)) == sorted(declared)


@pytest.mark.parametrize("path", [path for path in COMPONENTS if "command" in read_yaml(path)], ids=names)
def test_command_runs_an_existing_module(path):
    module = re.search(r"python -m ([\w.]+)", read_yaml(path)["command"])[1]
    assert (ROOT / "src" / module.replace(".", "/")).with_suffix(".py").is_file()


@pytest.mark.parametrize("name", DECIDES_ANEW)
def test_decision_is_never_reused(name):
    assert read_yaml(ROOT / "components" / f"{name}.yml")["is_deterministic"] is False


def test_pipeline_is_valid_for_azure():
    pipeline = load_job(PIPELINE)
    pipeline._validate(raise_error=True)
    assert pipeline._to_rest_object()


def test_pipeline_reads_the_labelled_data_asset():
    assert read_yaml(PIPELINE)["inputs"]["data"]["path"] == f"azureml:{read_yaml(LABELLED_DATA)['name']}@latest"


def test_steps_run_in_the_training_environment():
    environment = f"azureml:{read_yaml(TRAINING_ENVIRONMENT)['name']}@latest"
    steps = [ROOT / "pipelines" / step["component"] for step in read_yaml(PIPELINE)["jobs"].values()]
    assert {read_yaml(step.resolve())["environment"] for step in steps} == {environment}


def test_pipeline_runs_on_compute_that_is_defined():
    wanted = read_yaml(PIPELINE)["settings"]["default_compute"].removeprefix("azureml:")
    clusters = [load_compute(path) for path in (ROOT / "resources").glob("compute/*.yml")]
    assert all(cluster._to_rest_object() for cluster in clusters)
    assert wanted in {"serverless", *(cluster.name for cluster in clusters)}


@pytest.mark.parametrize("path", sorted((ROOT / "resources" / "data").glob("*.yml")), ids=names)
def test_data_asset_is_valid_for_azure(path):
    assert load_data(path).type in {"mltable", "uri_folder", "uri_file"}
