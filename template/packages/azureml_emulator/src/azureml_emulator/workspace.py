"""Identity of a workspace: its names, and the addresses of its contents."""

from dataclasses import dataclass

from azureml_emulator.state import Document

BLOB_STORE = "workspaceblobstore"
ARTIFACT_STORE = "workspaceartifactstore"


@dataclass(frozen=True)
class Workspace:
    """Subscription, resource group and name of a workspace, and the storage account of its blobs."""

    subscription: str = "00000000-0000-0000-0000-000000000001"
    group: str = "rg-diabetes"
    name: str = "mlw-diabetes"
    location: str = "westeurope"
    guid: str = "22222222-2222-2222-2222-222222222222"
    account: str = "stdiabetes"
    container: str = "azureml-blobstore-22222222"
    artifact_container: str = "azureml"

    @property
    def id(self) -> str:
        """Return the ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    def uri(self, path: str, store: str = BLOB_STORE) -> str:
        """Return the long address of a path in a datastore, in the form that the service writes into assets."""
        return (
            f"azureml://subscriptions/{self.subscription}/resourcegroups/{self.group}"
            f"/workspaces/{self.name}/datastores/{store}/paths/{path}"
        )

    def datastore(self, name: str) -> Document:
        """Return a datastore of the workspace; neither has a key: `systemDatastoresAuthMode` is Identity."""
        container = self.container if name == BLOB_STORE else self.artifact_container
        return {
            "id": f"{self.id}/datastores/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": {
                "credentials": {"credentialsType": "None"},
                "datastoreType": "AzureBlob",
                "isDefault": name == BLOB_STORE,
                "accountName": self.account,
                "containerName": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
            },
        }

    def document(self) -> Document:
        """Return the workspace itself."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "location": self.location,
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {"type": "UserAssigned", "tenantId": "11111111-1111-1111-1111-111111111111"},
            "properties": {
                "workspaceId": self.guid,
                "discoveryUrl": f"https://{self.location}.api.azureml.ms/discovery",
                "mlFlowTrackingUri": f"azureml://{self.location}.api.azureml.ms/mlflow/v1.0{self.id}",
                "storageAccount": f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
                f"/providers/Microsoft.Storage/storageAccounts/{self.account}",
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
                "v1LegacyMode": False,
            },
        }
