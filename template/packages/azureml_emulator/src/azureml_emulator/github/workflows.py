"""Runs a GitHub workflow's own `run:` steps on the laptop. Actions (`uses:`) that prepare a runner are skipped."""

import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azureml_emulator.errors import EmulatorError
from azureml_emulator.files import write_text
from azureml_emulator.github.expressions import Result, Scope
from azureml_emulator.github.job import JobRun, Place, StepResult
from azureml_emulator.github.model import Input, Workflow
from azureml_emulator.github.reader import read_workflow
from azureml_emulator.github.syntax import ExpressionError, to_number
from azureml_emulator.github.triggers import is_dispatched
from azureml_emulator.github.yaml_lines import read_yaml
from azureml_emulator.tokens import GITHUB_TOKEN

__all__ = ["StepResult", "Trigger", "run_workflow", "workflows_for"]


@dataclass(frozen=True)
class Trigger:
    """The trigger of a workflow run in GitHub's form, with the repository's variables and secrets."""

    name: str
    event: Mapping[str, Any]
    repository: str
    environment: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


def workflows_for(project_root: Path, event_type: str) -> list[Path]:
    """Return the workflows that a `repository_dispatch` of this type starts.

    Raises:
        EmulatorError: a workflow cannot be read.
    """
    folder = project_root / ".github" / "workflows"
    files = sorted(file for file in folder.glob("*") if file.suffix in (".yml", ".yaml"))
    return [file for file in files if is_dispatched(read_yaml(file, project_root), event_type)]


def run_workflow(file: Path, trigger: Trigger, project_root: Path, state: Path) -> Iterator[StepResult]:
    """Run a workflow's jobs one after the other, with the steps that GitHub would run.

    Raises:
        EmulatorError: the emulator cannot evaluate a part as GitHub does; then no step was run.
    """
    workflow = read_workflow(file, project_root)
    run_id = uuid.uuid4().hex[:12]
    folder = state / "workflows" / f"{file.stem}-{run_id}"
    (folder / "temp").mkdir(parents=True, exist_ok=True)
    (folder / "event.json").write_text(json.dumps(trigger.event), encoding="utf-8")
    github = _github(workflow, trigger, project_root, folder, run_id)
    variables = _variables(github, trigger, folder)
    place = Place(workflow.file, project_root, folder, variables, _commands(folder.parent))
    yield from _run_jobs(workflow, trigger, github, place)


def _run_jobs(workflow: Workflow, trigger: Trigger, github: Mapping[str, Any], place: Place) -> Iterator[StepResult]:
    runner = {"os": "Linux", "arch": "X64", "temp": str(place.folder / "temp")}
    secrets = {**trigger.secrets, "GITHUB_TOKEN": github["token"]}
    inputs = _inputs(workflow, trigger)
    contexts = {"github": github, "runner": runner, "inputs": inputs, "secrets": secrets, "vars": trigger.variables}
    results: dict[str, Result] = {}
    outputs: dict[str, dict[str, str]] = {}
    for job in workflow.jobs:
        needs = {needed: {"result": results[needed], "outputs": outputs[needed]} for needed in job.needs}
        of_job = {**contexts, "github": {**github, "job": job.id}, "needs": needs}
        results[job.id], outputs[job.id] = Result.SKIPPED, {}
        try:
            if job.condition.holds(Scope(of_job, tuple(results[ancestor] for ancestor in job.ancestors))):
                run = JobRun(job, workflow.env, of_job, place)
                yield from run.run()
                results[job.id], outputs[job.id] = run.result, run.outputs()
        except ExpressionError as error:
            raise EmulatorError(f"{workflow.file}, {job.place}: {error}") from error


def _github(workflow: Workflow, trigger: Trigger, root: Path, folder: Path, run_id: str) -> dict[str, Any]:
    return {
        "api_url": trigger.environment.get("GITHUB_API_URL", "https://api.github.com"),
        "event": trigger.event,
        "event_name": trigger.name,
        "event_path": str(folder / "event.json"),
        "repository": trigger.repository,
        "repository_owner": trigger.repository.partition("/")[0],
        "run_attempt": "1",
        "run_id": run_id,
        "server_url": "https://github.com",
        "token": trigger.environment.get("GITHUB_TOKEN", GITHUB_TOKEN),
        "workflow": workflow.name,
        "workspace": str(root),
    }


def _variables(github: Mapping[str, Any], trigger: Trigger, folder: Path) -> dict[str, str]:
    """Return a runner's variables, and those that keep a step on the laptop."""
    told = {f"GITHUB_{name.upper()}": str(value) for name, value in github.items() if name not in ("event", "token")}
    return {
        **told,
        "GITHUB_ACTIONS": "true",
        "RUNNER_ARCH": "X64",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": str(folder / "temp"),
        # `uv run` then uses the current environment unchanged.
        "UV_NO_SYNC": "1",
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        **trigger.environment,
    }


def _inputs(workflow: Workflow, trigger: Trigger) -> dict[str, Any]:
    """Return the inputs of a run that a person started by hand; other runs have none."""
    if trigger.name != "workflow_dispatch":
        return {}
    given = trigger.event.get("inputs") or {}
    for declared in workflow.inputs:
        if declared.is_required and not declared.default and not given.get(declared.name):
            raise EmulatorError(f"{workflow.file}, on.workflow_dispatch.inputs.{declared.name}: it is required")
    return {declared.name: _input(declared, given.get(declared.name, declared.default)) for declared in workflow.inputs}


def _input(declared: Input, value: Any) -> Any:
    if declared.type == "boolean":
        return str(value).lower() == "true"
    return to_number(str(value)) if declared.type == "number" else str(value)


def _commands(folder: Path) -> Path:
    """Return a folder with an `mlops` command of this project, wherever the running Python is installed."""
    command = folder / "bin" / "mlops"
    if not command.exists():
        write_text(command, f'#!/bin/sh\nexec "{sys.executable}" -m mlops.cli "$@"\n')
        command.chmod(0o755)
    return command.parent
