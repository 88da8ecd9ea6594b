"""Emulates long-running operations: an answer names an address, which returns the state of the operation."""

import uuid

from azureml_emulator.answers import Refused, answer
from azureml_emulator.state import Document, Documents
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import Workspace


class Operations:
    """Operations that have ended before the first poll; the first `slow` polls of each return InProgress."""

    def __init__(self, documents: Documents, workspace: Workspace):
        self._documents, self._workspace = documents, workspace
        self.slow = 0

    def begun(self, status: int, document: Document | None, failure: Refused | None = None) -> Response:
        """Answer a request that has started an operation."""
        name = str(uuid.uuid4())
        ended: Document = {"id": name, "name": name, "status": "Failed" if failure else "Succeeded", "left": self.slow}
        if failure:
            ended["error"] = {"code": failure.code, "message": failure.message}
        self._documents.put(f"operations/{name}", ended)
        base = (
            f"https://management.azure.com/subscriptions/{self._workspace.subscription}/providers/"
            f"Microsoft.MachineLearningServices/locations/{self._workspace.location}"
        )
        headers = {
            "Azure-AsyncOperation": f"{base}/mfeOperationsStatus/{name}?api-version=2023-04-01-preview",
            "Location": f"{base}/mfeOperationResults/{name}?api-version=2023-04-01-preview",
            "x-ms-async-operation-timeout": "PT1H30M",
        }
        return answer(status, document, **headers)

    def status(self, request: Request, name: str) -> Response:
        """Return the state of an operation."""
        document = self._documents.get(f"operations/{name}")
        if document is None:
            raise Refused(404, "UserError", f"There is no operation {name}.")
        if document["left"]:
            document["left"] -= 1
            self._documents.put(f"operations/{name}", document)
            return answer(200, {"id": name, "name": name, "status": "InProgress"})
        return answer(200, {key: value for key, value in document.items() if key != "left"})
