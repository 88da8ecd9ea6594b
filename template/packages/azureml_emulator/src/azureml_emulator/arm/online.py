"""Emulates online endpoints: their keys, their traffic, and their host process."""

import json
import secrets
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.host.client import HostClient, HostError
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response


class OnlineEndpoints(Kind):
    """`WORKSPACE/onlineEndpoints/ENDPOINT`."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        self._host: Any = None

    @routes("GET", "onlineEndpoints")
    def list(self, request: Request) -> Response:
        """Return every endpoint."""
        return page(request, [self.find(name) for name in self.documents.names("onlineEndpoints")])

    @routes("GET", "onlineEndpoints/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return an endpoint."""
        return answer(200, self.find(name))

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
        self.control("PUT", f"endpoints/{name}", {"resource": document, "key": key})
        self.documents.put(f"onlineEndpoints/{name}", document)
        return self.arm.operations.begun(200 if known else 201, self.find(name))

    @routes("DELETE", "onlineEndpoints/{name}")
    def delete(self, request: Request, name: str) -> Response:
        """Delete an endpoint with its deployments."""
        self.find(name)
        self.control("DELETE", f"endpoints/{name}")
        self.documents.delete(f"onlineEndpoints/{name}")
        return answer(200)

    @routes("POST", "onlineEndpoints/{name}/listKeys")
    def keys(self, request: Request, name: str) -> Response:
        """Return the keys of an endpoint and make sure that it serves: a host that has ended is started again."""
        self.find(name)
        self.host.ensure()
        key = (self.documents.get(f"onlineEndpoints/{name}") or {})["key"]
        return answer(200, {"primaryKey": key, "secondaryKey": key})

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all rows that deployments have scored are collected, and return whether they are."""
        return not self.documents.names("onlineEndpoints") or bool(self.host.flush(timeout))

    def close(self) -> None:
        """Stop the servers."""
        if self._host:
            self._host.stop()

    @property
    def host(self) -> Any:
        """Return the object that keeps the servers alive; it has `address`, `control`, `ensure`, `flush` and `stop`."""
        if self._host is None:
            self._host = HostClient(self.arm.state)
        return self._host

    @host.setter
    def host(self, host: Any) -> None:
        self._host = host

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to the host and return its answer.

        Raises:
            Refused: the host refused.
        """
        try:
            return self.host.control(method, path, content)
        except HostError as error:
            raise Refused(error.status, "BadRequest", str(error)) from error

    def _check_traffic(self, endpoint: str, traffic: dict[str, int]) -> None:
        known = self.documents.names(f"onlineEndpoints/{endpoint}/deployments")
        missing = [name for name, share in traffic.items() if share and name not in known]
        if missing:
            raise Refused(400, "UserError", f"Traffic names {missing[0]}, but there is no such deployment.")
        if traffic and sum(traffic.values()) not in (0, 100):
            raise Refused(400, "UserError", f"The traffic adds up to {sum(traffic.values())}, not to 0 or 100.")

    def find(self, name: str) -> Document:
        """Return an endpoint without its key.

        Raises:
            Refused: there is none of that name.
        """
        document = self.documents.get(f"onlineEndpoints/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The online endpoint {name} was not found.")
        address = f"{self.host.address}/endpoints/{name}"
        uris = {"scoringUri": f"{address}/score", "swaggerUri": f"{address}/swagger.json"}
        shown = {key: value for key, value in document.items() if key != "key"}
        return shown | {"properties": document["properties"] | uris}
