"""A rendered project's own tests pass from the first minute, train a model on the way, and leave nothing behind."""

import json

import pytest

from projects import contents, python, questionnaire
from variants.matrix import covering_choices

# Every choice is in one of them; the tasks of a table of one's own are for test_datasets.py.
QUESTIONS = [name for name in questionnaire().with_choices if name != "task"]
PROJECTS = {values["dataset"]: values for values in covering_choices(questionnaire(), QUESTIONS)}
# Own tests take a sample of many rows, too few of flights to beat a guess beyond noise: test_datasets.py takes all.
WHOLE = [name for name in PROJECTS if name != "flights"]


@pytest.fixture(scope="module")
def run(request, render, tmp_path_factory):
    """One project's own tests: how they ended, the project before and after, and where they worked."""
    project = render(**questionnaire().asked(PROJECTS[request.param]))
    before, scratch = contents(project), tmp_path_factory.mktemp("own") / "scratch"
    done = python(project, "-B", "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={scratch}")
    return done, before, contents(project), scratch


def test_every_choice_is_in_a_project_of_its_own_data_set():
    offered = {(name, values[name]) for values in questionnaire().variants(branching=QUESTIONS) for name in QUESTIONS}
    assert {(name, values[name]) for values in PROJECTS.values() for name in QUESTIONS} == offered


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
