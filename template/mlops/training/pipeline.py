"""Submits the training pipeline and reads its result."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_job
from azure.ai.ml.entities import PipelineJob
from azure.core.exceptions import ResourceNotFoundError

from mlops.data.assets import newest_version
from mlops.errors import RunFailedError, WrongInputError
from mlops.files import read_json
from mlops.jobs.following import follow
from mlops.jobs.jobs import download_output, output_path, prepare, submit
from mlops.paths import LABELLED_DATA, PIPELINE, ROOT, TRAINING_ENVIRONMENT, model_name, read_yaml
from mlops.refusals.explain import is_missing
from mlops.training.environments import register_environment

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class TrainingResult:
    """A finished training job: the gate's decision and, after a PROMOTE, the registered version."""

    job: str
    gate: dict[str, Any]
    model: str
    version: str | None


def train(client: "MLClient", job_name: str | None = None) -> TrainingResult:
    """Run the training pipeline on the newest labelled data and wait for it.

    Raises:
        WrongInputError: there is no data asset yet.
        RunFailedError: the job did not complete; the message names the step.
    """
    name = submit(client, load_pipeline(client, job_name), is_new=job_name is None)
    follow(client, name)
    return result_of(client, name)


def result_of(client: "MLClient", job: str) -> TrainingResult:
    """Return the result of a finished training job.

    Raises:
        RunFailedError: it has no decision of the gate.
    """
    with tempfile.TemporaryDirectory() as folder:
        gate = _read_gate(download_output(client, job, "gate", Path(folder)) / "gate.json", job)
    version = registered_by(client, job) if gate["decision"] == "PROMOTE" else None
    return TrainingResult(job, gate, model_name(), version)


def _read_gate(file: Path, job: str) -> dict[str, Any]:
    try:
        gate: dict[str, Any] = read_json(file)
        gate["decision"], gate["metric"], gate["reasons"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFailedError(
            f"The job {job} left no decision of the gate at {output_path(job, 'gate')}: look at its step 'evaluate'."
        ) from error
    return gate


def load_pipeline(client: "MLClient", job_name: str | None = None) -> PipelineJob:
    """Load the pipeline's YAML and set the values of a run: its name, outputs, data version, commit and environment."""
    asset = read_yaml(LABELLED_DATA)["name"]
    newest = newest_version(client, asset)
    if newest is None:
        raise WrongInputError(f"There is no data asset {asset} yet: run `mlops data` first.")
    job: Any = load_job(PIPELINE)
    prepare(job, job_name)
    job.inputs["data"].path = f"azureml:{asset}:{newest}"
    job.inputs.git_commit = git_commit()
    environment = register_environment(client, TRAINING_ENVIRONMENT)
    for step in job.jobs.values():
        step.component.environment = environment
    return job


def registered_by(client: "MLClient", job: str) -> str | None:
    """Return the model version that a job registered, None if there is none."""
    try:
        versions = list(client.models.list(name=model_name()))
    except ResourceNotFoundError as error:
        if not is_missing(error):
            raise
        return None
    return next((str(model.version) for model in versions if (model.tags or {}).get("job") == job), None)


def git_commit() -> str:
    """Return the trained commit, marked if files differ from it; `unknown` outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
