"""Pipeline jobs on the laptop: the components' own command lines, in dependency order."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from azure.ai.ml.entities import PipelineJob, SystemData
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import ResourceNotFoundError

from mlops.files import read_json, write_json
from mlops.local import clock
from mlops.local.assets import DataOperations, local_path
from mlops.local.processes import bound_to_parent, is_alive, started_at

if TYPE_CHECKING:
    from mlops.local.monitor_jobs import MonitorJobs

BINDING = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")
LOG_TAIL = 20


@dataclass
class Step:
    """One component of a running pipeline."""

    name: str
    status: str = "NotStarted"
    seconds: float = 0.0
    started_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True)
class Child:
    """A step as a job of its own: what the SDK gives for a child of a pipeline job."""

    name: str
    display_name: str
    status: str
    creation_context: SystemData
    type: str = "base"
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """A pipeline job as it goes: what `job.json` holds."""

    name: str
    experiment: str
    status: str = "Running"
    error: str = ""
    created_at: str = ""
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=lambda: started_at(os.getpid()))
    steps: list[Step] = field(default_factory=list)

    @property
    def creation_context(self) -> SystemData:
        """Return when it was created, as the SDK's jobs do."""
        return _context(self.created_at)

    def children(self) -> "Iterator[Child]":
        """Return the steps as jobs."""
        for step in self.steps:
            yield Child(f"{self.name}-{step.name}", step.name, step.status, _context(step.started_at, step.ended_at))


def _context(created: str, modified: str = "") -> SystemData:
    times = [datetime.fromisoformat(text) if text else None for text in (created, modified)]
    return SystemData(created_at=times[0], last_modified_at=times[1])


class JobOperations:
    """`ml_client.jobs`."""

    def __init__(self, state: Path, data: DataOperations, tracking_uri: str):
        self._state, self._folder = state, state / "jobs"
        self._data, self._tracking_uri = data, tracking_uri
        self._threads: dict[str, threading.Thread] = {}

    def create_or_update(self, job: PipelineJob) -> PipelineJob:
        """Check a pipeline job as the SDK does before sending it, and start it.

        Raises:
            ResourceNotFoundError: an input names a data asset that does not exist.
        """
        job._validate(raise_error=True)
        job._to_rest_object()
        job.name = job.name or f"{job.experiment_name}-{uuid.uuid4().hex[:10]}"
        definition = job._to_dict()
        inputs = {name: self._resolve(value) for name, value in definition.get("inputs", {}).items()}
        folder = self._folder / job.name
        shutil.rmtree(folder, ignore_errors=True)
        run = Run(job.name, str(job.experiment_name), steps=[Step(name) for name in _order(definition["jobs"])])
        outputs = {name: self._place(folder, name, given) for name, given in definition.get("outputs", {}).items()}
        self.start(run, _Pipeline(run, definition, inputs, outputs, folder, self._tracking_uri).run)
        return job

    def _place(self, folder: Path, name: str, given: Any) -> Path:
        """Return where an output goes: to the datastore's path that the job names, or into the job's own folder."""
        own = folder / "outputs" / name
        address = given.get("path") if isinstance(given, dict) else None
        if not address:
            return own
        place = local_path(self._state, str(address)).absolute()
        shutil.rmtree(place, ignore_errors=True)
        own.parent.mkdir(parents=True, exist_ok=True)
        # What asks for `azureml://jobs/JOB/outputs/NAME` finds it there.
        own.symlink_to(place)
        return place

    def start(self, run: Run, work: Callable[[], None]) -> None:
        """Start a job's work, which keeps the job's file up to date from then on."""
        run.created_at = clock.now(self._state).isoformat()
        write_json(self._folder / run.name / "job.json", asdict(run))
        # A daemon: Ctrl-C ends the command at once, and its steps with it.
        thread = threading.Thread(target=work, name=run.name, daemon=True)
        self._threads[run.name] = thread
        thread.start()

    def list(self, *, parent_job_name: str | None = None, **query: Any) -> Iterator[Any]:
        """Return the steps of a job, the runs of a schedule, or every job but those that died with their process."""
        if parent_job_name is not None:
            file = self._folder / parent_job_name / "job.json"
            steps = (
                self.get(parent_job_name).children() if file.exists() else self._monitored().children(parent_job_name)
            )
            yield from steps
            return
        # The SDK takes this one without naming it among its parameters.
        schedule = query.get("scheduled_job_name")
        yield from self._monitored().roots(schedule)
        if schedule is not None:
            return
        for file in sorted(self._folder.glob("*/job.json")):
            with suppress(ResourceNotFoundError):
                yield self.get(file.parent.name)

    def get(self, name: str) -> Any:
        """Return a job with its status and steps.

        Raises:
            ResourceNotFoundError: there is none, or it died with its process, where a workspace's would have gone on.
        """
        file = self._folder / name / "job.json"
        if not file.exists():
            monitored = self._monitored().find(name)
            if monitored is None:
                raise ResourceNotFoundError(f"There is no job {name}.")
            return monitored
        content = read_json(file)
        run = Run(**{**content, "steps": [Step(**step) for step in content["steps"]]})
        if run.status != "Running":
            return run
        if name in self._threads and not self._threads[name].is_alive():
            # It could not even write down how it ended.
            return self._reread(name, run)
        if not is_alive(run.pid, run.started):
            raise ResourceNotFoundError(f"There is no job {name}: the process that ran it has ended.")
        return run

    def _monitored(self) -> "MonitorJobs":
        from mlops.local.monitor_jobs import MonitorJobs

        return MonitorJobs(self._state)

    def _reread(self, name: str, run: Run) -> Run:
        content = read_json(self._folder / name / "job.json")
        if content["status"] != "Running":
            return Run(**{**content, "steps": [Step(**step) for step in content["steps"]]})
        return replace(run, status="Failed", error=f"The job {name} was interrupted.")

    def stream(self, name: str) -> None:
        """Show a job's steps until it ends.

        Raises:
            JobException: a step failed; the message names it and shows the end of its log.
        """
        while (run := self.get(name)).status == "Running":
            time.sleep(0.1)
        for step in run.steps:
            print(f"{step.name}: {step.status}")
        if run.status != "Completed":
            raise JobException(message=run.error, no_personal_data_message="failed")

    def download(self, name: str, *, download_path: Path | str = ".", output_name: str | None = None) -> None:
        """Copy a pipeline's output to `<download_path>/named-outputs/<output_name>`."""
        source = self._folder / name / "outputs" / str(output_name)
        shutil.copytree(source, Path(download_path) / "named-outputs" / str(output_name), dirs_exist_ok=True)

    def _resolve(self, value: Any) -> str:
        """Return an input as a command line sees it: a path for an asset, else the value."""
        if not isinstance(value, dict):
            return str(value)
        name, _, version = str(value["path"]).removeprefix("azureml:").replace("@latest", ":").partition(":")
        return str(self._data.content(self._data.get(name, version or None, label=None if version else "latest")))


