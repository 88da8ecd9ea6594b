"""Runs the steps of one job as a runner does, in the project's own folder."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from azureml_emulator.errors import EmulatorError
from azureml_emulator.github.command_files import CommandFileError, read_pairs, read_paths
from azureml_emulator.github.expressions import Result, Scope
from azureml_emulator.github.model import Job, Step, Texts
from azureml_emulator.github.syntax import ExpressionError
from azureml_emulator.github.values import CaseSensitive, to_text

LOG_TAIL = 15
# GitHub's commands for shells; python is one without the project's packages, as on a runner.
PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
SHELLS = {
    "": ("bash", "-e"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    "sh": ("sh", "-e"),
    "python": (PYTHON,),
}
# The files of a step, and the variables that name those it may write.
VARIABLES = {
    "env": "GITHUB_ENV",
    "output": "GITHUB_OUTPUT",
    "path": "GITHUB_PATH",
    "state": "GITHUB_STATE",
    "summary": "GITHUB_STEP_SUMMARY",
}
STEP_FILES = ("script", "log", *VARIABLES)
# A step inherits this machine's environment, except for the variables of an enclosing workflow: it would write to its
# files.
OUTER_RUN = ("GITHUB_", "RUNNER_", "ACTIONS_")


@dataclass(frozen=True)
class StepResult:
    """The result of a step: its exit code, its outputs and the end of its log.

    The conclusion of a failed step is a success if the workflow lets it `continue-on-error`.
    """

    job: str
    step: str
    code: int
    outputs: dict[str, str]
    log: Path
    tail: str
    conclusion: Result


@dataclass(frozen=True)
class Place:
    """The place of a job: the workflow's file, the project, the run's folder, and the variables of a runner."""

    file: str
    root: Path
    folder: Path
    variables: Mapping[str, str]
    commands: Path


class JobRun:
    """One job while it runs."""

    def __init__(self, job: Job, workflow_env: Texts, contexts: Mapping[str, Any], place: Place):
        self._job, self._place = job, place
        self._steps: dict[str, Any] = {}
        self._paths: list[str] = []
        self._contexts = {**contexts, "steps": self._steps}
        self._env = {**_resolved(workflow_env, Scope(contexts)), **_resolved(job.env, Scope(contexts))}
        self._ends_by = time.monotonic() + 60 * job.timeout_minutes
        self.result = Result.SUCCESS

    def run(self) -> Iterator[StepResult]:
        """Run the steps that GitHub would run.

        Raises:
            EmulatorError: the job takes longer than its `timeout-minutes`.
        """
        for number, step in enumerate(self._job.steps):
            files = {name: self._place.folder / f"{self._job.id}-{number}.{name}" for name in STEP_FILES}
            env, outputs, code, is_run, is_allowed = dict(self._env), {}, 0, True, False
            try:
                env |= _resolved(step.env, self._scope(env))
                is_run = step.condition.holds(self._scope(env))
                if is_run and step.script is not None:
                    is_allowed = self._is_allowed_to_fail(step, env)
                    code = self._execute(step, env, files)
                    outputs = self._read(files)
            except (ExpressionError, CommandFileError) as error:
                is_run, code = True, code or 1
                with files["log"].open("a", encoding="utf-8") as log:
                    log.write(f"{step.place}: {error}\n")
            outcome = Result.SKIPPED if not is_run else Result.FAILURE if code else Result.SUCCESS
            conclusion = Result.SUCCESS if is_allowed and code else outcome
            if step.id:
                self._steps[step.id] = {"outputs": outputs, "outcome": outcome, "conclusion": conclusion}
            if conclusion is Result.FAILURE:
                self.result = Result.FAILURE
            if is_run and files["log"].exists():
                tail = "\n".join(files["log"].read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
                yield StepResult(self._job.id, self._name(step, env), code, outputs, files["log"], tail, conclusion)

    def outputs(self) -> dict[str, str]:
        """Return the job's outputs; GitHub leaves out empty ones."""
        outputs = _resolved(self._job.outputs, self._scope(self._env))
        return {name: value for name, value in outputs.items() if value}

    def _scope(self, env: Mapping[str, str]) -> Scope:
        contexts = {**self._contexts, "env": CaseSensitive(env), "job": {"status": self.result}}
        return Scope(contexts, (self.result,))

    def _name(self, step: Step, env: Mapping[str, str]) -> str:
        try:
            return step.name.resolve(self._scope(env))
        except ExpressionError:
            return step.place

    def _is_allowed_to_fail(self, step: Step, env: Mapping[str, str]) -> bool:
        value = step.continue_on_error.value(self._scope(env))
        if not isinstance(value, bool):
            raise ExpressionError(f"continue-on-error is neither true nor false: {to_text(value)}")
        return value

    def _execute(self, step: Step, env: Mapping[str, str], files: Mapping[str, Path]) -> int:
        """Run a step's script and return its exit code."""
        if step.script is None:
            return 0
        scope = self._scope(env)
        files["script"].write_text(step.script.resolve(scope) + "\n", encoding="utf-8")
        for name in VARIABLES:
            files[name].touch()
        folder = self._place.root / step.folder.resolve(scope)
        if not folder.is_dir():
            raise ExpressionError(f"there is no folder {folder} to work in")
        environment = self._environment(env, files)
        if any("\0" in name + value for name, value in environment.items()):
            raise ExpressionError("a variable has a null character in it")
        with files["log"].open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*SHELLS[step.shell], str(files["script"])],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                return process.wait(self._ends_by - time.monotonic())
            except subprocess.TimeoutExpired:
                place = f"{self._place.file}, {self._job.place}.timeout-minutes"
                minutes = f"{self._job.timeout_minutes:g}"
                raise EmulatorError(f"{place}: the job has not ended after {minutes} minutes") from None
            finally:
                _end(process)

    def _environment(self, env: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OUTER_RUN)}
        written = {variable: str(files[name]) for name, variable in VARIABLES.items()}
        merged = {**inherited, "CI": "true", **env, **written, "GITHUB_JOB": self._job.id, **self._place.variables}
        path = [str(self._place.commands), *self._paths, merged.get("PATH", os.defpath)]
        return {**merged, "PATH": os.pathsep.join(path)}

    def _read(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Apply the variables and paths that a step has set for later steps, and return its outputs."""
        self._env |= read_pairs(files["env"])
        added = list(dict.fromkeys(read_paths(files["path"])))
        self._paths = [*added, *(path for path in self._paths if path not in added)]
        return read_pairs(files["output"])


def _resolved(texts: Texts, scope: Scope) -> dict[str, str]:
    return {name: text.resolve(scope) for name, text in texts.items()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a script that still runs, with all its child processes."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()
