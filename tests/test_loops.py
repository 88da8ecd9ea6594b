"""The loop closes in a covering set of projects: every pair of what decides how it goes. Runs with --loops."""

import json
from itertools import cycle

import pytest

from projects import choices, mlops, questionnaire
from variants.matrix import covering_pairs

# What decides which processes the loop is made of; the other answers change what Azure is told.
DECIDING = ("endpoint_type", "monitor_type", "trigger", "compute_target")
COVERING = [{name: values[name] for name in DECIDING} for values in covering_pairs(questionnaire(), DECIDING)]
# Every data set takes its turn.
PROJECTS = [
    answers | {"dataset": dataset} for answers, dataset in zip(COVERING, cycle(choices("dataset")), strict=False)
]


@pytest.mark.loops
@pytest.mark.parametrize("answers", PROJECTS, ids=lambda answers: "-".join(answers.values()))
def test_loop_closes(answers, render, record_property):
    project = render(**answers)
    done = mlops(project, "loop")
    result = json.loads((project / ".azureml-local" / "loop.json").read_text(encoding="utf-8"))
    assert (done.code, result["outcome"]) == (0, "closed"), done.stdout + done.stderr
    record_property(f"{'-'.join(answers.values())}: seconds for a loop", f"{done.seconds:.0f}")


def test_every_data_set_goes_around():
    assert {answers["dataset"] for answers in PROJECTS} == set(choices("dataset"))
