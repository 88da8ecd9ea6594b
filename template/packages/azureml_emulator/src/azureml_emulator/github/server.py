"""Emulates GitHub: takes a `repository_dispatch` by GitHub's rules.

Key Vault and its identities are on the same server, because a bridge first asks them for the token.
"""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from azureml_emulator.tokens import GITHUB_TOKEN, IDENTITY_TOKEN

LARGEST_PAYLOAD = 64 * 1024
MOST_KEYS = 10
LONGEST_TYPE = 100


@dataclass
class Dispatch:
    """A request for a workflow run, and the status that GitHub answered."""

    event_type: str
    client_payload: Any
    status: int


@dataclass
class _State:
    repository: str
    outages: list[int]
    dispatches: list[Dispatch] = field(default_factory=list)


class GitHub:
    """A server on a free port of the laptop, for the duration of the `with` block.

    Args:
        repository: owner/name of the one repository that exists.
        outages: statuses with which to answer the next requests, whatever they are.
    """

    def __init__(self, repository: str, outages: Iterable[int] = ()):
        self._state = _State(repository, list(outages))
        handler = type("Handler", (_Handler,), {"state": self._state})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.token_uri = f"{self.url}/vault/secrets/github-dispatch-token?api-version=7.4"
        self.identity_uri = f"{self.url}/identity"

    @property
    def dispatches(self) -> list[Dispatch]:
        """Return the dispatches in order."""
        return self._state.dispatches

    def __enter__(self) -> "GitHub":
        """Start the server."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


def validate_dispatch(token: str | None, repository_exists: bool, body: Any, size: int) -> tuple[int, str]:
    """Return GitHub's answer to a dispatch: a status, and a message unless it is 204."""
    if token != f"Bearer {GITHUB_TOKEN}":
        return 401, "Bad credentials"
    if not repository_exists:
        return 404, "Not Found"
    if not isinstance(body, dict):
        return 400, "Problems parsing JSON"
    event_type, payload = body.get("event_type"), body.get("client_payload", {})
    if not isinstance(event_type, str) or not 1 <= len(event_type) <= LONGEST_TYPE:
        return 422, f"event_type must have 1 to {LONGEST_TYPE} characters"
    if not isinstance(payload, dict) or len(payload) > MOST_KEYS:
        return 422, f"client_payload must be an object with no more than {MOST_KEYS} properties"
    if size >= LARGEST_PAYLOAD:
        return 422, "client_payload is too large"
    return 204, ""


class _Handler(BaseHTTPRequestHandler):
    state: _State

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw)
        except json.JSONDecodeError:
            body = None
        payload = body.get("client_payload") if isinstance(body, dict) else None
        exists = self.path == f"/repos/{self.state.repository}/dispatches"
        size = len(json.dumps(payload).encode())
        status, message = validate_dispatch(self.headers.get("Authorization"), exists, body, size)
        if self.state.outages:
            status, message = self.state.outages.pop(0), "Outage"
        event_type = str(body.get("event_type")) if isinstance(body, dict) else ""
        self.state.dispatches.append(Dispatch(event_type, payload, status))
        self._answer(status, {"message": message} if message else None)

    def do_GET(self) -> None:
        if self.path.startswith("/identity"):
            token = {"access_token": IDENTITY_TOKEN, "expires_on": "9999999999", "token_type": "Bearer"}
            self._answer(200, token | {"resource": "https://vault.azure.net"})
        elif self.path.startswith("/vault/secrets/github-dispatch-token"):
            known = self.headers.get("Authorization") == f"Bearer {IDENTITY_TOKEN}"
            self._answer(200 if known else 401, {"value": GITHUB_TOKEN} if known else {"error": "Unauthorized"})
        else:
            self._answer(404, {"message": "Not Found"})

    def _answer(self, status: int, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the hops show the requests."""
