"""Reads a workflow file, and refuses parts that it cannot evaluate as GitHub does, with file, line and key."""

from collections.abc import Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from azureml_emulator.github import contexts
from azureml_emulator.github.model import Job, Workflow
from azureml_emulator.github.steps import (
    IDENTIFIER,
    action_ids,
    read_condition,
    read_environment,
    read_shell,
    read_step,
    read_text,
)
from azureml_emulator.github.triggers import dispatch_inputs, triggers
from azureml_emulator.github.values import fold
from azureml_emulator.github.yaml_lines import Field, read_yaml

# Keys that name a run, restrict its token or delay it change no step on the laptop, where runs are sequential.
WORKFLOW_KEYS = ("name", "run-name", "on", "permissions", "concurrency", "env", "defaults", "jobs")
JOB_KEYS = (
    *("name", "permissions", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "defaults"),
    *("timeout-minutes", "steps"),
)
REFUSED_IN_JOBS = {
    "strategy": "the emulator does not run a matrix",
    "continue-on-error": "the emulator knows it for steps only",
    "container": "the emulator has no containers",
    "services": "the emulator has no containers",
    "uses": "the emulator does not run reusable workflows",
    "with": "the emulator does not run reusable workflows",
    "secrets": "the emulator does not run reusable workflows",
}
LONGEST_JOB = 360.0


def read_workflow(file: Path, root: Path) -> Workflow:
    """Read all of a workflow.

    Raises:
        EmulatorError: the emulator cannot evaluate a part of it as GitHub does.
    """
    whole = read_yaml(file, root)
    fields = whole.known(WORKFLOW_KEYS, {})
    triggers(whole)
    jobs = fields["jobs"].mapping() if "jobs" in fields else {}
    if not jobs:
        fields.get("jobs", whole).refuse("a workflow needs jobs")
    defaults = _defaults(fields.get("defaults"))
    found = {name: _job(name, job, defaults) for name, job in jobs.items()}
    name = fields["name"].text() if "name" in fields else whole.file
    env = read_environment(fields.get("env"), contexts.WORKFLOW_ENV)
    return Workflow(whole.file, name, env, dispatch_inputs(whole), _in_order(jobs, found))


def _in_order(fields: Mapping[str, Field], jobs: Mapping[str, Job]) -> tuple[Job, ...]:
    for name, job in jobs.items():
        for needed in job.needs:
            if needed not in jobs:
                fields[name].mapping()["needs"].refuse(f"there is no job {needed}")
    try:
        order = list(TopologicalSorter({name: job.needs for name, job in jobs.items()}).static_order())
    except CycleError as error:
        first = error.args[1][0]
        fields[first].mapping()["needs"].refuse(f"these jobs need each other: {', '.join(error.args[1])}")
    ordered: dict[str, Job] = {}
    for name in order:
        needs = jobs[name].needs
        ancestors = dict.fromkeys([*needs, *(known for needed in needs for known in ordered[needed].ancestors)])
        ordered[name] = replace(jobs[name], ancestors=tuple(ancestors))
    return tuple(ordered.values())


def _job(name: str, job: Field, defaults: Mapping[str, str]) -> Job:
    fields = job.known(JOB_KEYS, REFUSED_IN_JOBS)
    if not IDENTIFIER.fullmatch(name):
        job.refuse("a job's id consists of letters, digits, - and _")
    _check_runner(job, fields)
    if "steps" not in fields or not fields["steps"].items():
        fields.get("steps", job).refuse("a job needs steps")
    defaults = {**defaults, **_defaults(fields.get("defaults"))}
    items = fields["steps"].items()
    actions = frozenset(action_ids(items))
    steps = tuple(read_step(step, defaults, actions) for step in items)
    for at, step in enumerate(steps):
        if step.id and fold(step.id) in [fold(other.id) for other in steps[:at]]:
            items[at].mapping()["id"].refuse(f"another step of the job has the id {step.id}")
    outputs = fields["outputs"].mapping() if "outputs" in fields else {}
    return Job(
        place=job.key,
        id=name,
        needs=tuple(needed.text() for needed in fields["needs"].items()) if "needs" in fields else (),
        ancestors=(),
        condition=read_condition(fields.get("if"), contexts.JOB_IF, frozenset()),
        env=read_environment(fields.get("env"), contexts.JOB_ENV),
        outputs={key: read_text(value, contexts.STEP, actions) for key, value in outputs.items()},
        steps=steps,
        timeout_minutes=_minutes(fields.get("timeout-minutes")),
    )


def _check_runner(job: Field, fields: Mapping[str, Field]) -> None:
    if "runs-on" not in fields:
        job.refuse("the key `runs-on` is missing")
    runner = fields["runs-on"]
    if not runner.is_scalar or not runner.text().startswith("ubuntu-"):
        runner.refuse("the emulator runs as one of GitHub's Ubuntu runners: ubuntu-...")


def _defaults(given: Field | None) -> Mapping[str, str]:
    run = given.known(["run"], {}).get("run") if given else None
    fields = run.known(["shell", "working-directory"], {}) if run else {}
    for value in fields.values():
        if "${{" in value.text():
            value.refuse("the emulator does not evaluate expressions in `defaults`")
    read = {key: read_shell(value) if key == "shell" else value.text() for key, value in fields.items()}
    return read


def _minutes(given: Field | None) -> float:
    if given is None:
        return LONGEST_JOB
    try:
        return float(given.text())
    except ValueError:
        given.refuse("the emulator knows a number of minutes only")
