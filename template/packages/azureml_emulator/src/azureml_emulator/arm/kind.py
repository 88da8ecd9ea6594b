"""The common base of resources: their documents, pages of lists, and finished operations."""

from collections.abc import Iterable
from typing import Any

from azureml_emulator.answers import answer
from azureml_emulator.routes import Routes
from azureml_emulator.services import Services
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response

PAGE = 3


class Kind:
    """One kind of resource; `routes` are its requests."""

    routes: Routes

    def __init__(self, arm: Services):
        self.arm, self.documents, self.workspace = arm, arm.documents, arm.workspace

    def named(self, path: str, name: str, properties: dict[str, Any], **more: Any) -> Document:
        """Return a resource's document with the service's own fields."""
        kind, now = "/".join(path.split("/")[::2]), self.arm.clock.now().isoformat()
        return {
            "id": f"{self.workspace.id}/{path}",
            "name": name,
            "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
            "properties": properties,
            "systemData": {
                "createdAt": now,
                "createdBy": "workflow",
                "createdByType": "Application",
                "lastModifiedAt": now,
                "lastModifiedBy": "workflow",
                "lastModifiedByType": "Application",
            },
            **more,
        }


def page(request: Request, documents: Iterable[Document]) -> Response:
    """Return a page of a list, with a link to the next one."""
    everything = list(documents)
    start = int(request.query.get("$skip", "0"))
    content: Document = {"value": everything[start : start + PAGE]}
    if start + PAGE < len(everything):
        joined = "&" if "?" in request.url else "?"
        address = request.url.split("&%24skip=")[0]
        content["nextLink"] = f"{address}{joined}%24skip={start + PAGE}"
    return answer(200, content)
