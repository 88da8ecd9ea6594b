"""The loop closes in a covering set of projects: every pair of answers that affect it. Runs with --loops."""

import json
from itertools import cycle

import pytest

from projects import choices, mlops, questionnaire
from variants.matrix import covering_pairs

# Answers that decide about the processes of the loop; other answers change only settings on Azure.
DECIDING = ("endpoint_type", "monitor_type", "trigger", "compute_target")
COVERING = [{name: values[name] for name in DECIDING} for values in covering_pairs(questionnaire(), DECIDING)]
# Data sets take turns.
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


def test_every_data_set_is_used():
    assert {answers["dataset"] for answers in PROJECTS} == set(choices("dataset"))
