"""Tests the gate in one project: a weak model, a better model, and the better model again."""

import json
import shutil

import numpy as np
import pytest
import yaml

from laptop import laptop
from model.contract import load_contract
from model.gate import decide
from model.train import PACKAGES
from projects import mlops

WEAK = """
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def build_estimator(contract):
    one_column = ColumnTransformer([("first", StandardScaler(), [contract.numerical[0]])])
    return make_pipeline(one_column, LogisticRegression())
"""
BROKEN = """
def build_estimator(contract):
    raise RuntimeError("no such luck")
"""
RUNS = ["weak", "better", "again"]


@pytest.fixture(scope="module")
def project(render):
    project = render(dataset="breast_cancer")
    assert mlops(project, "data").code == 0
    return project


def estimator(project):
    return project / "src" / "model" / "estimator.py"


@pytest.fixture(scope="module")
def said(project):
    """Return the output of `mlops train` in each run."""
    ours = estimator(project).read_text(encoding="utf-8")
    finished = {}
    for run in RUNS:
        estimator(project).write_text(WEAK if run == "weak" else ours, encoding="utf-8")
        finished[run] = mlops(project, "train")
        assert finished[run].code == 0, finished[run].stderr
    return {run: done.stdout for run, done in finished.items()}


@pytest.fixture
def jobs(said, project):
    """The name of each run's job."""
    newest_first = [job.name for job in laptop(project / ".azureml-local").client.jobs.list()]
    return dict(zip(RUNS, reversed(newest_first), strict=True))


@pytest.fixture
def output(project):
    """Return the folder that a step of a job wrote, as it lies in the workspace's storage."""
    arm = laptop(project / ".azureml-local").local.emulator.arm
    return lambda run, name: arm.path(f"azureml://datastores/workspaceblobstore/paths/azureml/{run}/{name}")


@pytest.fixture
def gates(jobs, output):
    return {run: json.loads((output(job, "gate") / "gate.json").read_text()) for run, job in jobs.items()}


@pytest.fixture
def models(said, project):
    """Every registered version, the newest first."""
    return list(laptop(project / ".azureml-local").client.models.list("breast-cancer-model"))


def test_first_model_that_beats_the_baseline_is_promoted(said):
    assert "PROMOTE: registered breast-cancer-model version 1" in said["weak"]


def test_better_estimator_is_promoted(said):
    assert "PROMOTE: registered breast-cancer-model version 2" in said["better"]


def test_same_estimator_again_is_retained(said):
    assert "RETAIN: nothing was registered" in said["again"]


def test_metrics_are_shown(said, gates):
    assert all(f"{gates[run]['challenger']:.4g}" in said[run] for run in RUNS)


def test_gate_gives_its_reasons(gates):
    names = {"decision", "metric", "challenger", "champion", "baseline", "interval", "reasons"}
    assert all(set(gate) == names and gate["reasons"] for gate in gates.values())


def test_champion_is_the_newest_registered_model(gates):
    champions = [gates[run]["champion"] for run in RUNS]
    assert champions == [None, gates["weak"]["challenger"], gates["better"]["challenger"]]


@pytest.mark.parametrize("side", ["training", "holdout"])
def test_same_data_gives_the_same_split(jobs, output, side):
    contents = {(output(f"{job}-split", side) / "rows.parquet").read_bytes() for job in jobs.values()}
    assert len(contents) == 1


def test_same_data_gives_the_same_metric(gates):
    assert gates["better"]["challenger"] == gates["again"]["challenger"]


def test_only_promoted_models_are_registered(models):
    assert [str(model.version) for model in models] == ["2", "1"]


def test_registered_model_records_its_origin(models, jobs, gates):
    newest, better = models[0].tags, gates["better"]
    assert (newest["metric"], newest["metric_value"]) == (better["metric"], repr(better["challenger"]))
    assert (newest["data_version"], newest["job"]) == ("1", jobs["better"])
    assert newest["git_commit"]


def test_model_can_be_deployed_without_code(jobs, output, project):
    folder = output(f"{jobs['better']}-train", "model")
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    columns = [column["name"] for column in json.loads(described["signature"]["inputs"])]
    assert columns == load_contract(project / "src" / "model" / "contract.yml").features
    assert (folder / described["saved_input_example_info"]["artifact_path"]).is_file()
    required = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert [pin.partition("==")[0] for pin in required] == list(PACKAGES)


def test_failing_step_is_named_with_the_end_of_its_log(project, said, tmp_path):
    copy = shutil.copytree(project, tmp_path / "project")
    estimator(copy).write_text(BROKEN, encoding="utf-8")
    done = mlops(copy, "train")
    assert done.code == 1
    # Arrow's threads sometimes abort a process that ends right after reading Parquet: the code is then -6,
    # and a line of these threads follows.
    assert "The step 'train' failed with exit code" in done.stderr
    assert "RuntimeError: no such luck" in done.stderr.splitlines()[-3:]


@pytest.mark.parametrize("broken", ["challenger", "champion", "baseline"])
def test_missing_metric_never_promotes(broken):
    good, bad, none = np.zeros(100), np.ones(100), np.full(100, np.nan)
    losses = {"challenger": good, "champion": None if broken == "baseline" else bad, "baseline": bad} | {broken: none}
    assert decide("log_loss", **losses, margin=0.01).decision == "RETAIN"


def test_improvement_below_the_margin_is_retained():
    champion = np.ones(100)
    assert decide("log_loss", champion - 0.005, champion, champion, margin=0.01).decision == "RETAIN"
    assert decide("log_loss", champion - 0.05, champion, champion, margin=0.01).decision == "PROMOTE"
