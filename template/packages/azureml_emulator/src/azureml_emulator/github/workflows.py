"""Runs a GitHub workflow's own `run:` steps in bash on the laptop. Actions (`uses:`) set up a runner: no need here."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from azureml_emulator.errors import EmulatorError
from azureml_emulator.events.logic_app_expressions import ExpressionError
from azureml_emulator.files import write_text
from azureml_emulator.github.expressions import Result, resolve, runs

LOG_TAIL = 15


@dataclass(frozen=True)
class StepResult:
    """What a step did: its exit code, the outputs it set and the end of its log."""

    job: str
    step: str
    code: int
    outputs: dict[str, str]
    log: Path
    tail: str


def load_workflow(file: Path) -> dict[str, Any]:
    """Read a workflow; BaseLoader, because YAML 1.1 takes the key `on` for a boolean."""
    content: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return content


def workflows_for(project_root: Path, event_type: str) -> list[Path]:
    """Return the workflows that a `repository_dispatch` of this type starts."""
    found = []
    for file in sorted((project_root / ".github" / "workflows").glob("*.yml")):
        trigger = load_workflow(file)["on"]
        if isinstance(trigger, dict) and event_type in (trigger.get("repository_dispatch") or {}).get("types", []):
            found.append(file)
    return found


@dataclass(frozen=True)
class Trigger:
    """What starts a workflow run, as GitHub tells it to the run."""

    name: str
    event: Mapping[str, Any]
    repository: str
    environment: Mapping[str, str]


def run_workflow(file: Path, trigger: Trigger, project_root: Path, state: Path) -> Iterator[StepResult]:
    """Run a workflow's jobs one after the other, and of each the steps that GitHub would run.

    Raises:
        EmulatorError: it holds an expression that only GitHub can evaluate.
    """
    try:
        yield from _run_jobs(file, trigger, project_root, state)
    except ExpressionError as error:
        raise EmulatorError(f"{file.relative_to(project_root)}: {error}") from error


def _run_jobs(file: Path, trigger: Trigger, project_root: Path, state: Path) -> Iterator[StepResult]:
    run_id = uuid.uuid4().hex[:12]
    folder = state / "workflows" / f"{file.stem}-{run_id}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "event.json").write_text(json.dumps(trigger.event), encoding="utf-8")
    workflow = load_workflow(file)
    github = {"event": trigger.event, "event_name": trigger.name, "repository": trigger.repository, "run_id": run_id}
    context: dict[str, Any] = {"github": github, "inputs": {}, "needs": {}, "secrets": {}, "vars": {}}
    jobs = workflow["jobs"]
    order = TopologicalSorter({name: _listed(job.get("needs", [])) for name, job in jobs.items()}).static_order()
    results: dict[str, Result] = {}
    for name in order:
        earlier = [results[needed] for needed in _listed(jobs[name].get("needs", []))]
        before = next((result for result in (Result.FAILURE, Result.SKIPPED) if result in earlier), Result.SUCCESS)
        if not runs(jobs[name].get("if"), before, context):
            results[name] = Result.FAILURE if before is Result.FAILURE else Result.SKIPPED
            continue
        job = _Job(name, jobs[name], context, trigger, project_root, folder)
        yield from job.run(workflow.get("env", {}))
        results[name] = job.result
        context["needs"][name] = {"result": job.result, "outputs": job.outputs()}


class _Job:
    """One job of a run."""

    def __init__(
        self, name: str, job: dict[str, Any], context: dict[str, Any], trigger: Trigger, root: Path, folder: Path
    ):
        self._name, self._job, self._trigger, self._root, self._folder = name, job, trigger, root, folder
        self._context = context | {"steps": {}}
        self.result = Result.SUCCESS

    def run(self, environment: Mapping[str, str]) -> Iterator[StepResult]:
        for number, step in enumerate(self._job["steps"]):
            if "run" not in step or not runs(step.get("if"), self.result, self._context):
                continue
            given = {**environment, **self._job.get("env", {}), **step.get("env", {})}
            result = self._run_step(number, step, {key: resolve(value, self._context) for key, value in given.items()})
            self._context["steps"][step.get("id", str(number))] = {"outputs": result.outputs}
            yield result
            if result.code:
                self.result = Result.FAILURE

    def outputs(self) -> dict[str, str]:
        return {key: resolve(value, self._context) for key, value in self._job.get("outputs", {}).items()}

    def _run_step(self, number: int, step: dict[str, Any], given: dict[str, str]) -> StepResult:
        place = self._folder / f"{self._name}-{number}"
        script, log, output = (place.with_suffix(suffix) for suffix in (".sh", ".log", ".output"))
        script.write_text(resolve(step["run"], self._context) + "\n", encoding="utf-8")
        output.touch()
        environment = {
            **os.environ,
            **given,
            "GITHUB_EVENT_NAME": self._trigger.name,
            "GITHUB_EVENT_PATH": str(self._folder / "event.json"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REPOSITORY": self._trigger.repository,
            "GITHUB_RUN_ID": str(self._context["github"]["run_id"]),
            "GITHUB_STEP_SUMMARY": str(self._folder / "summary.md"),
            "PATH": f"{_commands(self._folder.parent)}{os.pathsep}{os.environ['PATH']}",
            # `uv run` then uses the environment that runs now, as it is.
            "UV_NO_SYNC": "1",
            "UV_PROJECT_ENVIRONMENT": sys.prefix,
            **self._trigger.environment,
        }
        with log.open("w", encoding="utf-8") as stream:
            command = ["bash", "--noprofile", "--norc", "-e", str(script)]
            code = subprocess.run(
                command, cwd=self._root, env=environment, stdout=stream, stderr=stream, check=False
            ).returncode
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
        return StepResult(self._name, step.get("name", f"step {number}"), code, _read_outputs(output), log, tail)


def _commands(folder: Path) -> Path:
    """Return a folder with an `mlops` in it that is this project's, wherever the running Python is installed."""
    command = folder / "bin" / "mlops"
    if not command.exists():
        write_text(command, f'#!/bin/sh\nexec "{sys.executable}" -m mlops.cli "$@"\n')
        command.chmod(0o755)
    return command.parent


def _read_outputs(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
