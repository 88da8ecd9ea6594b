"""Workflows on the laptop run the same jobs and steps as GitHub."""

import pytest

from mlops.errors import RunFailedError
from mlops.local.conditions import Result, runs
from mlops.local.workflows import Trigger, run_workflow

TRIGGER = Trigger("workflow_dispatch", {}, "my-organization/my-repository", {})
STEPS = """
    - {name: good, run: "true"}
    - {name: early, run: "true", if: failure()}
    - {name: bad, run: "false"}
    - {name: next, run: "true"}
    - {name: well, run: "true", if: success()}
    - {name: repair, run: "true", if: failure()}
    - {name: clean, run: "true", if: "${{ always() }}"}
"""
FAILS, WORKS = '[{name: only, run: "false"}]', '[{name: only, run: "true"}]'


def ran(tmp_path, jobs):
    """Return the steps that ran, as job/step, and whether each succeeded."""
    file = tmp_path / "workflow.yml"
    file.write_text("on: workflow_dispatch\njobs:\n" + jobs, encoding="utf-8")
    results = run_workflow(file, TRIGGER, tmp_path, tmp_path / "state")
    return {f"{result.job}/{result.step}": result.code == 0 for result in results}


def test_after_a_failed_step_only_steps_with_a_matching_condition_run(tmp_path):
    found = ran(tmp_path, f"  job:\n    steps:{STEPS}")
    assert found == {"job/good": True, "job/bad": False, "job/repair": True, "job/clean": True}


@pytest.mark.parametrize(
    ("condition", "first", "is_run"),
    [
        ("success()", WORKS, True),
        ("success()", FAILS, False),
        ("failure()", WORKS, False),
        ("failure()", FAILS, True),
        ("always()", FAILS, True),
        ("cancelled()", FAILS, False),
        ("needs.first.result == 'success'", WORKS, True),
        ("needs.first.result == 'failure'", FAILS, False),  # without always() it requires success
    ],
)
def test_a_job_runs_if_its_condition_holds(condition, first, is_run, tmp_path):
    second = f"  second:\n    needs: first\n    if: {condition}\n    steps: {WORKS}\n"
    assert ("second/only" in ran(tmp_path, f"  first:\n    steps: {first}\n{second}")) == is_run


@pytest.mark.parametrize(("start", "is_run"), [(WORKS, False), (FAILS, True)])
def test_a_failure_is_seen_through_jobs_that_did_not_run(start, is_run, tmp_path):
    jobs = f"  first:\n    steps: {start}\n"
    jobs += f"  second:\n    needs: first\n    if: cancelled()\n    steps: {WORKS}\n"
    jobs += f"  third:\n    needs: second\n    if: failure()\n    steps: {WORKS}\n"
    assert ("third/only" in ran(tmp_path, jobs)) == is_run


def test_a_comparison_holds_only_without_failures():
    context = {"steps": {"triage": {"outputs": {"outcome": "RETRAIN"}}}}
    condition = "steps.triage.outputs.outcome == 'RETRAIN'"
    assert [runs(condition, before, context) for before in Result] == [True, False, False]


def test_an_expression_that_only_github_can_evaluate_is_named_with_its_file(tmp_path):
    jobs = f"  job:\n    if: contains(github.ref, 'main')\n    steps: {WORKS}\n"
    with pytest.raises(RunFailedError, match=r"^workflow\.yml: The emulator .*contains\(github\.ref, 'main'\)"):
        ran(tmp_path, jobs)
