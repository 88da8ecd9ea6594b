"""Finds the host of online endpoints, starts it if there is none, and sends it requests."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from azureml_emulator.environment import code_version
from azureml_emulator.files import log_tail, read_json
from azureml_emulator.host.layout import ADDRESS, LOG, host_folder

# The host finds this package where its caller did, installed or not.
IMPORTED_FROM = Path(__file__).parents[2]
STARTS_WITHIN = 60.0
ANSWERS_WITHIN = 3600.0


class HostError(Exception):
    """The host refused, or does not start."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class HostClient:
    """The host of one state folder, from the side of a command."""

    def __init__(self, state: Path):
        self._state, self._folder = state, host_folder(state)
        self._version = code_version()
        # Ignore the environment's settings: a proxy cannot reach this machine's own address.
        self._http = httpx.Client(trust_env=False, timeout=httpx.Timeout(ANSWERS_WITHIN, connect=5))

    @property
    def address(self) -> str:
        """Return the current or last address of the host."""
        return f"http://127.0.0.1:{self._known().get('port', 0)}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the host and return its answer.

        Raises:
            HostError: it refused; the message says why.
        """
        self.ensure()
        response = self._ask(method, path, body)
        if response.status_code != httpx.codes.OK:
            raise HostError(response.status_code, _message(response))
        return response.json()

    def ensure(self) -> None:
        """Start the host unless it runs; replace one with older code.

        Raises:
            HostError: it does not come up; the message ends with its log.
        """
        if self.is_running():
            if self._known().get("version") == self._version:
                return
            self.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "azureml_emulator.host.main", str(self._state.absolute())],
                cwd=IMPORTED_FROM,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self.is_running():
            if process.poll() or time.monotonic() > until:
                raise HostError(500, f"The endpoint host does not start:\n{log_tail(self._folder / LOG)}")
            time.sleep(0.03)

    def is_running(self) -> bool:
        """Return whether the host answers."""
        known = self._known()
        if not known:
            return False
        try:
            response = self._ask("GET", "health", read_timeout=10)
        except httpx.TransportError:
            return False
        return response.status_code == httpx.codes.OK and response.json()["pid"] == known["pid"]

    def flush(self, timeout: float) -> bool:
        """Wait until every scored row has been collected and return whether it has."""
        return not self.is_running() or bool(self.control("POST", f"flush?timeout={timeout}")["complete"])

    def stop(self) -> None:
        """Stop the host gracefully and wait until it has ended: requests are answered, records are kept."""
        if not self.is_running():
            return
        # Its lock and its port are released before it has ended.
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._known()["pid"])
            self._ask("POST", "stop")
            while process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)

    def _known(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            return dict(read_json(self._folder / ADDRESS))
        return {}

    def _ask(self, method: str, path: str, body: Any = None, read_timeout: float = ANSWERS_WITHIN) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._known()['token']}"}
        timeout = httpx.Timeout(read_timeout, connect=5)
        return self._http.request(method, f"{self.address}/control/{path}", json=body, headers=headers, timeout=timeout)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text
