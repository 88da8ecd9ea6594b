"""Emulates datastores: the workspace's own two, without keys."""

from azureml_emulator.answers import Refused, answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import ARTIFACT_STORE, BLOB_STORE

NAMES = (BLOB_STORE, ARTIFACT_STORE)


class Stores(Kind):
    """`WORKSPACE/datastores`."""

    routes = Routes()

    @routes("GET", "datastores")
    def list(self, request: Request) -> Response:
        """Return the datastores, or only the default one."""
        found = [self.workspace.datastore(name) for name in NAMES]
        if request.query.get("isDefault", "").lower() == "true":
            found = found[:1]
        return page(request, found)

    @routes("GET", "datastores/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return a datastore."""
        if name not in NAMES:
            raise not_found("Datastore", name)
        return answer(200, self.workspace.datastore(name))

    @routes("POST", "datastores/{name}/listSecrets")
    def secrets(self, request: Request, name: str) -> Response:
        """Refuse: a datastore with identity-based access has no secret."""
        raise Refused(400, "UserError", f"The datastore {name} does not have any secrets.")
