"""The workflow interpreter where test_act.py cannot judge it: act differs from GitHub there, or the laptop does."""

import time

import psutil
import pytest

from azureml_emulator.errors import EmulatorError
from azureml_emulator.github.expressions import Condition, Result, Scope, Text
from azureml_emulator.github.syntax import ExpressionError
from azureml_emulator.github.values import CaseSensitive
from azureml_emulator.github.workflows import Trigger, run_workflow, workflows_for

JOB = "  {name}:\n    runs-on: ubuntu-24.04\n"


def results(tmp_path, steps, environment=None, **job):
    """What the steps of a job did, each after its name."""
    lines = "".join(f"    {key.replace('_', '-')}: {value}\n" for key, value in job.items())
    file = tmp_path / "workflow.yml"
    file.write_text(f"on: workflow_dispatch\njobs:\n{JOB.format(name='job')}{lines}    steps:{steps}", encoding="utf-8")
    trigger = Trigger("workflow_dispatch", {}, "my-organization/my-repository", environment or {})
    return {result.step: result for result in run_workflow(file, trigger, tmp_path, tmp_path / "state")}


def started(tmp_path, trigger, event_type="model-registered", name="workflow.yml"):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / name).write_text(f"on: {trigger}\njobs: {{a: {{strategy: {{matrix: {{x: [1]}}}}}}}}\n", encoding="utf-8")
    return [file.name for file in workflows_for(tmp_path, event_type)]


@pytest.mark.parametrize(
    "trigger",
    [
        "repository_dispatch",
        "[push, repository_dispatch]",
        "{repository_dispatch: }",
        "{repository_dispatch: {}}",
        "{repository_dispatch: {types: model-registered}}",
        "{repository_dispatch: {types: [other, model-registered]}}",
    ],
)
def test_every_form_of_on_starts_a_workflow(trigger, tmp_path):
    assert started(tmp_path, trigger) == ["workflow.yml"]


@pytest.mark.parametrize(
    "trigger",
    [
        "push",
        "[push, workflow_dispatch]",
        "{repository_dispatch: {types: model-registered-again}}",
        "{repository_dispatch: {types: [model]}}",
        "{push: {branches: [repository_dispatch]}}",
    ],
)
def test_another_event_or_type_starts_no_workflow(trigger, tmp_path):
    assert started(tmp_path, trigger) == []


def test_a_workflow_may_be_called_yaml(tmp_path):
    assert started(tmp_path, "repository_dispatch", name="workflow.yaml") == ["workflow.yaml"]


def test_an_unreadable_trigger_is_named_with_its_place(tmp_path):
    with pytest.raises(
        EmulatorError, match=r"^\.github/workflows/workflow\.yml, line 1, on.repository_dispatch.type: "
    ):
        started(tmp_path, "{repository_dispatch: {type: [model-registered]}}")


def test_a_step_writes_to_no_file_of_a_workflow_that_runs_the_emulator(tmp_path, monkeypatch):
    for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GITHUB_TOKEN", "of-the-outer-run")
    monkeypatch.setenv("RUNNER_NAME", "of-the-outer-run")
    files = '"$GITHUB_ENV" "$GITHUB_OUTPUT" "$GITHUB_PATH" "$GITHUB_STATE" "$GITHUB_STEP_SUMMARY"'
    found = results(
        tmp_path, f'\n    - {{name: S, run: \'echo "a=1" | tee {files}; test -z "$GITHUB_TOKEN$RUNNER_NAME"\'}}\n'
    )
    assert (found["S"].code, found["S"].outputs) == (0, {"a": "1"})
    assert [file.name for file in tmp_path.glob("GITHUB_*") if file.stat().st_size] == []


@pytest.mark.parametrize(
    "written", ["no equals sign", "x<<END\\nand no end", "=no name", "<<END\\nno name\\nEND", "x<<"]
)
def test_a_step_whose_outputs_github_cannot_read_has_failed(written, tmp_path):
    found = results(tmp_path, f'\n    - {{name: S, run: \'printf "{written}\\n" >> "$GITHUB_OUTPUT"\'}}\n')
    assert found["S"].conclusion is Result.FAILURE
    assert "jobs.job.steps[0]: job-0.output " in found["S"].tail


