"""Online endpoints and deployments: real inference servers on this machine, behind the router of the host process."""

import json
import secrets
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response

MOST_DEPLOYMENTS = 20


@dataclass(frozen=True)
class DeployedModel:
    """The model of a deployment."""

    name: str
    version: str


class OnlineEndpoints(Kind):
    """`WORKSPACE/onlineEndpoints/ENDPOINT/deployments/DEPLOYMENT`."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        self._host: Any = None
        # How many deployments the subscription has quota for.
        self.quota = MOST_DEPLOYMENTS

    @routes("GET", "onlineEndpoints")
    def list(self, request: Request) -> Response:
        """Return every endpoint."""
        return page(request, [self._endpoint(name) for name in self.documents.names("onlineEndpoints")])

    @routes("GET", "onlineEndpoints/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return an endpoint."""
        return answer(200, self._endpoint(name))

    @routes("PUT", "onlineEndpoints/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Create an endpoint or change its traffic."""
        body = json.loads(request.body)
        known = self.documents.get(f"onlineEndpoints/{name}")
        key = known["key"] if known else secrets.token_urlsafe(32)
        properties = body["properties"]
        self._check_traffic(name, properties.get("traffic") or {})
        document = self.named(
            f"onlineEndpoints/{name}",
            name,
            properties | {"provisioningState": "Succeeded"},
            location=body.get("location", self.workspace.location),
            identity=body.get("identity"),
            tags=body.get("tags") or {},
            key=key,
        )
        self._control("PUT", f"endpoints/{name}", {"resource": document, "key": key})
        self.documents.put(f"onlineEndpoints/{name}", document)
        return self.arm.operations.begun(200 if known else 201, self._endpoint(name))

    @routes("DELETE", "onlineEndpoints/{name}")
    def delete(self, request: Request, name: str) -> Response:
        """Delete an endpoint with its deployments."""
        self._endpoint(name)
        self._control("DELETE", f"endpoints/{name}")
        self.documents.delete(f"onlineEndpoints/{name}")
        return answer(200)

    @routes("POST", "onlineEndpoints/{name}/listKeys")
    def keys(self, request: Request, name: str) -> Response:
        """Return the keys of an endpoint."""
        self._endpoint(name)
        key = (self.documents.get(f"onlineEndpoints/{name}") or {})["key"]
        return answer(200, {"primaryKey": key, "secondaryKey": key})

    @routes("GET", "onlineEndpoints/{endpoint}/deployments")
    def deployments(self, request: Request, endpoint: str) -> Response:
        """Return the deployments of an endpoint, failed ones too."""
        self._endpoint(endpoint)
        return page(request, [found for _, found in self.documents.all(f"onlineEndpoints/{endpoint}/deployments")])

    @routes("GET", "onlineEndpoints/{endpoint}/deployments/{name}")
    def deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Return a deployment."""
        return answer(200, self._deployment(endpoint, name))

    @routes("PUT", "onlineEndpoints/{endpoint}/deployments/{name}")
    def put_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Start a deployment.

        Raises:
            Refused: what it names was never registered, or the quota is used up.
        """
        self._endpoint(endpoint)
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
        content = self._staged(document, properties)
        status = 200 if self.documents.get(path) else 201
        failure = None
        try:
            self._control("PUT", f"endpoints/{endpoint}/deployments/{name}", content)
        except Refused as refused:
            failure = refused
        properties["provisioningState"] = "Failed" if failure else "Succeeded"
        self.documents.put(path, document)
        return self.arm.operations.begun(status, document, failure)

    @routes("DELETE", "onlineEndpoints/{endpoint}/deployments/{name}")
    def delete_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Delete a deployment that has no traffic."""
        self._deployment(endpoint, name)
        if (self._endpoint(endpoint)["properties"].get("traffic") or {}).get(name):
            message = f"The deployment {name} has traffic. Set its traffic to 0 before you delete it."
            raise Refused(400, "UserError", message)
        self._control("DELETE", f"endpoints/{endpoint}/deployments/{name}")
        self.documents.delete(f"onlineEndpoints/{endpoint}/deployments/{name}")
        return answer(200)

    @routes("POST", "onlineEndpoints/{endpoint}/deployments/{name}/getLogs")
    def logs(self, request: Request, endpoint: str, name: str) -> Response:
        """Return the end of a deployment's log."""
        self._deployment(endpoint, name)
        return answer(200, {"content": ""})

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what deployments have scored is collected too, and return whether it is."""
        return self._host is None or bool(self._host.flush(timeout))

    def close(self) -> None:
        """Stop the servers."""
        if self._host:
            self._host.stop()

    @property
    def host(self) -> Any:
        """Return what keeps the servers alive: an object with `address`, `control` and `stop`."""
        if self._host is None:
            from mlops.local.hosting import Hosting

            state = self.arm.state / "hosting"
            store = state / "datastores" / "workspaceblobstore"
            if not store.is_symlink():
                store.parent.mkdir(parents=True, exist_ok=True)
                blobs = self.arm.storage.folder(self.workspace.account, self.workspace.container)
                blobs.mkdir(parents=True, exist_ok=True)
                # What deployments collect lies in the workspace's storage.
                store.symlink_to(blobs)
            self._host = Hosting(state)
            if self.documents.names("onlineEndpoints"):
                # The servers end with the process that started them, the endpoints do not.
                self._host.ensure()
        return self._host

    @host.setter
    def host(self, host: Any) -> None:
        self._host = host

    def _control(self, method: str, path: str, content: Any = None) -> None:
        from azure.core.exceptions import HttpResponseError

        try:
            self.host.control(method, path, content)
        except HttpResponseError as error:
            raise Refused(int(error.status_code or 400), "BadRequest", str(error.message)) from error

    def _check_traffic(self, endpoint: str, traffic: dict[str, int]) -> None:
        known = self.documents.names(f"onlineEndpoints/{endpoint}/deployments")
        missing = [name for name, share in traffic.items() if share and name not in known]
        if missing:
            raise Refused(400, "UserError", f"Traffic names {missing[0]}, but there is no such deployment.")
        if traffic and sum(traffic.values()) not in (0, 100):
            raise Refused(400, "UserError", f"The traffic adds up to {sum(traffic.values())}, not to 0 or 100.")

    def _endpoint(self, name: str) -> Document:
        document = self.documents.get(f"onlineEndpoints/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The online endpoint {name} was not found.")
        address = f"{self.host.address}/endpoints/{name}"
        uris = {"scoringUri": f"{address}/score", "swaggerUri": f"{address}/swagger.json"}
        shown = {key: value for key, value in document.items() if key != "key"}
        return shown | {"properties": document["properties"] | uris}

    def _deployment(self, endpoint: str, name: str) -> Document:
        self._endpoint(endpoint)
        document = self.documents.get(f"onlineEndpoints/{endpoint}/deployments/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The deployment {name} of {endpoint} was not found.")
        return document

    def _staged(self, document: Document, properties: dict[str, Any]) -> dict[str, Any]:
        """Lay a deployment's code and model out for the host, as a container has them."""
        from mlops.local.deployment import _specification

        name, _, version = str(properties["model"]).partition("/models/")[2].partition("/versions/")
        found = self.arm.models.find(name, version)
        self.arm.assets.resolve(properties["environmentId"], "environments")
        code = self.arm.assets.resolve(properties["codeConfiguration"]["codeId"], "codes")["properties"]["codeUri"]
        specification = _specification(
            document, DeployedModel(name, version), properties["codeConfiguration"]["scoringScript"]
        )
        staging = self.arm.state / "staging" / uuid.uuid4().hex
        shutil.copytree(self.arm.storage.at(code), staging / "code", ignore=shutil.ignore_patterns(".emulator"))
        source = self.arm.path(found["properties"]["modelUri"])
        shutil.copytree(source, staging / specification["model"] / Path(source).name)
        return {"resource": document, "specification": specification, "staging": str(staging)}


def filled_in(properties: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment's properties with what the service adds and respells."""
    filled = dict(properties)
    filled.setdefault("scaleSettings", {"scaleType": "Default"})
    for collection in (filled.get("dataCollector") or {"collections": {}})["collections"].values():
        collection["dataCollectionMode"] = collection["dataCollectionMode"].capitalize()
    return filled
