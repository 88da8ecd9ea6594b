"""Parses a request to Resource Manager and dispatches it to its kind of resource."""

import re
from pathlib import Path

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.assets import Assets
from azureml_emulator.arm.batch import BatchEndpoints
from azureml_emulator.arm.jobs import Jobs
from azureml_emulator.arm.metrics import Metrics
from azureml_emulator.arm.models import Models
from azureml_emulator.arm.online import OnlineEndpoints
from azureml_emulator.arm.online_deployments import OnlineDeployments
from azureml_emulator.arm.schedules import Schedules
from azureml_emulator.arm.stores import Stores
from azureml_emulator.clock import Clock
from azureml_emulator.events.queue import EventQueue
from azureml_emulator.operations import Operations
from azureml_emulator.state import Documents
from azureml_emulator.storage import BlobStorage
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import Workspace

SCOPE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)(/resourceGroups/(?P<group>[^/]+)"
    r"(/providers/Microsoft\.MachineLearningServices/workspaces/(?P<name>[^/]+)(?P<below>/.*)?)?)?",
    re.IGNORECASE,
)


OPERATION = re.compile(
    r"/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/mfeOperation(Status|sStatus)/(?P<name>[^/]+)"
)
LONG = re.compile(r"azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/datastores/([^/]+)/paths/(.*)")


class ResourceManager:
    """The part of `management.azure.com` that concerns one workspace."""

    def __init__(self, state: Path, workspace: Workspace, storage: BlobStorage):
        self.state, self.workspace, self.storage = state, workspace, storage
        self.documents = Documents(state / "arm")
        self.clock = Clock(state)
        self.events = EventQueue(state)
        self.operations = Operations(self.documents, workspace)
        self.assets = Assets(self)
        self.models = Models(self)
        self.jobs = Jobs(self)
        self.online = OnlineEndpoints(self)
        self.deployments = OnlineDeployments(self)
        self.metrics = Metrics(self)
        self.batch = BatchEndpoints(self)
        self.schedules = Schedules(self)
        self._services = [
            Stores(self),
            self.models,
            self.assets,
            self.jobs,
            self.online,
            self.deployments,
            self.metrics,
            self.batch,
            self.schedules,
        ]

    def __call__(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            Refused: Azure would refuse the request.
        """
        operation = OPERATION.fullmatch(request.path)
        if operation:
            return self.operations.status(request, operation["name"])
        found = SCOPE.fullmatch(request.path)
        if not found:
            raise Refused(404, "NotFound", f"The emulator does not know {request.method} {request.path}.")
        self._check_scope(found["subscription"], found["group"], found["name"])
        below = (found["below"] or "").strip("/")
        if not below:
            return answer(200, self.workspace.document())
        for service in self._services:
            response = service.routes.answer(service, request, below)
            if response is not None:
                return response
        raise Refused(501, "NotEmulated", f"The emulator does not know {request.method} {request.url}.")

    def path_of(self, reference: str) -> Path:
        """Return the folder or file of a data asset's id or of a datastore's address.

        Raises:
            Refused: there is no such asset.
        """
        if "/data/" in reference and "/versions/" in reference and not reference.startswith("azureml://"):
            return self.path(self.assets.resolve(reference, "data")["properties"]["dataUri"])
        return self.path(reference)

    def path(self, address: str) -> Path:
        """Return the folder or file that a datastore's address names.

        Raises:
            Refused: it is not an address of a datastore.
        """
        found = LONG.fullmatch(self.assets.long(address))
        if not found:
            raise Refused(400, "UserError", f"The emulator cannot open {address}.")
        container = self.workspace.datastore(found[1])["properties"]["containerName"]
        return self.storage.folder(container) / found[2]

    def _check_scope(self, subscription: str, group: str, name: str) -> None:
        here = self.workspace
        if subscription.lower() != here.subscription.lower():
            raise Refused(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
        if group.lower() != here.group.lower():
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        if name.lower() != here.name.lower():
            kind = f"Microsoft.MachineLearningServices/workspaces/{name}"
            message = (
                f"The Resource '{kind}' under resource group '{group}' was not found. "
                "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            )
            raise Refused(404, "ResourceNotFound", message)
