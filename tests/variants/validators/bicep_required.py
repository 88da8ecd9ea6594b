"""Required settings of Azure resources: without them Azure accepts an insecure, expensive or useless resource."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from bicep_values import parse

# Any value is accepted.
SOME = object()
ROLE = {"scope": SOME, "properties/principalType": SOME}

# By resource type: the required properties of each resource, and their values; slashes separate nested objects.
REQUIRED: dict[str, dict[str, Any]] = {
    "Microsoft.Authorization/roleAssignments": ROLE,
    "Microsoft.Consumption/budgets": {
        f"properties/notifications/{name}/{key}": value
        for name, kind in {"spent": "Actual", "forecast": "Forecasted"}.items()
        for key, value in {"enabled": True, "thresholdType": kind}.items()
    },
    "Microsoft.ContainerRegistry/registries": {"properties/adminUserEnabled": False},
    "Microsoft.EventGrid/systemTopics": {
        "identity/type": "SystemAssigned",
        "properties/source": SOME,
        "properties/topicType": "Microsoft.MachineLearningServices.Workspaces",
    },
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": {
        "properties/destination": SOME,
        "properties/eventDeliverySchema": "EventGridSchema",
        "properties/filter": SOME,
        "properties/retryPolicy": SOME,
        "properties/deadLetterWithResourceIdentity": SOME,
        "dependsOn": ["deadLetterRole"],
    },
    "Microsoft.KeyVault/vaults": {
        "properties/enableRbacAuthorization": True,
        "properties/enableSoftDelete": True,
        "properties/softDeleteRetentionInDays": 7,
    },
    "Microsoft.Logic/workflows": {
        "identity/type": "SystemAssigned",
        "properties/state": "Enabled",
        "properties/definition": SOME,
        "properties/parameters/repository/value": SOME,
        "properties/parameters/tokenUri/value": SOME,
    },
    "Microsoft.MachineLearningServices/workspaces": {
        "identity/type": "UserAssigned",
        "properties/primaryUserAssignedIdentity": SOME,
        "properties/storageAccount": SOME,
        "properties/keyVault": SOME,
        "properties/applicationInsights": SOME,
        "properties/containerRegistry": SOME,
        "properties/systemDatastoresAuthMode": "Identity",
        # A workspace checks its permissions when it is created.
        "dependsOn": ["storageRoles", "vaultRoles", "registryRole", "insightsRole"],
    },
    "Microsoft.MachineLearningServices/workspaces/computes": {
        "location": SOME,
        "identity/type": "SystemAssigned",
        "properties/properties/vmSize": SOME,
        "properties/properties/vmPriority": "Dedicated",
        "properties/properties/remoteLoginPortPublicAccess": "Disabled",
        "properties/properties/scaleSettings/minNodeCount": 0,
        "properties/properties/scaleSettings/maxNodeCount": SOME,
        "properties/properties/scaleSettings/nodeIdleTimeBeforeScaleDown": SOME,
    },
    "Microsoft.OperationalInsights/workspaces": {"properties/sku/name": "PerGB2018", "properties/retentionInDays": 30},
    "Microsoft.Storage/storageAccounts": {
        "properties/allowBlobPublicAccess": False,
        "properties/allowSharedKeyAccess": False,
        "properties/defaultToOAuthAuthentication": True,
        "properties/minimumTlsVersion": "TLS1_2",
        "properties/supportsHttpsTrafficOnly": True,
    },
    # The monitor cannot read a storage account with soft delete.
    "Microsoft.Storage/storageAccounts/blobServices": {"properties/deleteRetentionPolicy/enabled": False},
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties/publicAccess": "None"},
    "Microsoft.Web/serverfarms": {
        "kind": "functionapp",
        "sku/name": "FC1",
        "sku/tier": "FlexConsumption",
        "properties/reserved": True,
    },
    "Microsoft.Web/sites": {
        "kind": "functionapp,linux",
        "identity/type": "SystemAssigned",
        "properties/serverFarmId": SOME,
        "properties/httpsOnly": True,
        "properties/functionAppConfig/deployment/storage/type": "blobContainer",
        "properties/functionAppConfig/deployment/storage/value": SOME,
        "properties/functionAppConfig/deployment/storage/authentication/type": "SystemAssignedIdentity",
        "properties/functionAppConfig/runtime/name": "python",
        "properties/functionAppConfig/runtime/version": SOME,
        "properties/functionAppConfig/scaleAndConcurrency/maximumInstanceCount": SOME,
        "properties/functionAppConfig/scaleAndConcurrency/instanceMemoryMB": SOME,
        "properties/siteConfig/minTlsVersion": "1.2",
    },
}
# learn.microsoft.com/azure/role-based-access-control/built-in-roles: the only roles that a project may assign.
ROLES = {
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05",  # Monitoring Reader
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",  # Key Vault Administrator
    "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
    "69566ab7-960f-475b-8e7c-b3118f30c6bd",  # Storage File Data Privileged Contributor
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",  # AcrPull
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
    "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    "f6c7c914-8db3-469d-8ca1-694a8f32e121",  # AzureML Data Scientist
}
GUID_LENGTH = 36


@cache
def missing(text: str) -> tuple[str, ...]:
    """Return the missing or different settings of a Bicep file."""
    return tuple(_missing(parse(text)))


def _missing(content: dict[str, Any]) -> Iterator[str]:
    for name, resource in content.get("resources", {}).items():
        body = _body(resource["config"])
        if "name" not in body:
            yield f"{name}: it has no name"
        if resource["type"].count("/") > 1 and "parent" not in body:
            yield f"{name}: it has no parent"
        if not resource["existing"]:
            yield from (f"{name}: {what}" for what in _wrong(body, REQUIRED.get(resource["type"], {})))
    for name, parameter in content.get("parameters", {}).items():
        # The address of a Logic App is sufficient to call it.
        if name == "destination" and not any(decorator["type"] == "secure" for decorator in parameter["decorators"]):
            yield f"{name}: everybody who can read deployments can read it: it needs @secure()"
    for text in _texts([variable["value"] for variable in content.get("variables", {}).values()]):
        if len(text) >= GUID_LENGTH and text.count("-") == 4 and text not in ROLES:
            yield f"{text} is not a role that a project may assign"


def _body(config: Any) -> dict[str, Any]:
    while "config" in config:
        config = config["config"]
    return dict(config)


def _wrong(body: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for path, value in wanted.items():
        found: Any = body
        for key in path.split("/"):
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            yield f"{path.replace('/', '.')} is missing"
        elif value is not SOME and found != value:
            yield f"{path.replace('/', '.')} is {found!r}, not {value!r}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _texts(part)