@pytest.mark.parametrize(
    "step",
    [
        "{name: S, run: 'true', env: {X: \"${{ fromJSON('no JSON') }}\"}}",
        "{name: S, run: 'true', if: \"format('{0}')\"}",
        "{name: S, run: 'echo ${{ format(''{'') }}'}",
        "{name: S, run: 'true', working-directory: nowhere}",
        "{name: S, run: 'true', env: {X: \"${{ fromJSON('{}') }}\"}}",
        "{name: S, run: 'true', env: {X: \"${{ fromJSON('\\\"\\\\u0000\\\"') }}\"}}",
    ],
)
def test_a_step_that_cannot_be_started_fails_and_says_where(step, tmp_path):
    repair = "{name: Repair, run: 'true', if: failure()}"
    found = results(tmp_path, f"\n    - {step}\n    - {repair}\n")
    assert {name: result.conclusion for name, result in found.items()} == {"S": "failure", "Repair": "success"}
    assert found["S"].tail.startswith("jobs.job.steps[0]: ")


def test_a_job_that_takes_too_long_is_ended_with_all_it_has_started(tmp_path):
    before = time.monotonic()
    with pytest.raises(
        EmulatorError, match=r"^workflow\.yml, jobs\.job\.timeout-minutes: .* not ended after 0\.01 minutes"
    ):
        results(tmp_path, "\n    - run: sleep 987 & sleep 987\n", timeout_minutes=0.01)
    assert time.monotonic() - before < 30
    # A process that was killed may still be listed for a moment.
    while time.monotonic() - before < 30 and _runs("sleep", "987"):
        time.sleep(0.05)
    assert not _runs("sleep", "987")


def _runs(*command):
    """Return whether a process runs this command."""
    return [*command] in [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]


@pytest.mark.parametrize(
    ("first", "output"),
    [("    if: false\n    steps: [{run: 'true'}]\n", ""), ("    steps: [{run: 'false'}]\n", "constant")],
)
def test_a_job_that_was_skipped_has_no_outputs_and_one_that_failed_has(first, output, tmp_path):
    file = tmp_path / "workflow.yml"
    first = JOB.format(name="first") + "    outputs: {x: constant}\n" + first
    second = JOB.format(name="second") + "    needs: first\n    if: always()\n"
    second += f'    steps: [{{name: S, run: \'test "${{{{ needs.first.outputs.x }}}}" = "{output}"\'}}]\n'
    file.write_text(f"on: push\njobs:\n{first}{second}", encoding="utf-8")
    results = list(run_workflow(file, Trigger("push", {}, "a/b", {}), tmp_path, tmp_path / "state"))
    assert (results[-1].job, results[-1].code) == ("second", 0)


def test_a_step_without_a_name_is_called_by_its_first_line(tmp_path):
    assert list(results(tmp_path, "\n    - run: |\n        true\n        true\n")) == ["Run true"]


def test_a_step_stays_on_the_laptop_whatever_the_workflow_says(tmp_path):
    step = "{name: S, run: 'test \"$MLOPS_TARGET\" = local', env: {MLOPS_TARGET: azure}}"
    told = {"MLOPS_TARGET": "local"}
    assert results(tmp_path, f"\n    - {step}\n", told, env="{MLOPS_TARGET: azure}")["S"].code == 0


def test_what_started_the_run_sets_the_last_word(tmp_path):
    step = '{name: S, run: \'test "$GITHUB_API_URL ${{ github.api_url }}" = "http://here http://here"\'}'
    assert results(tmp_path, f"\n    - {step}\n", {"GITHUB_API_URL": "http://here"})["S"].code == 0


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("null < null", "false"),
        ("null <= null", "true"),
        ("null != null", "false"),
        ("fromJSON('{}') == fromJSON('{}')", "false"),
        ("fromJSON('[1]') == 1", "false"),
        ("'(1)' == 1", "false"),
        ("'ß' == 'SS'", "false"),
        ("join(fromJSON('[1,2]'), fromJSON('{}'))", "1,2"),
        ("contains(fromJSON('{}'), 'a')", "false"),
        ("env.name", "exact"),
        ("env.NAME", ""),
        ("toJSON(needs.*.result[0])", "[]"),
        ("join(needs.*.result)", "success,skipped"),
    ],
)
def test_where_act_differs_the_runners_source_decides(expression, value):
    needs = {"a": {"result": Result.SUCCESS}, "b": {"result": Result.SKIPPED}}
    scope = Scope({"env": CaseSensitive(name="exact"), "needs": needs})
    assert Text.read(f"${{{{ {expression} }}}}").resolve(scope) == value


def test_deep_nesting_is_refused_as_on_github():
    with pytest.raises(ExpressionError, match="more than 50 levels"):
        Condition.read("(" * 51 + "true" + ")" * 51)
