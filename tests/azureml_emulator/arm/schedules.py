"""Monitor schedules."""

import json
import re
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.transport import Request, Response

ASSET = re.compile(r"/subscriptions/.*/(?P<kind>data|components|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")


class Schedules(Kind):
    """`WORKSPACE/schedules/NAME`."""

    routes = Routes()

    @routes("GET", "schedules")
    def list(self, request: Request) -> Response:
        """Return every schedule."""
        return page(request, [found for _, found in self.documents.all("schedules")])

    @routes("GET", "schedules/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return a schedule."""
        document = self.documents.get(f"schedules/{name}")
        if not document:
            raise Refused(404, "UserError", f"The schedule {name} was not found.")
        return answer(200, document)

    @routes("PUT", "schedules/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Keep a schedule whose monitor names nothing that does not exist."""
        properties = json.loads(request.body)["properties"]
        self._check(properties["action"])
        known = self.documents.get(f"schedules/{name}")
        document = self.named(f"schedules/{name}", name, properties | {"provisioningState": "Succeeded"})
        self.documents.put(f"schedules/{name}", document)
        return self.arm.operations.begun(200 if known else 201, document)

    @routes("DELETE", "schedules/{name}")
    def delete(self, request: Request, name: str) -> Response:
        """Delete a schedule."""
        self.documents.delete(f"schedules/{name}")
        return answer(200)

    def _check(self, part: Any) -> None:
        """Refuse a reference that names nothing; Azure resolves only ids and addresses."""
        if isinstance(part, list):
            for item in part:
                self._check(item)
        if not isinstance(part, dict):
            return
        for key, value in part.items():
            if key in ("uri", "componentId", "modelId", "deploymentId", "preprocessingComponentId") and value:
                self._check_reference(key, str(value))
            else:
                self._check(value)

    def _check_reference(self, key: str, reference: str) -> None:
        found = ASSET.fullmatch(reference)
        if found and found["kind"] == "models":
            self.arm.models.find(found["name"], found["version"])
        elif found:
            self.arm.assets.find(found["kind"], found["name"], found["version"])
        elif key == "deploymentId" and "/onlineEndpoints/" in reference:
            endpoint, _, name = reference.partition("/onlineEndpoints/")[2].partition("/deployments/")
            if not self.documents.get(f"onlineEndpoints/{endpoint}/deployments/{name}"):
                raise Refused(404, "UserError", f"The deployment {name} of {endpoint} was not found.")
        elif not reference.startswith("azureml://"):
            raise Refused(400, "UserError", f"The monitor's {key} {reference} is neither an id nor an address.")
