"""Finds the host of online endpoints, starts it where there is none, and asks things of it."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse

from mlops.files import read_json
from mlops.local.isolation import code_version
from mlops.paths import ROOT

STARTS_WITHIN = 60.0
ANSWERS_WITHIN = 3600.0


class Hosting:
    """The host of one state folder, seen from a command."""

    def __init__(self, state: Path):
        self._state, self._folder = state, state / "online"
        self._version = code_version()
        self._client: Any = PipelineClient("http://127.0.0.1", policies=[], transport=_transport())

    @property
    def address(self) -> str:
        """Return where the host listens, or listened last."""
        return f"http://127.0.0.1:{self._known().get('port', 0)}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the host to do something and return its answer.

        Raises:
            HttpResponseError: it refused; the message says why.
        """
        self.ensure()
        response = self._ask(method, path, body)
        refuse_error(response)
        return response.json()

    def score(self, endpoint: str, body: bytes, headers: dict[str, str]) -> HttpResponse:
        """Send a scoring request; a host that died is started again first."""
        try:
            return self._send(self._scoring(endpoint, body, headers))
        except ServiceRequestError:
            self.ensure()
            return self._send(self._scoring(endpoint, body, headers))

    def ensure(self) -> None:
        """Start the host unless it runs; one of older code is replaced.

        Raises:
            HttpResponseError: it does not come up; the message ends with its log.
        """
        if self.is_running():
            if self._known().get("version") == self._version:
                return
            self.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "host.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlops.local.host", str(self._state)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self.is_running():
            if process.poll() or time.monotonic() > until:
                lines = (self._folder / "host.log").read_text(encoding="utf-8", errors="replace").splitlines()
                raise HttpResponseError("The emulator's endpoint host does not start:\n" + "\n".join(lines[-20:]))
            time.sleep(0.03)

    def is_running(self) -> bool:
        """Return whether the host answers."""
        known = self._known()
        if not known:
            return False
        try:
            response = self._ask("GET", "health", read_timeout=10)
        except (ServiceRequestError, ServiceResponseError):
            return False
        return bool(response.status_code == 200 and response.json()["pid"] == known["pid"])

    def flush(self, timeout: float) -> bool:
        """Wait until every row scored has been collected and return whether it has."""
        return not self.is_running() or bool(self.control("POST", f"flush?timeout={timeout}")["complete"])

    def stop(self) -> None:
        """Stop the host politely and wait until it has ended: requests are answered, records are kept."""
        if not self.is_running():
            return
        # Its lock and its port are free before it has ended.
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._known()["pid"])
            self._ask("POST", "stop")
            while process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)

    def _known(self) -> dict[str, Any]:
        file = self._folder / "host.json"
        return dict(read_json(file)) if file.exists() else {}

    def _ask(self, method: str, path: str, body: Any = None, **options: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self._known()['token']}"}
        return self._send(HttpRequest(method, f"{self.address}/control/{path}", json=body, headers=headers), **options)

    def _scoring(self, endpoint: str, body: bytes, headers: dict[str, str]) -> HttpRequest:
        return HttpRequest("POST", f"{self.address}/endpoints/{endpoint}/score", content=body, headers=headers)

    def _send(self, request: HttpRequest, **options: Any) -> HttpResponse:
        return self._client.send_request(request, **options)


def refuse_error(response: HttpResponse) -> None:
    """Raise what the SDK raises for an answer that is an error; only then its import is worth a second.

    Raises:
        HttpResponseError: it is one.
    """
    if response.status_code != 200:
        from azure.ai.ml._utils._endpoint_utils import validate_response

        validate_response(response)


def _transport() -> RequestsTransport:
    # Without the environment's settings: a proxy cannot reach this machine's own address.
    return RequestsTransport(use_env_settings=False, connection_timeout=5, read_timeout=ANSWERS_WITHIN)
