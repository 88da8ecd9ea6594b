"""A new project's own tests pass, train a model, and leave nothing behind."""

import json

import pytest

from projects import contents, python, questionnaire
from variants.matrix import covering_choices

# The projects cover every choice; the tasks of a user's own table are in test_datasets.py.
QUESTIONS = [name for name in questionnaire().with_choices if name != "task"]
PROJECTS = {values["dataset"]: values for values in covering_choices(questionnaire(), QUESTIONS)}
# The others only add one data set each, which test_datasets.py trains in every run.
FEW = list(PROJECTS)[:3]
RUNS = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in PROJECTS]
# Own tests use a sample of large tables; for flights it is too small to beat the baseline beyond noise.
WHOLE = [run for run, name in zip(RUNS, PROJECTS, strict=True) if name != "flights"]


@pytest.fixture(scope="module")
def run(request, render, tmp_path_factory):
    """The result of a project's own tests, the project before and after, and their working folder."""
    project = render(**questionnaire().asked(PROJECTS[request.param]))
    before, scratch = contents(project), tmp_path_factory.mktemp("own") / "scratch"
    done = python(project, "-B", "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={scratch}")
    return done, before, contents(project), scratch


def taken(variants, names):
    return {(name, values[name]) for values in variants for name in names}


def test_projects_cover_every_choice_and_every_run_all_but_some_data_sets():
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
