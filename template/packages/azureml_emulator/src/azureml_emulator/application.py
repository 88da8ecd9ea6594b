"""Dispatches each request to the service of its host name."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from azureml_emulator import identity
from azureml_emulator.answers import Refused
from azureml_emulator.arm.resource_manager import ResourceManager
from azureml_emulator.dataplane import DataPlane
from azureml_emulator.errors import EmulatorError
from azureml_emulator.storage import BlobStorage
from azureml_emulator.transport import Application, Request, Response, answered_by
from azureml_emulator.workspace import Workspace

Fault = Callable[[Request], Response | None]


class Emulator:
    """One workspace in a folder. `faults` are asked first; their answer or error replaces the workspace's."""

    def __init__(self, state: Path, workspace: Workspace | None = None):
        self.workspace = workspace or Workspace()
        self.storage = BlobStorage(state / "storage")
        # The storage service: a test may replace it by another server of the same API.
        self.blobs: Application = self.storage
        self.arm = ResourceManager(state, self.workspace, self.storage)
        self.dataplane = DataPlane(self.arm)
        self.faults: list[Fault] = []
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        self.requests.append(request)
        for fault in self.faults:
            response = fault(request)
            if response is not None:
                return response
        if request.host.endswith(".blob.core.windows.net"):
            return self.blobs(request)
        if request.host == identity.HOST:
            return identity.entra(request)
        try:
            if not request.path.startswith("/discovery"):
                identity.caller(request)
            service = self.arm if request.host == "management.azure.com" else self.dataplane
            return service(request)
        except Refused as refused:
            return refused.as_json()
        except EmulatorError as error:
            return Refused(400, "EmulatorError", str(error)).as_json()
        except requests.RequestException:
            # A connection that a test cuts.
            raise
        except OSError as error:
            # Such as a full disk.
            return Refused(400, "EmulatorError", f"{error.filename or 'A file'}: {error.strerror or error}").as_json()

    @contextmanager
    def answering(self) -> Iterator["Emulator"]:
        """Answer every request of this process."""
        with answered_by(self):
            yield self

    def asked(self) -> Counter[str]:
        """Return the number of requests by operation: verb, host or path with names left out."""
        return Counter(operation(request) for request in self.requests)


def operation(request: Request) -> str:
    """Return a request as a line without the parts that vary between calls."""
    if request.host.endswith(".blob.core.windows.net"):
        return f"{request.method} blob{' ' + request.query['comp'] if 'comp' in request.query else ''}"
    path = re.sub(r".*/Microsoft\.MachineLearningServices/workspaces/[^/]+", "WS", request.path)
    path = re.sub(r"/(versions|components|jobs|onlineEndpoints|deployments|codes|models|data|environments)/[^/]+",
                  r"/\1/*", path)  # fmt: skip
    host = "" if request.host == "management.azure.com" else request.host
    return f"{request.method} {host}{path}"


def parsed(request: Request) -> dict:
    """Return a request's JSON body."""
    content: dict = json.loads(request.body or b"{}")
    return content
