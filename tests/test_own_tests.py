"""A rendered project's own tests pass from the first minute, train a model on the way, and leave nothing behind."""

import json

import pytest

from projects import contents, python, questionnaire
from variants.matrix import covering_choices

# Every choice is in one of them; the tasks of a table of one's own are for test_datasets.py.
QUESTIONS = [name for name in questionnaire().with_choices if name != "task"]
PROJECTS = {values["dataset"]: values for values in covering_choices(questionnaire(), QUESTIONS)}
# The others only bring one more data set each, which test_datasets.py trains in every run.
FEW = list(PROJECTS)[:3]
RUNS = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in PROJECTS]
# Own tests take a sample of many rows, too few of flights to beat a guess beyond noise.
WHOLE = [run for run, name in zip(RUNS, PROJECTS, strict=True) if name != "flights"]


@pytest.fixture(scope="module")
def run(request, render, tmp_path_factory):
    """One project's own tests: how they ended, the project before and after, and where they worked."""
    project = render(**questionnaire().asked(PROJECTS[request.param]))
    before, scratch = contents(project), tmp_path_factory.mktemp("own") / "scratch"
    done = python(project, "-B", "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={scratch}")
    return done, before, contents(project), scratch


def taken(variants, names):
    return {(name, values[name]) for values in variants for name in names}


def test_every_choice_is_in_a_project_and_in_every_run_all_but_some_data_sets():
    offered = list(questionnaire().variants(branching=QUESTIONS))
    assert taken(PROJECTS.values(), QUESTIONS) == taken(offered, QUESTIONS)
    others = [name for name in QUESTIONS if name != "dataset"]
    assert taken([PROJECTS[name] for name in FEW], others) == taken(offered, others)


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_own_tests_pass(run):
    done, *_ = run
    assert done.code == 0, done.stdout


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_own_tests_leave_nothing_behind(run):
    _, before, after, _ = run
    assert after == before


@pytest.mark.parametrize("run", WHOLE, indirect=True)
def test_first_model_is_promoted(run):
    *_, scratch = run
    (gate,) = scratch.glob("copy0/project/.azureml-local/storage/*/azureml/*/gate/gate.json")
    assert json.loads(gate.read_text(encoding="utf-8"))["decision"] == "PROMOTE"