class _Pipeline:
    """One run of a pipeline's definition."""

    def __init__(
        self,
        run: Run,
        definition: dict[str, Any],
        inputs: dict[str, str],
        outputs: dict[str, Path],
        folder: Path,
        tracking_uri: str,
    ):
        self._run, self._jobs, self._folder, self._tracking_uri = run, definition["jobs"], folder, tracking_uri
        self._values = {f"parent.inputs.{name}": value for name, value in inputs.items()}
        for step, job in self._jobs.items():
            for output, binding in (job.get("outputs") or {}).items():
                bound = BINDING.fullmatch(binding if isinstance(binding, str) else binding["path"])
                if bound:
                    self._values[f"parent.jobs.{step}.outputs.{output}"] = str(outputs[bound[1].split(".")[-1]])
            for output in job["component"].get("outputs") or {}:
                self._values.setdefault(f"parent.jobs.{step}.outputs.{output}", str(folder / step / output))

    def run(self) -> None:
        """Run every step, or all before the first that fails."""
        for step in self._run.steps:
            step.status, started = "Running", time.monotonic()
            step.started_at = datetime.now(UTC).isoformat()
            self._save()
            code = self._run_step(step.name)
            step.seconds = round(time.monotonic() - started, 2)
            step.ended_at = datetime.now(UTC).isoformat()
            step.status = "Completed" if code == 0 else "Failed"
            if code:
                self._run.status, self._run.error = "Failed", self._describe_failure(step.name, code)
                break
        else:
            self._run.status = "Completed"
        self._save()

    def _run_step(self, name: str) -> int:
        job, folder = self._jobs[name], self._folder / name
        component = job["component"]
        code = shutil.copytree(component["code"], folder / "code", ignore=shutil.ignore_patterns("__pycache__"))
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            command = bound_to_parent(["bash", "-c", self._command(name, job)])
            return subprocess.run(
                command, cwd=code, env=self._environment(name), stdout=log, stderr=log, check=False
            ).returncode

    def _command(self, name: str, job: dict[str, Any]) -> str:
        values = {}
        for key, given in (job.get("inputs") or {}).items():
            text = str(given["path"] if isinstance(given, dict) else given)
            values[f"inputs.{key}"] = BINDING.sub(lambda found: self._values[found[1]], text)
        for key in job["component"].get("outputs") or {}:
            path = Path(self._values[f"parent.jobs.{name}.outputs.{key}"])
            path.parent.mkdir(parents=True, exist_ok=True)
            values[f"outputs.{key}"] = str(path)
        return BINDING.sub(lambda found: quote(values[found[1]]), job["component"]["command"])

    def _environment(self, step: str) -> dict[str, str]:
        """What Azure ML sets for a job's process, with the laptop's tracking store in place of the workspace's."""
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "MLFLOW_TRACKING_URI": self._tracking_uri,
            "MLFLOW_EXPERIMENT_NAME": self._run.experiment,
            "MLFLOW_RUN_CONTEXT": f'{{"mlflow.runName": "{step}", "mlflow.rootRunId": "{self._run.name}"}}',
            "AZUREML_ROOT_RUN_ID": self._run.name,
            "AZUREML_RUN_ID": f"{self._run.name}-{step}",
        }

    def _describe_failure(self, step: str, code: int) -> str:
        log = self._folder / step / "log.txt"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
        return f"The step '{step}' failed with exit code {code}. Its log, {log}, ends with:\n{tail}"

    def _save(self) -> None:
        write_json(self._folder / "job.json", asdict(self._run))


def _order(jobs: dict[str, Any]) -> list[str]:
    """Return the steps so that each follows those whose outputs it reads."""
    graph = {
        name: {
            found.split(".")[2] for found in BINDING.findall(str(job.get("inputs"))) if found.startswith("parent.jobs.")
        }
        for name, job in jobs.items()
    }
    return list(TopologicalSorter(graph).static_order())
