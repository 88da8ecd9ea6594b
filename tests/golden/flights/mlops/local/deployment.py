"""Deployments of online endpoints on the laptop: the SDK's operations, carried out by the host process."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azure.ai.ml.entities import Data, Model, OnlineDeployment
from azure.core.exceptions import ResourceNotFoundError
from azure.core.polling import LROPoller

from mlops.files import read_json
from mlops.local import resources
from mlops.local.assets import DataOperations, EnvironmentOperations
from mlops.local.hosting import Hosting
from mlops.local.models import ModelOperations
from mlops.local.poller import begin
from mlops.local.resources import seconds
from mlops.local.traffic import Statistics

LOG = "log.txt"
COLLECTED = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"


class OnlineDeploymentOperations:
    """`ml_client.online_deployments`."""

    def __init__(
        self,
        state: Path,
        hosting: Hosting,
        models: ModelOperations,
        environments: EnvironmentOperations,
        data: DataOperations,
    ):
        self._state, self._hosting = state, hosting
        self._models, self._environments, self._data = models, environments, data

    def begin_create_or_update(self, deployment: OnlineDeployment) -> LROPoller[OnlineDeployment]:
        """Start a deployment; one of the same name serves until the new one does.

        Raises:
            ResourceNotFoundError: the endpoint, the model or the environment does not exist.

        Raises (from `result()`):
            HttpResponseError: it does not come up; the message ends with the server's log. Nothing keeps running.
        """
        endpoint, name = str(deployment.endpoint_name), str(deployment.name)
        if not (self._state / "online" / "endpoints" / endpoint / "endpoint.json").exists():
            raise ResourceNotFoundError(f"There is no online endpoint {endpoint}.")
        model = resources.find_model(deployment.model, self._models)
        resource = resources.deployment(deployment, model, self._environments)
        configuration: Any = deployment.code_configuration
        code = Path(deployment.base_path) / configuration.code
        specification = _specification(resource, model, configuration.scoring_script)
        # As the SDK does before it deploys.
        for collection in (resource["properties"].get("dataCollector") or {"collections": ()})["collections"]:
            path = f"{COLLECTED}/{endpoint}/{name}/{collection}"
            self._data.create_or_update(
                Data(name=f"{endpoint}-{name}-{collection}", version="1", type="uri_folder", path=path)
            )

        def work() -> OnlineDeployment:
            self._hosting.ensure()
            staging = self._state / "online" / "staging" / uuid.uuid4().hex
            shutil.copytree(code, staging / "code", ignore=shutil.ignore_patterns("__pycache__"))
            source = Path(str(model.path))
            shutil.copytree(source, staging / specification["model"] / source.name)
            content = {"resource": resource, "specification": specification, "staging": str(staging)}
            try:
                self._hosting.control("PUT", f"endpoints/{endpoint}/deployments/{name}", content)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            return self.get(name, endpoint)

        return begin(work)

    def get(self, name: str, endpoint_name: str) -> OnlineDeployment:
        """Return a deployment.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        return resources.online_deployment_entity(self._content(name, endpoint_name)["resource"])

    def list(self, endpoint_name: str) -> Iterator[OnlineDeployment]:
        """Return an endpoint's deployments, failed ones too."""
        folder = self._state / "online" / "endpoints" / endpoint_name / "deployments"
        for file in sorted(folder.glob("*/deployment.json")):
            yield self.get(file.parent.name, endpoint_name)

    def begin_delete(self, name: str, endpoint_name: str) -> LROPoller[None]:
        """Delete a deployment once it has answered what is under way; what it collected stays.

        Raises (from `result()`):
            HttpResponseError: it has traffic.
        """
        path = f"endpoints/{endpoint_name}/deployments/{name}"
        return begin(lambda: self._hosting.control("DELETE", path) and None)

    def get_logs(self, name: str, endpoint_name: str, lines: int) -> str:
        """Return the end of the server's log."""
        log = self._folder(name, endpoint_name) / self._content(name, endpoint_name)["generation"] / LOG
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def statistics(self, name: str, endpoint_name: str, last_seconds: float | None = None) -> Statistics:
        """Return what the router has seen of a deployment, since it started or lately.

        The SDK has no such method: on Azure these are the endpoint's metrics in Azure Monitor.
        """
        query = f"?last_seconds={last_seconds}" if last_seconds is not None else ""
        path = f"endpoints/{endpoint_name}/deployments/{name}/statistics{query}"
        return Statistics(**self._hosting.control("GET", path))

    def _folder(self, name: str, endpoint_name: str) -> Path:
        return self._state / "online" / "endpoints" / endpoint_name / "deployments" / name

    def _content(self, name: str, endpoint_name: str) -> dict[str, Any]:
        file = self._folder(name, endpoint_name) / "deployment.json"
        if not file.exists():
            raise ResourceNotFoundError(f"There is no deployment {name} of the online endpoint {endpoint_name}.")
        return dict(read_json(file))


def _specification(resource: dict[str, Any], model: Model, script: str) -> dict[str, Any]:
    """Return what the host has to know, Azure's defaults filled in."""
    properties = resource["properties"]
    requests = properties.get("requestSettings") or {}
    probe = properties.get("readinessProbe") or {}
    collections = (properties.get("dataCollector") or {"collections": {}})["collections"]
    attempts, period = probe.get("failureThreshold", 30), seconds(probe.get("period", "PT10S"))
    return {
        "script": script,
        "model": f"azureml-models/{model.name}/{model.version}",
        "variables": properties.get("environmentVariables") or {},
        "collections": {
            name: collection.get("samplingRate") or 1.0
            for name, collection in collections.items()
            if collection["dataCollectionMode"] == "Enabled"
        },
        "source": resource["id"],
        "concurrency": requests.get("maxConcurrentRequestsPerInstance", 1) * resource["sku"].get("capacity", 1),
        "timeout": seconds(requests.get("requestTimeout", "PT5S")),
        "patience": seconds(probe.get("initialDelay", "PT10S")) + attempts * period,
    }
