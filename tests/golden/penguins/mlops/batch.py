"""The batch endpoint: its rollout, which scores a sample before it becomes the default, and scoring of rows."""

import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from azure.ai.ml import Input, Output, load_batch_endpoint
from azure.ai.ml.entities._load_functions import load_model_batch_deployment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import AzureError, ResourceNotFoundError

from mlops.errors import RunFailedError
from mlops.project import BATCH_DEPLOYMENT, BATCH_ENDPOINT, TRAINING_ENVIRONMENT
from mlops.rollout import deployment_name, plan
from mlops.rollout_steps import NotFitError, TrafficChange
from mlops.smoke import load_smoke_test
from mlops.training import register_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.client import Client

SCORED = "azureml://datastores/workspaceblobstore/paths/scored"


class BatchRollout:
    """The rollout of a model version on the batch endpoint."""

    def __init__(self, client: "Client", version: str, say: "Callable[[str], None]"):
        self._client, self._say = client, say
        self._entity = _ensure_endpoint(client)
        self.endpoint = str(self._entity.name)
        self.changes: list[TrafficChange] = []
        default = (self._entity.defaults or {}).get("deployment_name")
        self._plan = plan(version, self._existing(), {default: 100} if default else {})

    def unchanged(self) -> bool:
        """Return whether the version is the default already, and no other deployment is left."""
        return self._plan.changes_nothing

    def prepare(self, model: Any) -> None:
        """Create the deployment and have it score the model's input example.

        Raises:
            NotFitError: it fails or scores wrongly.
        """
        if not self._plan.create:
            return
        self._say(f"creating {self._plan.new}")
        deployment = load_deployment(self._client, model)
        try:
            self._client.batch_deployments.begin_create_or_update(deployment).result()
            self._say("scoring a sample")
            problem = self._score_sample(model)
        except (AzureError, JobException) as error:
            raise NotFitError(f"it did not score a sample: {error}") from error
        if problem:
            raise NotFitError(problem)

    def switch(self) -> None:
        """Make it the endpoint's default."""
        self._set_default(self._plan.new)

    def abandon(self) -> None:
        """Make the old deployment the default again and delete the new one."""
        self._say(f"taking {self._plan.new} back")
        if self._plan.keep_serving:
            self._set_default(self._plan.keep_serving)
        self._delete((self._plan.new,))

    def retire(self) -> None:
        """Delete the deployments that are no longer the default."""
        self._delete(self._plan.delete)

    def _score_sample(self, model: Any) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            smoke = load_smoke_test(self._client, model, Path(folder) / "model")
            sample = Path(folder) / "sample"
            sample.mkdir()
            request = json.loads(smoke.request.read_text(encoding="utf-8"))["input_data"]
            rows = pd.DataFrame(request["data"], columns=request["columns"])
            rows.to_json(sample / "rows.jsonl", orient="records", lines=True)
            job = self._client.batch_endpoints.invoke(
                endpoint_name=self.endpoint,
                deployment_name=self._plan.new,
                input=Input(type="uri_folder", path=str(sample)),
            )
            self._client.jobs.stream(str(job.name))
            self._client.jobs.download(str(job.name), download_path=folder, output_name="score")
            scored = next((Path(folder) / "named-outputs" / "score").rglob("*.jsonl")).read_text(encoding="utf-8")
        return smoke.problem(
            json.dumps({"predictions": [json.loads(line)["prediction"] for line in scored.splitlines()]})
        )

    def _set_default(self, deployment: str) -> None:
        self._entity.defaults = {"deployment_name": deployment}
        self._client.batch_endpoints.begin_create_or_update(self._entity).result()
        self.changes.append(TrafficChange(time.time(), {deployment: 100}))

    def _delete(self, names: tuple[str, ...]) -> None:
        for name in set(names) & set(self._existing()):
            self._client.batch_deployments.begin_delete(name=name, endpoint_name=self.endpoint).result()

    def _existing(self) -> list[str]:
        return [str(known.name) for known in self._client.batch_deployments.list(endpoint_name=self.endpoint)]


def score_folder(client: "Client", endpoint: str, rows: pd.DataFrame, hour: str) -> None:
    """Score rows; what comes out lies in the scored folder's `hour`, where the monitor looks for it.

    Raises:
        RunFailedError: the scoring failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows.to_json(Path(folder) / "rows.jsonl", orient="records", lines=True, force_ascii=False)
        target = Output(type="uri_file", path=f"{SCORED}/{endpoint}/{hour}/{uuid.uuid4().hex}.jsonl")
        job = client.batch_endpoints.invoke(
            endpoint_name=endpoint, input=Input(type="uri_folder", path=folder), outputs={"score": target}
        )
        try:
            client.jobs.stream(str(job.name))
        except JobException as error:
            raise RunFailedError(f"The batch endpoint {endpoint} could not score the rows. {error}") from error


def load_deployment(client: "Client", model: Any) -> Any:
    """Load the deployment's YAML and fix what a rollout decides: its name, model version and environment version."""
    deployment = load_model_batch_deployment(BATCH_DEPLOYMENT)
    deployment.name = deployment_name(str(model.version))
    deployment.model = f"azureml:{model.name}:{model.version}"
    deployment.environment = register_environment(client, TRAINING_ENVIRONMENT)
    return deployment


def _ensure_endpoint(client: "Client") -> Any:
    definition = load_batch_endpoint(BATCH_ENDPOINT)
    try:
        return client.batch_endpoints.get(name=str(definition.name))
    except ResourceNotFoundError:
        client.batch_endpoints.begin_create_or_update(definition).result()
        return client.batch_endpoints.get(name=str(definition.name))
