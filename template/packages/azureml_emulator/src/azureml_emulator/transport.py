"""Passes requests of `requests` to an application in this process instead of a socket."""

import io
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_PAUSE = 0.05


@dataclass(frozen=True)
class Request:
    """An HTTP request in the form of a service; names in `path` are decoded, keys of `query` are unchanged."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    host: str
    path: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Application(Protocol):
    """A callable that answers requests. It raises the errors of `requests` for a refused, cut or slow connection."""

    def __call__(self, request: Request) -> Response:
        """Answer one request."""


def send(application: Application, prepared: requests.PreparedRequest) -> requests.Response:
    """Answer a prepared request as a socket would."""
    body = prepared.body or b""
    content = body.read() if hasattr(body, "read") else body
    content = content.encode() if isinstance(content, str) else bytes(content)
    parts = urlsplit(str(prepared.url))
    given = Request(
        method=str(prepared.method),
        url=str(prepared.url),
        headers=CaseInsensitiveDict(prepared.headers),
        body=content,
        host=str(parts.hostname),
        path=unquote(parts.path),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )
    answer = application(given)
    response = requests.Response()
    response.status_code, response.headers = answer.status, CaseInsensitiveDict(answer.headers)
    response.request, response.url, response.encoding = prepared, str(prepared.url), "utf-8"
    response.reason = HTTPStatus(answer.status).phrase
    # Without the method urllib3 waits for the body that a HEAD's Content-Length announces.
    response.raw = HTTPResponse(
        io.BytesIO(answer.body),
        headers=dict(answer.headers),
        status=answer.status,
        preload_content=False,
        request_method=prepared.method,
    )
    return response


class InProcess(BaseAdapter):
    """The adapter of a session of `requests`: passes requests to an application, unless they stay on this machine."""

    def __init__(self, application: Application):
        super().__init__()
        self._application, self._sockets = application, HTTPAdapter()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer a request."""
        if urlsplit(str(request.url)).hostname in LOOPBACK:
            return self._sockets.send(request, *args, **kwargs)
        return send(self._application, request)

    def close(self) -> None:
        """Close the connections to this machine."""
        self._sockets.close()


class EmulatorTransport(RequestsTransport):
    """The transport of an azure-core client whose requests an application answers in this process."""

    def __init__(self, application: Application):
        session = requests.Session()
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.mount(scheme, InProcess(application))
        super().__init__(session=session, session_owner=False, use_env_settings=False)

    def sleep(self, duration: float) -> None:
        """Sleep for less than requested: between two polls or tries there is only this machine to wait for."""
        time.sleep(min(duration, LONGEST_PAUSE))


@contextmanager
def answered_by(application: Application) -> Iterator[None]:
    """Have an application answer every request of `requests` in this process that would leave this machine.

    Nothing in the SDKs is patched: their own pipelines, policies, retries and pollers run. A pause between two tries or
    polls takes no time. A socket to another machine raises an error.
    """
    over_sockets, connect = requests.adapters.HTTPAdapter.send, socket.socket.connect

    def route(adapter: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if urlsplit(str(request.url)).hostname in LOOPBACK:
            return over_sockets(adapter, request, *args, **kwargs)
        return send(application, request)

    def stay(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a connection to {address} would leave this machine")
        connect(self, address)

    with (
        mock.patch.object(requests.adapters.HTTPAdapter, "send", route),
        mock.patch.object(socket.socket, "connect", stay),
        mock.patch.object(RequestsTransport, "sleep", lambda self, seconds: None),
    ):
        yield
