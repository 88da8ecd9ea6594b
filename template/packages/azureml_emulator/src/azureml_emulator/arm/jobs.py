"""Jobs: pipelines and batch scoring, with their steps as run history shows them."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from azureml_emulator.answers import Refused, answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.jobs.pipeline import Pipeline
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response

FINAL = ("Completed", "Failed", "Canceled")


class Jobs(Kind):
    """`WORKSPACE/jobs/NAME`; runs are documents of their own under `runs/`, as children are in run history."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        # A test that wants a job to end otherwise sets how, and no step of it runs.
        self.ends: str = ""
        # Documents that a list returns besides, such as those of kinds of job that the SDK cannot read.
        self.strangers: list[Document] = []
        self._threads: dict[str, threading.Thread] = {}

    @routes("GET", "jobs")
    def list(self, request: Request) -> Response:
        """Return every job that is no step of another, the newest first."""
        found = [document for _, document in self.documents.all("jobs")]
        return page(request, [*self.strangers, *found[::-1]])

    @routes("GET", "jobs/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return a job; the step of one is a job too."""
        return answer(200, self.find(name))

    @routes("PUT", "jobs/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Start a pipeline.

        Raises:
            Refused: the name was used before, or an input or a component was never registered.
        """
        if self.documents.get(f"jobs/{name}"):
            raise Refused(409, "UserError", f"A job with the name {name} exists already.")
        properties = json.loads(request.body)["properties"]
        if properties["jobType"] != "Pipeline":
            raise Refused(501, "NotEmulated", f"The emulator runs no {properties['jobType']} job.")
        pipeline = Pipeline(self.arm, name, properties)
        self.start(name, properties, pipeline.steps, pipeline.run)
        return answer(201, self.find(name))

    @routes("POST", "jobs/{name}/cancel")
    def cancel(self, request: Request, name: str) -> Response:
        """Say that a job is being cancelled."""
        self.update(name, "Canceled")
        return answer(200)

    def start(self, name: str, properties: dict[str, Any], steps: Sequence[str], work: Callable[[], str]) -> None:
        """Keep a job and do its work in a thread; what the work returns is how the job ends."""
        studio = f"https://ml.azure.com/runs/{name}?wsid={self.workspace.id}"
        properties |= {"status": "Running", "services": {"Studio": {"jobServiceType": "Studio", "endpoint": studio}}}
        self.documents.put(f"jobs/{name}", self.named(f"jobs/{name}", name, properties))
        self.put_run(name, "Running", root=name)
        for step in steps:
            self.put_run(f"{name}-{step}", "NotStarted", parent=name, root=name, display=step)

        def run() -> None:
            ended = "Failed"
            try:
                ended = self.ends or work()
            except Exception as error:
                # As the service says what went wrong: in the run's error, not to the caller that submitted it.
                self.put_run(name, "Running", tags={"emulator_error": f"{type(error).__name__}: {error}"})
                raise
            finally:
                self.update(name, ended)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def wait(self, name: str) -> None:
        """Wait until a job of this process has ended."""
        self._threads[name].join()

    def find(self, name: str) -> Document:
        """Return a job, or a step as one.

        Raises:
            Refused: there is none of that name.
        """
        document = self.documents.get(f"jobs/{name}")
        if document:
            return document
        run = self.documents.get(f"runs/{name}")
        if not run:
            raise not_found("Run", name)
        properties = {
            "jobType": "Command",
            "command": "step",
            "environmentId": f"{self.workspace.id}/environments/step/versions/1",
            "displayName": run["displayName"],
            "status": run["status"],
            "tags": run["tags"],
            "properties": {},
            "services": {},
        }
        return self.named(f"jobs/{name}", name, properties)

    def update(self, name: str, status: str) -> None:
        """Change a job's status."""
        document = self.find(name)
        if document["properties"]["status"] not in FINAL:
            document["properties"]["status"] = status
            self.documents.put(f"jobs/{name}", document)
            self.put_run(name, status)

    def put_run(self, name: str, status: str, **facts: Any) -> None:
        """Keep a run's status and, when it is first seen, where it belongs: `parent`, `root` and `display`."""
        now = self.arm.clock.now().isoformat()
        known = self.documents.get(f"runs/{name}")
        run = known or {
            "runId": name,
            "runNumber": time.time_ns() // 1_000_000,
            "parentRunId": facts.get("parent"),
            "rootRunId": facts.get("root", name),
            "displayName": facts.get("display", name),
            "experimentId": "33333333-3333-3333-3333-333333333333",
            "createdUtc": now,
            "runType": "azureml.StepRun" if facts.get("parent") else "azureml.PipelineRun",
            "tags": {},
            "properties": {},
            "services": {},
        }
        run["status"] = status
        run["tags"] |= facts.get("tags", {})
        if status == "Running":
            run["startTimeUtc"] = now
        if status in FINAL:
            run["endTimeUtc"] = now
        self.documents.put(f"runs/{name}", run)
