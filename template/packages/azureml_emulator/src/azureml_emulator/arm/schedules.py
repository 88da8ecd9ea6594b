"""Emulates monitor schedules."""

import json
import re
from datetime import datetime
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.monitors.run import MonitorJob
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
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
        return answer(200, self.find(name))

    @routes("PUT", "schedules/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Store a schedule after checking all references of its monitor."""
        properties = json.loads(request.body)["properties"]
        self._check(properties["action"])
        known = self.documents.get(f"schedules/{name}")
        document = self.named(f"schedules/{name}", name, properties | {"provisioningState": "Succeeded"})
        target = properties["action"]["monitorDefinition"].get("monitoringTarget")
        same = known and known["properties"]["action"]["monitorDefinition"].get("monitoringTarget") == target
        document["window_start"] = known["window_start"] if known and same else ""
        self.documents.put(f"schedules/{name}", document)
        if not same:
            # Bound to a different deployment: start a new window, so that it excludes rows of the previous one.
            self.documents.put(f"schedules/{name}", document | {"window_start": self.arm.clock.advance().isoformat()})
        return self.arm.operations.begun(200 if known else 201, document)

    @routes("POST", "schedules/{name}/trigger")
    def trigger(self, request: Request, name: str) -> Response:
        """Run a schedule's monitor now, over all rows since its last run, and advance the clock."""
        document = self.find(name)
        self.arm.online.flush()
        start, end = datetime.fromisoformat(document["window_start"]), self.arm.clock.now()
        job = f"{name}-{end:%Y%m%d%H%M%S}"
        run = MonitorJob(self.arm, job, name, document["properties"]["action"], start, end)
        properties = {"jobType": "Pipeline", "displayName": name, "experimentName": name, "tags": {}, "jobs": {}}
        properties["properties"] = {"azureml.scheduleName": name}
        self.arm.jobs.start(job, properties | {"inputs": {}, "outputs": {}}, run.steps, run.run)
        self._open_window(name)
        return answer(200, {"submissionId": job, "scheduleActionType": "CreateMonitor"})

    @routes("DELETE", "schedules/{name}")
    def delete(self, request: Request, name: str) -> Response:
        """Delete a schedule."""
        self.documents.delete(f"schedules/{name}")
        return answer(200)

    def find(self, name: str) -> Document:
        """Return a schedule.

        Raises:
            Refused: there is none of that name.
        """
        document = self.documents.get(f"schedules/{name}")
        if not document:
            raise Refused(404, "UserError", f"The schedule {name} was not found.")
        return document

    def _open_window(self, name: str) -> None:
        document = self.find(name) | {"window_start": self.arm.clock.advance().isoformat()}
        self.documents.put(f"schedules/{name}", document)

    def _check(self, part: Any) -> None:
        """Refuse a reference to something that does not exist; Azure resolves only ids and addresses."""
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
