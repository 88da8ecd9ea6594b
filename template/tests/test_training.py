"""Tests of `mlops data` and `mlops train` in a copy of the project."""

import sys
from pathlib import Path

import mlflow
import pytest

from mlops.paths import LABELLED_DATA, PIPELINE, PRODUCTION_DATA, ROOT, model_name, read_yaml
from model import evaluate
from model.contract import check_labelled
from model.registry import find_champion
from model.tables import read_json, read_mltable, read_rows


@pytest.fixture
def outputs(trained) -> Path:
    """Where jobs write: the default datastore of the laptop's workspace."""
    return trained / ".azureml-local" / "storage" / "azureml-blobstore-22222222" / "azureml"


@pytest.fixture
def job(outputs) -> str:
    """The name of the one job that ran."""
    (gate,) = outputs.glob("*/gate")
    return gate.parent.name


@pytest.fixture
def registry(trained, monkeypatch) -> None:
    """Connect MLflow to the registry of the job's steps."""
    uri = (trained / ".azureml-local" / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("tests")


def asset(project, definition):
    """Return the path of an asset in the copy."""
    return project / (definition.parent / read_yaml(definition)["path"]).resolve().relative_to(ROOT)


def test_labelled_asset_keeps_the_contract(trained, contract):
    assert len(check_labelled(read_mltable(asset(trained, LABELLED_DATA)), contract)) > 0


def test_production_asset_has_features_and_no_labels(trained, contract):
    columns = set(read_mltable(asset(trained, PRODUCTION_DATA)).columns)
    assert {contract.id_column, *contract.features} <= columns
    assert contract.target not in columns


def test_every_step_completed(trained, job):
    runs = trained / ".azureml-local" / "arm" / "runs"
    steps = read_yaml(PIPELINE)["jobs"]
    assert [read_json(runs / f"{job}-{step}.json")["status"] for step in steps] == ["Completed"] * len(steps)


def test_split_left_nothing_out(trained, outputs, job):
    parts = [read_rows(outputs / f"{job}-split" / side) for side in ("training", "holdout")]
    assert sum(map(len, parts)) == len(read_mltable(asset(trained, LABELLED_DATA)))


def test_model_is_registered_if_promoted(outputs, job, registry):
    decision = read_json(outputs / job / "gate" / "gate.json")["decision"]
    assert bool(find_champion(model_name())) == (decision == "PROMOTE")


def test_same_model_again_is_retained(outputs, job, registry, tmp_path, monkeypatch):
    inputs = {
        "model": outputs / f"{job}-train" / "model",
        "training": outputs / f"{job}-split" / "training",
        "holdout": outputs / f"{job}-split" / "holdout",
        "model-name": model_name(),
        "margin": read_yaml(PIPELINE)["inputs"]["margin"],
        "gate": tmp_path,
    }
    arguments = [text for name, value in inputs.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    assert read_json(tmp_path / "gate.json")["decision"] == "RETAIN"
