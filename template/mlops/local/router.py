"""What stands in front of a deployment's process: limits, timeouts and Azure's answers; and traffic between several."""

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from mlops.local.collector import Collector
from mlops.local.server import Server, Specification
from mlops.local.traffic import Answer, Statistics, summarise

DEPLOYMENT = "azureml-model-deployment"
NOT_FORWARDED = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    DEPLOYMENT,
}
NOT_RETURNED = {"connection", "content-length", "content-encoding", "transfer-encoding", "date", "server"}
MOST_MIRRORED = 50
START_UP = 120.0
UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class RefusedError(Exception):
    """What was asked of an endpoint cannot be done."""

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        """Return the answer in Azure's form."""
        code = self.status.phrase.title().replace(" ", "")
        return JSONResponse({"error": {"code": code, "message": str(self)}}, self.status)


@dataclass(frozen=True)
class Call:
    """A scoring request on its way to a deployment."""

    method: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Deployment:
    """A running deployment."""

    def __init__(self, specification: Specification, server: Server, collector: Collector):
        self.specification, self.server, self.collector = specification, server, collector
        self._supervisor: asyncio.Task[None] | None = None
        self.pending = 0
        self.scored = 0
        self._slots = asyncio.Semaphore(specification.concurrency)
        self._answers: deque[Answer] = deque(maxlen=100_000)
        self._client = httpx.AsyncClient(trust_env=False, timeout=specification.timeout, limits=UNLIMITED)

    def supervise(self) -> None:
        """Keep the process running from now on."""
        self._supervisor = asyncio.create_task(self.server.keep_running())

    async def send(self, call: Call) -> Response:
        """Pass a request on, within the deployment's limits, and return what Azure would answer."""
        # Azure lets in twice what the deployment works on at a time: the second half waits in line.
        if self.pending >= 2 * self.specification.concurrency:
            self._count(HTTPStatus.TOO_MANY_REQUESTS, 0, 0)
            return RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "Too many pending requests.").response()
        self.pending += 1
        try:
            async with self._slots:
                return await self._send(call)
        finally:
            self.pending -= 1

    async def close(self) -> None:
        """Answer what is under way, then stop the process; what it has collected arrives before this returns."""
        while self.pending:
            await asyncio.sleep(0.01)
        await self.server.stop()
        if self._supervisor:
            await self._supervisor
        await self._client.aclose()
        self.collector.close()

    def statistics(self, last_seconds: float | None) -> Statistics:
        """Summarise all answers or those of the last seconds."""
        since = time.monotonic() - last_seconds if last_seconds is not None else 0
        return summarise([answer for answer in self._answers if answer.at >= since])

    async def collected(self) -> None:
        """Wait until every row scored has arrived in every collection that takes all of them."""
        complete = [name for name, rate in self.specification.collections.items() if rate == 1]
        while any(self.collector.rows[name] < self.scored for name in complete):
            await asyncio.sleep(0.02)

    async def _send(self, call: Call) -> Response:
        try:
            async with asyncio.timeout(START_UP):
                await self.server.up.wait()
            started = time.monotonic()
            async with asyncio.timeout(self.specification.timeout):
                answer = await self._client.request(
                    call.method, f"{self.server.url}/score{call.query}", headers=call.headers, content=call.body
                )
        except (TimeoutError, httpx.TimeoutException):
            self._count(HTTPStatus.REQUEST_TIMEOUT, 0, self.specification.timeout)
            message = f"The deployment did not answer within {self.specification.timeout:g} s."
            return RefusedError(HTTPStatus.REQUEST_TIMEOUT, message).response()
        except httpx.TransportError as error:
            self._count(HTTPStatus.SERVICE_UNAVAILABLE, 0, 0)
            message = f"The deployment's process cannot be reached: {error}"
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, message).response()
        good = answer.status_code == HTTPStatus.OK
        status = HTTPStatus.OK if good else HTTPStatus.FAILED_DEPENDENCY
        self._count(status, answer.status_code, time.monotonic() - started)
        self.scored += _rows(answer) if good else 0
        headers = {key: value for key, value in answer.headers.items() if key not in NOT_RETURNED}
        if not good:
            headers["ms-azureml-model-error-statuscode"] = str(answer.status_code)
            headers["ms-azureml-model-error-reason"] = "model_error"
        return Response(answer.content, status, headers)

    def _count(self, status: int, model_status: int, seconds: float) -> None:
        self._answers.append(Answer(time.monotonic(), status, model_status, seconds))


