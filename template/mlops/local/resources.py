"""Entities as a workspace keeps them: checked by the SDK, stored in the REST form, read back as the SDK reads them."""

import copy
import re
from typing import Any, cast

from azure.ai.ml._restclient.arm_ml_service import models as rest
from azure.ai.ml._utils._endpoint_utils import validate_scoring_script
from azure.ai.ml.entities import BatchDeployment, BatchEndpoint, Environment, Model, OnlineDeployment, OnlineEndpoint
from azure.core.exceptions import HttpResponseError

from mlops.local.assets import WORKSPACE, EnvironmentOperations
from mlops.local.datastore import split_reference
from mlops.local.models import ModelOperations

LOCATION = "local"
SUCCEEDED = "Succeeded"
Resource = dict[str, Any]


def online_endpoint(endpoint: OnlineEndpoint) -> Resource:
    """Check an endpoint and return it in the REST form."""
    checked = copy.deepcopy(endpoint)
    # As the SDK does before it sends them.
    checked.traffic = _without_zeroes(checked.traffic)
    checked.mirror_traffic = _without_zeroes(checked.mirror_traffic)
    resource = checked._to_rest_online_endpoint(LOCATION).as_dict()
    return _named(resource, str(endpoint.name), f"onlineEndpoints/{endpoint.name}")


def online_endpoint_entity(resource: Resource, scoring_uri: str, deployments: list[str]) -> OnlineEndpoint:
    """Return an endpoint as the SDK returns it: deployments without traffic have 0."""
    resource["properties"]["scoringUri"] = scoring_uri
    endpoint = OnlineEndpoint._from_rest_object(rest.OnlineEndpoint(resource))
    for name in deployments:
        if not endpoint.mirror_traffic.get(name):
            endpoint.traffic.setdefault(name, 0)
    return endpoint


def batch_endpoint(endpoint: BatchEndpoint) -> Resource:
    """Check a batch endpoint and return it in the REST form."""
    resource = copy.deepcopy(endpoint)._to_rest_batch_endpoint(LOCATION).as_dict()
    return _named(resource, str(endpoint.name), f"batchEndpoints/{endpoint.name}")


def batch_endpoint_entity(resource: Resource) -> BatchEndpoint:
    """Return a batch endpoint as the SDK returns it."""
    return BatchEndpoint._from_rest_object(rest.BatchEndpoint(resource))


def deployment(entity: Any, model: Model, environments: EnvironmentOperations) -> Resource:
    """Check a deployment of either kind and return it in the REST form, its parts named as Azure names them.

    Raises:
        MlException: the scoring script is missing.
        ValidationException: the scoring script or the deployment is wrong.
        ResourceNotFoundError: the environment does not exist.
    """
    kind = "onlineEndpoints" if isinstance(entity, OnlineDeployment) else "batchEndpoints"
    checked = copy.deepcopy(entity)
    checked._validate()
    if not checked.code_configuration:
        raise HttpResponseError("The emulator runs deployments that have a scoring script; this one has none.")
    validate_scoring_script(checked)
    checked.model = f"{WORKSPACE}/models/{model.name}/versions/{model.version}"
    checked.environment = _environment(checked.environment, environments)
    resource = checked._to_rest_object(location=LOCATION).as_dict()
    properties = resource["properties"]
    properties["provisioningState"] = SUCCEEDED
    if kind == "onlineEndpoints":
        # What the service fills in.
        properties.setdefault("scaleSettings", {"scaleType": "Default"})
        for collection in (properties.get("dataCollector") or {"collections": {}})["collections"].values():
            collection["dataCollectionMode"] = collection["dataCollectionMode"].capitalize()
    return _named(resource, str(entity.name), f"{kind}/{entity.endpoint_name}/deployments/{entity.name}")


def online_deployment_entity(resource: Resource) -> OnlineDeployment:
    """Return a deployment as the SDK returns it."""
    entity: Any = OnlineDeployment._from_rest_object(rest.OnlineDeployment(resource))
    return cast(OnlineDeployment, entity)


def batch_deployment_entity(resource: Resource) -> BatchDeployment:
    """Return a batch deployment as the SDK returns it."""
    entity: Any = BatchDeployment._from_rest_object(rest.BatchDeployment(resource))
    return cast(BatchDeployment, entity)


def find_model(reference: Any, models: ModelOperations) -> Model:
    """Return the registered model that a deployment names.

    Raises:
        ResourceNotFoundError: it does not exist.
    """
    if isinstance(reference, Model):
        return models.get(str(reference.name), str(reference.version))
    if "/models/" in reference:
        name, _, version = reference.partition("/models/")[2].partition("/versions/")
    else:
        name, version = split_reference(reference)
    return models.get(name.removesuffix("@latest"), version, label=None if version else "latest")


def seconds(duration: str) -> float:
    """Return an ISO duration, as the REST form has them, in seconds."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", duration)
    assert found, duration
    hours, minutes, rest_of_it = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + rest_of_it


def _environment(reference: Any, environments: EnvironmentOperations) -> str:
    if isinstance(reference, Environment):
        reference._to_rest_object()
        return f"{WORKSPACE}/environments/{reference.name or 'anonymous'}"
    if reference.startswith(("/", "azureml://")):
        return str(reference)
    name, version = split_reference(reference)
    found = environments.get(name, version, label=None if version else "latest")
    return f"{WORKSPACE}/environments/{found.name}/versions/{found.version}"


def _named(resource: Resource, name: str, path: str) -> Resource:
    resource["properties"]["provisioningState"] = SUCCEEDED
    return resource | {"name": name, "id": f"{WORKSPACE}/{path}"}


def _without_zeroes(traffic: dict[str, Any]) -> dict[str, int]:
    return {name.lower(): int(share) for name, share in (traffic or {}).items() if share and int(share)}
