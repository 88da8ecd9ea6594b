"""Emulates jobs: pipelines, batch scoring and monitor runs, with their steps in run history."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from azureml_emulator.answers import Refused, answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.jobs.pipeline import Pipeline
from azureml_emulator.processes import is_alive, started_at
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response

RUNNING = "Running"
FINAL = ("Completed", "Failed", "Canceled")


class Jobs(Kind):
    """`WORKSPACE/jobs/NAME`; runs are separate documents under `runs/`, as children are in run history.

    The process that submitted a job does its work. If that process died, the job counts as never submitted: a
    workspace's job would have continued.
    """

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        # A test may set another end of jobs; then no step runs.
        self.ends: str = ""
        # Further documents for lists, such as jobs of a type that the SDK cannot read.
        self.strangers: list[Document] = []
        self._threads: dict[str, threading.Thread] = {}
        self._writing = threading.Lock()

    @routes("GET", "jobs")
    def list(self, request: Request) -> Response:
        """Return every job that is not a step of another, the newest first."""
        found = [
            self._shown(name, document) for name, document in self.documents.all("jobs") if not self._is_lost(document)
        ]
        return page(request, [*self.strangers, *found[::-1]])

    @routes("GET", "jobs/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return a job; a step is a job too."""
        return answer(200, self.find(name))

    @routes("PUT", "jobs/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Start a pipeline.

        Raises:
            Refused: the name was used before, or an input or a component was never registered.
        """
        properties = json.loads(request.body)["properties"]
        if properties["jobType"] != "Pipeline":
            raise Refused(501, "NotEmulated", f"The emulator does not run jobs of the type {properties['jobType']}.")
        self._forget_lost(name)
        if self.documents.get(f"jobs/{name}"):
            raise Refused(409, "UserError", f"A job with the name {name} exists already.")
        pipeline = Pipeline(self.arm, name, properties)
        self.start(name, properties, pipeline.steps, pipeline.run)
        return answer(201, self.find(name))

    @routes("POST", "jobs/{name}/cancel")
    def cancel(self, request: Request, name: str) -> Response:
        """Mark a job as being cancelled."""
        self.update(name, "Canceled")
        return answer(200)

    def start(self, name: str, properties: dict[str, Any], steps: Sequence[str], work: Callable[[], str]) -> None:
        """Store a job and do its work in a thread; the return value of the work is the job's final status.

        Raises:
            Refused: the name was used before.
        """
        self._forget_lost(name)
        studio = f"https://ml.azure.com/runs/{name}?wsid={self.workspace.id}"
        properties |= {"status": RUNNING, "services": {"Studio": {"jobServiceType": "Studio", "endpoint": studio}}}
        document = self.named(f"jobs/{name}", name, properties)
        # The process that does the work; REST does not show it.
        document["process"] = {"pid": os.getpid(), "started": started_at(os.getpid())}
        if not self.documents.create(f"jobs/{name}", document):
            raise Refused(409, "UserError", f"A job with the name {name} exists already.")
        self.put_run(name, "Running", root=name)
        for step in steps:
            self.put_run(f"{name}-{step}", "NotStarted", parent=name, root=name, display=step)

        def run() -> None:
            ended = "Failed"
            try:
                ended = self.ends or work()
            except Exception as error:
                # As in the service, the error is in the run and not in the answer to the caller that submitted it.
                self.put_run(name, "Running", error=f"{type(error).__name__}: {error}")
                raise
            finally:
                self.update(name, ended)

        # A daemon: Ctrl-C ends the command at once, and with it the job's steps.
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def wait(self, name: str) -> None:
        """Wait until a job of this process has ended."""
        self._threads[name].join()

    def find(self, name: str) -> Document:
        """Return a job, or a step as a job.

        Raises:
            Refused: there is none of that name.
        """
        document = self.documents.get(f"jobs/{name}")
        if document and not self._is_lost(document):
            return self._shown(name, document)
        run = self.documents.get(f"runs/{name}")
        if document or not run:
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

    def failure(self, name: str) -> str:
        """Return the message of a run's error, empty if it has none."""
        run = self.documents.get(f"runs/{name}") or {}
        return str(((run.get("error") or {}).get("error") or {}).get("message") or "")

    def update(self, name: str, status: str) -> None:
        """Change a job's status unless it has ended."""
        document = self.documents.get(f"jobs/{name}")
        if document and document["properties"]["status"] not in FINAL:
            document["properties"]["status"] = status
            # The run first: whoever sees the job's end can then read the final statuses of its steps.
            self.put_run(name, status)
            self.documents.put(f"jobs/{name}", document)

    def put_run(self, name: str, status: str, **facts: Any) -> None:
        """Store a run's status and further facts.

        Args:
            name: the run's name.
            status: its status.
            facts: `parent`, `root` and `display` when it is first seen; `tags` to add; `error`, what went wrong.
        """
        with self._writing:
            self._put_run(name, status, facts)

    def _put_run(self, name: str, status: str, facts: dict[str, Any]) -> None:
        now = self.arm.clock.now().isoformat()
        run = self.documents.get(f"runs/{name}") or {
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
        run["status"], run["lastModifiedUtc"] = status, now
        run["tags"] |= facts.get("tags", {})
        if "error" in facts:
            run["error"] = {"error": {"code": "UserError", "message": facts["error"]}}
        if status == "Running":
            run["startTimeUtc"] = now
        if status in FINAL:
            run["endTimeUtc"] = now
        self.documents.put(f"runs/{name}", run)

    def _shown(self, name: str, document: Document) -> Document:
        """Return a job as REST shows it, with the tags of its run.

        It has failed if its thread could not write how it ended, as on a full disk.
        """
        thread = self._threads.get(name)
        if thread and not thread.is_alive() and document["properties"]["status"] == RUNNING:
            # Read again: the thread may have written it since.
            document = self.documents.get(f"jobs/{name}") or document
            if document["properties"]["status"] == RUNNING:
                document = document | {"properties": document["properties"] | {"status": "Failed"}}
        tags = (document["properties"].get("tags") or {}) | (self.documents.get(f"runs/{name}") or {}).get("tags", {})
        shown = document | {"properties": document["properties"] | {"tags": tags}}
        return {key: value for key, value in shown.items() if key != "process"}

    def _is_lost(self, document: Document) -> bool:
        """Return whether a job died with the process that did its work."""
        process = document.get("process")
        if document["properties"]["status"] != RUNNING or not process:
            return False
        return not is_alive(process["pid"], process["started"])

    def _forget_lost(self, name: str) -> None:
        known = self.documents.get(f"jobs/{name}")
        if known and self._is_lost(known):
            for _, run in list(self.documents.all("runs")):
                if run["rootRunId"] == name:
                    self.documents.delete(f"runs/{run['runId']}")
            self.documents.delete(f"jobs/{name}")
            shutil.rmtree(self.arm.state / "jobs" / name, ignore_errors=True)