def _rows(answer: httpx.Response) -> int:
    """Return how many rows an answer of this project's score.py stands for."""
    try:
        return len(answer.json()["predictions"])
    except (ValueError, KeyError, TypeError):
        return 0


@dataclass
class Endpoint:
    """An endpoint: its key, its deployments and their shares of the traffic, in percent."""

    key: str
    traffic: dict[str, int] = field(default_factory=dict)
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    _credit: dict[str, int] = field(default_factory=dict)
    _mirroring: set[asyncio.Task[Any]] = field(default_factory=set)

    async def answer(self, method: str, query: str, headers: Headers, body: bytes) -> Response:
        """Answer a request by the deployment that its header names, else by one that the traffic's shares name.

        Raises:
            RefusedError: the key is wrong, or there is no such deployment, or none with traffic.
        """
        if headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "The key or token is missing or wrong.")
        wanted = headers.get(DEPLOYMENT)
        name = wanted or self._choose()
        if name not in self.deployments:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no deployment {name}.")
        forwarded = [(key, value) for key, value in headers.raw if key.decode("latin-1") not in NOT_FORWARDED]
        if "x-request-id" not in headers:
            forwarded.append((b"x-request-id", str(uuid.uuid4()).encode()))
        call = Call(method, query, forwarded, body)
        if not wanted:
            self._mirror(call)
        response = await self.deployments[name].send(call)
        response.headers[DEPLOYMENT] = name
        return response

    def share(self, traffic: dict[str, int], mirror_traffic: dict[str, int]) -> None:
        """Change the traffic's shares.

        Raises:
            RefusedError: Azure would not take them.
        """
        for name in [*traffic, *mirror_traffic]:
            if name not in self.deployments:
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"Traffic names {name}, but there is no such deployment.")
        if any(not 0 <= share <= 100 for share in traffic.values()) or sum(traffic.values()) not in (0, 100):
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Traffic must add up to 100 %, or to 0 %: {traffic}.")
        if len(mirror_traffic) > 1 or any(not 0 <= share <= MOST_MIRRORED for share in mirror_traffic.values()):
            message = f"One deployment can mirror up to {MOST_MIRRORED} % of the traffic: {mirror_traffic}."
            raise RefusedError(HTTPStatus.BAD_REQUEST, message)
        self.traffic, self.mirror_traffic, self._credit = traffic, mirror_traffic, {}

    def _choose(self) -> str:
        """Return the deployment whose turn it is: shares are exact over any hundred requests, not only on average."""
        for name, share in self.traffic.items():
            self._credit[name] = self._credit.get(name, 0) + share
        if not any(self.traffic.values()):
            raise RefusedError(
                HTTPStatus.NOT_FOUND, "No deployment has traffic: give one some, or name one in a header."
            )
        name = max(self.traffic, key=self._credit.__getitem__)
        self._credit[name] -= 100
        return name

    def _mirror(self, call: Call) -> None:
        for name, share in self.mirror_traffic.items():
            self._credit[f"mirror {name}"] = self._credit.get(f"mirror {name}", 0) + share
            if self._credit[f"mirror {name}"] >= 100:
                self._credit[f"mirror {name}"] -= 100
                task = asyncio.create_task(self.deployments[name].send(call))
                self._mirroring.add(task)
                task.add_done_callback(self._mirroring.discard)
