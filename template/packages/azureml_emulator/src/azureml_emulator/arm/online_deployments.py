"""Emulates online deployments with real inference servers on this machine."""

import json
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.files import log_tail
from azureml_emulator.host.layout import deployment_folder
from azureml_emulator.host.staging import Contents, staged
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import BLOB_STORE

MOST_DEPLOYMENTS = 20


class OnlineDeployments(Kind):
    """`WORKSPACE/onlineEndpoints/ENDPOINT/deployments/DEPLOYMENT`."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        # The subscription's quota of deployments.
        self.quota = MOST_DEPLOYMENTS

    @routes("GET", "onlineEndpoints/{endpoint}/deployments")
    def deployments(self, request: Request, endpoint: str) -> Response:
        """Return the deployments of an endpoint, failed ones too."""
        self.arm.online.find(endpoint)
        return page(request, [found for _, found in self.documents.all(f"onlineEndpoints/{endpoint}/deployments")])

    @routes("GET", "onlineEndpoints/{endpoint}/deployments/{name}")
    def deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Return a deployment."""
        return answer(200, self.find(endpoint, name))

    @routes("PUT", "onlineEndpoints/{endpoint}/deployments/{name}")
    def put_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Start a deployment.

        Raises:
            Refused: an asset was never registered, or the quota is used up.
        """
        self.arm.online.find(endpoint)
        path = f"onlineEndpoints/{endpoint}/deployments/{name}"
        if not self.documents.get(path) and len(self.documents.names(path.rpartition("/")[0])) >= self.quota:
            message = "Not enough quota available for Standard_DS2_v2 in SubscriptionQuota."
            raise Refused(400, "OutOfQuota", message)
        body = json.loads(request.body)
        properties = filled_in(body["properties"])
        document = self.named(
            path,
            name,
            properties,
            location=body.get("location", self.workspace.location),
            sku=body["sku"],
            tags=body.get("tags") or {},
        )
        # A host that starts deletes the staging folders of others.
        self.arm.online.host.ensure()
        collected = self.arm.path(f"azureml://datastores/{BLOB_STORE}/paths/modelDataCollector/{endpoint}/{name}")
        content = staged(self.arm.state, document, self._contents(properties), collected)
        status = 200 if self.documents.get(path) else 201
        failure = None
        try:
            self.arm.online.control("PUT", f"endpoints/{endpoint}/deployments/{name}", content)
        except Refused as refused:
            failure = refused
        properties["provisioningState"] = "Failed" if failure else "Succeeded"
        self.documents.put(path, document)
        return self.arm.operations.begun(status, document, failure)

    @routes("DELETE", "onlineEndpoints/{endpoint}/deployments/{name}")
    def delete_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Delete a deployment that has no traffic."""
        self.find(endpoint, name)
        if (self.arm.online.find(endpoint)["properties"].get("traffic") or {}).get(name):
            message = f"The deployment {name} has traffic. Set its traffic to 0 before you delete it."
            raise Refused(400, "UserError", message)
        self.arm.online.control("DELETE", f"endpoints/{endpoint}/deployments/{name}")
        self.documents.delete(f"onlineEndpoints/{endpoint}/deployments/{name}")
        return answer(200)

    @routes("POST", "onlineEndpoints/{endpoint}/deployments/{name}/getLogs")
    def logs(self, request: Request, endpoint: str, name: str) -> Response:
        """Return the end of a deployment's log."""
        self.find(endpoint, name)
        folder = deployment_folder(self.arm.state, endpoint, name)
        logs = sorted(folder.glob("*/log.txt"), key=lambda file: file.stat().st_mtime)
        lines = int(json.loads(request.body or b"{}").get("tail") or 5000)
        return answer(200, {"content": log_tail(logs[-1], lines) if logs else ""})

    def find(self, endpoint: str, name: str) -> Document:
        """Return a deployment.

        Raises:
            Refused: there is no such endpoint, or no such deployment of it.
        """
        self.arm.online.find(endpoint)
        document = self.documents.get(f"onlineEndpoints/{endpoint}/deployments/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The deployment {name} of {endpoint} was not found.")
        return document

    def _contents(self, properties: dict[str, Any]) -> Contents:
        name, _, version = str(properties["model"]).partition("/models/")[2].partition("/versions/")
        model = self.arm.models.find(name, version)
        self.arm.assets.check(properties["environmentId"], "environments")
        code = self.arm.assets.resolve(properties["codeConfiguration"]["codeId"], "codes")["properties"]["codeUri"]
        return Contents(
            code=self.arm.storage.at(code),
            script=properties["codeConfiguration"]["scoringScript"],
            model=self.arm.path(model["properties"]["modelUri"]),
            model_name=name,
            model_version=version,
        )


def filled_in(properties: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment's properties with the values that the service adds or spells differently."""
    filled = dict(properties)
    filled.setdefault("scaleSettings", {"scaleType": "Default"})
    for collection in (filled.get("dataCollector") or {"collections": {}})["collections"].values():
        collection["dataCollectionMode"] = collection["dataCollectionMode"].capitalize()
    return filled
