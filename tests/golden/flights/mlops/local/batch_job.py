"""Jobs of batch deployments on the laptop: the deployment's own script over a folder, in a process of its own."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from azure.ai.ml import Input
from azure.ai.ml._schema._deployment.batch.batch_job import BatchJobSchema
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY, PARAMS_OVERRIDE_KEY
from azure.ai.ml.entities import BatchJob
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.files import write_json
from mlops.local.datastore import Datastore
from mlops.local.isolation import inherited
from mlops.local.jobs import LOG_TAIL, JobOperations, Run, Step
from mlops.local.resources import seconds

DRIVER = Path(__file__).with_name("batch_driver.py")
STEP = "batchscoring"
OUTPUT = "score"


class BatchJobs:
    """Starts batch scoring as jobs."""

    def __init__(self, state: Path, datastore: Datastore, jobs: JobOperations):
        self._folder, self._datastore, self._jobs = state / "jobs", datastore, jobs

    def start(
        self,
        deployment_folder: Path,
        deployment: dict[str, Any],
        endpoint: str,
        *,
        input: Input | None = None,
        inputs: dict[str, Input] | None = None,
        outputs: dict[str, Any] | None = None,
        job_name: str | None = None,
        experiment_name: str | None = None,
        params_override: list[dict[str, Any]] | None = None,
    ) -> BatchJob:
        """Check what is asked for as the SDK does and start the job.

        Raises:
            HttpResponseError: there is not exactly one input and at most one output.
            ResourceNotFoundError: the input does not exist.
        """
        given = _checked([*(params_override or []), {"input_data": inputs or {"input": input}}], outputs)
        sources, targets = list((given.get("inputData") or {}).values()), list((given.get("outputData") or {}).values())
        if len(sources) != 1 or not isinstance(sources[0], dict) or len(targets) > 1:
            raise HttpResponseError("A model deployment takes one input, a folder or file of rows, and one output.")
        files = self._files(sources[0]["uri"])
        run = Run(job_name or f"batchjob-{uuid.uuid4()}", experiment_name or endpoint, steps=[Step(STEP)])
        folder = self._folder / run.name
        shutil.rmtree(folder, ignore_errors=True)
        settings = _settings(deployment, given, files, deployment_folder, folder)
        write_json(folder / STEP / "settings.json", settings)
        target = self._target(targets[0], Path(settings["output"]).name) if targets else None
        environment = _environment(deployment, deployment_folder)
        self._jobs.start(run, lambda: _run(run, folder, environment, target))
        return BatchJob(name=run.name, id=run.name, type="pipeline", status=run.status)

    def _files(self, address: str) -> list[str]:
        path = self._datastore.resolve(address).resolve()
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        if not files:
            raise ResourceNotFoundError(f"There are no files to score in {path}.")
        return [str(file) for file in files]

    def _target(self, output: dict[str, Any], name: str) -> Path:
        path = self._datastore.resolve(output["uri"]).resolve()
        return path if output["jobOutputType"] == "UriFile" else path / name


def _checked(overrides: list[dict[str, Any]], outputs: dict[str, Any] | None) -> dict[str, Any]:
    """Return the request in the REST form, by the SDK's own schema."""
    overrides += [{"output_data": outputs}] if outputs else []
    schema = BatchJobSchema(context={BASE_PATH_CONTEXT_KEY: Path(), PARAMS_OVERRIDE_KEY: overrides})
    return dict(schema.load({}))


def _settings(
    deployment: dict[str, Any], given: dict[str, Any], files: list[str], deployment_folder: Path, folder: Path
) -> dict[str, Any]:
    """Return what the driver has to know: the request's settings before the deployment's, before Azure's defaults."""
    properties = deployment["properties"]
    known = properties | {key: value for key, value in given.items() if key in properties}
    retry = known.get("retrySettings") or {}
    name = given.get("outputFileName") or properties.get("outputFileName") or "predictions.csv"
    return {
        "script": str(deployment_folder / "code" / properties["codeConfiguration"]["scoringScript"]),
        "files": files,
        "mini_batch_size": known.get("miniBatchSize") or 10,
        "error_threshold": known.get("errorThreshold", -1),
        "max_retries": retry.get("maxRetries", 3),
        "timeout": seconds(retry.get("timeout", "PT30S")),
        "append_row": properties.get("outputAction") != "SummaryOnly",
        "output": str(folder / "outputs" / OUTPUT / name),
    }


def _environment(deployment: dict[str, Any], folder: Path) -> dict[str, str]:
    model = deployment["properties"]["model"]["assetId"].partition("/models/")[2].replace("/versions/", "/")
    variables = deployment["properties"].get("environmentVariables") or {}
    return {**inherited(), "AZUREML_MODEL_DIR": str(folder / "azureml-models" / model), **variables}


def _run(run: Run, folder: Path, environment: dict[str, str], target: Path | None) -> None:
    """Score in a process and note how it went; a target gets its file at once, when all of it is there."""
    step, started, log = run.steps[0], time.monotonic(), folder / STEP / "log.txt"
    step.status = "Running"
    write_json(folder / "job.json", asdict(run))
    settings = folder / STEP / "settings.json"
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(
            [sys.executable, "-P", str(DRIVER), str(settings)],
            cwd=DRIVER.parent,
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        ).returncode
    if code == 0 and target:
        _deliver(next((folder / "outputs" / OUTPUT).iterdir()), target)
    step.seconds = round(time.monotonic() - started, 2)
    step.status = run.status = "Failed" if code else "Completed"
    if code:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
        run.error = f"Batch scoring failed. Its log, {log}, ends with:\n{tail}"
    write_json(folder / "job.json", asdict(run))


def _deliver(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.copy(source, staging)
    staging.replace(target)
