"""A rendered project's own tests pass from the first minute, train a model on the way, and leave nothing behind."""

import json

import pytest

from projects import choices, contents, python
from test_data import ANSWERS, as_csv, measurements

PROJECTS = {name: {"dataset": name} for name in choices("dataset")}
# Not the sample: a table whose columns have names that are hard to carry.
PROJECTS["custom"] = ANSWERS | {"compute_target": "cluster"}
# Own tests take a sample of many rows, too few of flights to beat a guess beyond noise: test_datasets.py takes all.
WHOLE = [name for name in PROJECTS if name != "flights"]


@pytest.fixture(scope="module")
def run(request, render, tmp_path_factory):
    """One project's own tests: how they ended, the project before and after, and where they worked."""
    answers = PROJECTS[request.param]
    project = render(**answers)
    if "data_path" in answers:
        source = project / answers["data_path"]
        source.parent.mkdir()
        source.write_text(as_csv(list(measurements())), encoding="utf-8")
    before, scratch = contents(project), tmp_path_factory.mktemp("own") / "scratch"
    done = python(project, "-B", "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={scratch}")
    return done, before, contents(project), scratch


@pytest.mark.parametrize("run", PROJECTS, indirect=True)
def test_own_tests_pass(run):
    done, *_ = run
    assert done.code == 0, done.stdout


@pytest.mark.parametrize("run", PROJECTS, indirect=True)
def test_own_tests_leave_nothing_behind(run):
    _, before, after, _ = run
    assert after == before


@pytest.mark.parametrize("run", WHOLE, indirect=True)
def test_first_model_is_promoted(run):
    *_, scratch = run
    (gate,) = scratch.glob("copy0/project/.azureml-local/jobs/*/outputs/gate/gate.json")
    assert json.loads(gate.read_text(encoding="utf-8"))["decision"] == "PROMOTE"
