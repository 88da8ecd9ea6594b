"""Batch endpoints and deployments on the laptop: the SDK's operations, kept in files."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azure.ai.ml.entities import BatchDeployment, BatchEndpoint, BatchJob, Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.polling import LROPoller

from mlops.files import read_json, replace_folder, write_json
from mlops.local import resources
from mlops.local.assets import EnvironmentOperations
from mlops.local.batch_job import BatchJobs
from mlops.local.models import ModelOperations
from mlops.local.poller import begin

ENDPOINT = "endpoint.json"
DEPLOYMENT = "deployment.json"


class BatchEndpointOperations:
    """`ml_client.batch_endpoints`."""

    def __init__(self, state: Path, jobs: BatchJobs):
        self._folder, self._jobs = state / "batch", jobs

    def begin_create_or_update(self, endpoint: BatchEndpoint) -> LROPoller[BatchEndpoint]:
        """Create an endpoint or change its default deployment.

        Raises:
            HttpResponseError: the default deployment does not exist.
        """
        resource = resources.batch_endpoint(endpoint)
        name, default = str(endpoint.name), _default(resource)
        if default and not (self._folder / name / "deployments" / default).exists():
            raise HttpResponseError(f"The batch endpoint {name} has no deployment {default} to make its default.")
        write_json(self._folder / name / ENDPOINT, resource)
        return begin(lambda: self.get(name))

    def get(self, name: str) -> BatchEndpoint:
        """Return an endpoint.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        return resources.batch_endpoint_entity(self._content(name))

    def list(self) -> Iterator[BatchEndpoint]:
        """Return every endpoint."""
        for file in sorted(self._folder.glob(f"*/{ENDPOINT}")):
            yield self.get(file.parent.name)

    def begin_delete(self, name: str) -> LROPoller[None]:
        """Delete an endpoint and its deployments."""
        return begin(lambda: shutil.rmtree(self._folder / name, ignore_errors=True))

    def invoke(self, endpoint_name: str, *, deployment_name: str | None = None, **job: Any) -> BatchJob:
        """Score a folder or file by the deployment named, or else by the default one; `jobs.stream` follows the job.

        Args:
            endpoint_name: the endpoint.
            deployment_name: the deployment, in place of `defaults.deployment_name`.
            job: as in the SDK: `input` or `inputs` (one `Input`), `outputs` (one `Output`, in place of the job's own),
                `job_name`, `experiment_name`, `params_override`.

        Raises:
            ResourceNotFoundError: there is no such endpoint, deployment or input.
        """
        name = deployment_name or _default(self._content(endpoint_name))
        if not name:
            raise ResourceNotFoundError(f"The batch endpoint {endpoint_name} has no default deployment.")
        folder = self._folder / endpoint_name / "deployments" / name
        if not folder.exists():
            raise ResourceNotFoundError(f"There is no deployment {name} of the batch endpoint {endpoint_name}.")
        return self._jobs.start(folder, read_json(folder / DEPLOYMENT), endpoint_name, **job)

    def _content(self, name: str) -> dict[str, Any]:
        file = self._folder / name / ENDPOINT
        if not file.exists():
            raise ResourceNotFoundError(f"There is no batch endpoint {name}.")
        return dict(read_json(file))


class BatchDeploymentOperations:
    """`ml_client.batch_deployments`."""

    def __init__(self, state: Path, models: ModelOperations, environments: EnvironmentOperations):
        self._folder, self._models, self._environments = state / "batch", models, environments

    def begin_create_or_update(self, deployment: BatchDeployment) -> LROPoller[BatchDeployment]:
        """Keep a deployment's code and model for the jobs to come; like Azure, run nothing of it yet.

        Raises:
            ResourceNotFoundError: the endpoint, the model or the environment does not exist.
        """
        endpoint, name = str(deployment.endpoint_name), str(deployment.name)
        if not (self._folder / endpoint / ENDPOINT).exists():
            raise ResourceNotFoundError(f"There is no batch endpoint {endpoint}.")
        model = resources.find_model(deployment.model, self._models)
        resource = resources.deployment(deployment, model, self._environments)
        configuration: Any = deployment.code_configuration
        code = Path(deployment.base_path) / configuration.code

        def work() -> BatchDeployment:
            staging = self._folder / ".staging" / uuid.uuid4().hex
            shutil.copytree(code, staging / "code", ignore=shutil.ignore_patterns("__pycache__"))
            _copy_model(model, staging)
            write_json(staging / DEPLOYMENT, resource)
            replace_folder(staging, self._folder / endpoint / "deployments" / name)
            return self.get(name, endpoint)

        return begin(work)

    def get(self, name: str, endpoint_name: str) -> BatchDeployment:
        """Return a deployment.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        file = self._folder / endpoint_name / "deployments" / name / DEPLOYMENT
        if not file.exists():
            raise ResourceNotFoundError(f"There is no deployment {name} of the batch endpoint {endpoint_name}.")
        return resources.batch_deployment_entity(read_json(file))

    def list(self, endpoint_name: str) -> Iterator[BatchDeployment]:
        """Return an endpoint's deployments."""
        for file in sorted((self._folder / endpoint_name / "deployments").glob(f"*/{DEPLOYMENT}")):
            yield self.get(file.parent.name, endpoint_name)

    def begin_delete(self, name: str, endpoint_name: str) -> LROPoller[None]:
        """Delete a deployment.

        Raises:
            HttpResponseError: it is the endpoint's default.
        """
        if _default(read_json(self._folder / endpoint_name / ENDPOINT)) == name:
            raise HttpResponseError(f"The deployment {name} is the default of {endpoint_name}: make another one that.")
        folder = self._folder / endpoint_name / "deployments" / name
        return begin(lambda: shutil.rmtree(folder, ignore_errors=True))


def _default(endpoint: dict[str, Any]) -> str | None:
    name = (endpoint["properties"].get("defaults") or {}).get("deploymentName")
    return str(name) if name else None


def _copy_model(model: Model, folder: Path) -> None:
    source = Path(str(model.path))
    shutil.copytree(source, folder / "azureml-models" / str(model.name) / str(model.version) / source.name)
