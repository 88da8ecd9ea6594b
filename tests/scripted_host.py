"""A host of online deployments with scripted answers: a real HTTP server on this machine.

It replaces the emulator's process with inference servers, so that tests can produce every fault in a rollout.
"""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from azureml_emulator.host.client import HostError

# The answers to requests of each deployment, in order; the last one repeats. Without a script every answer is good.
GOOD = "good"


@dataclass
class Deployment:
    """A deployment: the example predictions of its model, and its script."""

    expected: list[Any]
    script: list[str]
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    asked: int = 0


class ScriptedHost:
    """The interface that online endpoints need of their host: `address`, `control`, `ensure`, `flush` and `stop`."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[str]] = {}
        self.deployments: dict[str, Deployment] = {}
        self.traffic: dict[str, int] = {}
        # A key is rejected until it has been read this often.
        self.keys: list[str] = []
        self.unauthorized = 0
        self.requests: list[tuple[str, int]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                host._score(self, json.loads(body))

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Do the actions of the real host."""
        parts = path.partition("?")[0].split("/")
        if len(parts) == 2:
            self.traffic = {} if method == "DELETE" else (content["resource"]["properties"].get("traffic") or {})
            return {}
        name = parts[3]
        if method == "DELETE":
            self.deployments.pop(name, None)
        elif method == "PUT":
            if self.scripts.get(name) == ["crashes"]:
                raise HostError(400, "User container has crashed or terminated: no such module.")
            description = yaml.safe_load(next(Path(content["staging"]).rglob("MLmodel")).read_text(encoding="utf-8"))
            expected = description["metadata"]["example_predictions"]
            self.deployments[name] = Deployment(expected, list(self.scripts.get(name, [GOOD])))
        elif parts[4:] == ["statistics"]:
            return self._statistics(self.deployments[name])
        return {}

    def ensure(self) -> None:
        """Do nothing: it runs from the beginning."""

    def flush(self, timeout: float) -> bool:
        """Return that everything is collected: nothing ever is."""
        return True

    def stop(self) -> None:
        """Close the server."""
        self._server.shutdown()
        self._server.server_close()

    def _statistics(self, deployment: Deployment) -> dict[str, Any]:
        seconds = sorted(deployment.seconds)
        return {
            "requests": len(deployment.statuses),
            "errors": sum(status != 200 for status in deployment.statuses),
            "bad_requests": 0,
            "rejected": 0,
            "p95_seconds": seconds[int(0.95 * (len(seconds) - 1))] if seconds else None,
        }

    def _score(self, handler: Any, body: Any) -> None:
        if self.unauthorized:
            self.unauthorized -= 1
            return _reply(handler, 401, {"error": {"code": "key_auth_access_denied", "message": "Wrong key."}})
        name = handler.headers.get("azureml-model-deployment") or max(
            self.traffic, key=lambda name: self.traffic[name], default=""
        )
        deployment = self.deployments.get(name)
        if deployment is None:
            return _reply(handler, 404, {"error": {"code": "NotFound", "message": f"There is no deployment {name}."}})
        asked, deployment.asked = deployment.asked, deployment.asked + 1
        what, _, rest = deployment.script[min(asked, len(deployment.script) - 1)].partition(":")
        started = time.monotonic()
        rows = body["input_data"]["data"]
        is_probe = str(rows[0][0]).startswith("smoke-test-")
        status = DOES[what](handler, rest, deployment.expected if is_probe else [0.0] * len(rows))
        deployment.statuses.append(status)
        deployment.seconds.append(time.monotonic() - started)
        self.requests.append((name, status))
        return None


def _reply(handler: Any, status: int, content: Any, **headers: str) -> None:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    handler.send_response(status)
    kind = "text/html" if isinstance(content, str) else "application/json"
    for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(key.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _good(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, 200, {"predictions": predictions})
    return 200


def _slow(handler: Any, rest: str, predictions: list[Any]) -> int:
    time.sleep(float(rest))
    return _good(handler, "", predictions)


def _json(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, int(rest), {"error": {"code": "ModelError", "message": "no such luck"}})
    return int(rest)


def _text(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, int(rest), "no healthy upstream")
    return int(rest)


def _plain(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, 500, {"error": "no such luck"})
    return 500


def _cut(handler: Any, rest: str, predictions: list[Any]) -> int:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
    return 0


def _half(handler: Any, rest: str, predictions: list[Any]) -> int:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"predictions": [')
    return _cut(handler, rest, predictions)


def _hang(handler: Any, rest: str, predictions: list[Any]) -> int:
    time.sleep(float(rest or 60))
    return 0


def _drip(handler: Any, rest: str, predictions: list[Any]) -> int:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)
    return 0


def _nan(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, 200, '{"predictions": [' + ", ".join(["NaN"] * len(predictions)) + "]}")
    return 200


def _busy(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, 429, {"error": {"message": "Too many pending requests."}}, Retry_After=rest)
    return 429


def _says(handler: Any, rest: str, predictions: list[Any]) -> int:
    _reply(handler, 200, rest)
    return 200


DOES = {
    "good": _good,
    "slow": _slow,
    "json": _json,
    "text": _text,
    "plain": _plain,
    "cut": _cut,
    "half": _half,
    "hang": _hang,
    "drip": _drip,
    "nan": _nan,
    "busy": _busy,
    "says": _says,
}
