"""The front of a deployment's process: limits, timeouts and Azure's answers."""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from starlette.responses import JSONResponse, Response

from azureml_emulator.host.collector import Collector
from azureml_emulator.host.process import Server, Specification
from azureml_emulator.host.statistics import Answer, Statistics, summarise

NOT_RETURNED = {"connection", "content-length", "content-encoding", "transfer-encoding", "date", "server"}
UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class RefusedError(Exception):
    """The request to an endpoint cannot be fulfilled."""

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
        self._scored: float = 0
        self._slots = asyncio.Semaphore(specification.concurrency)
        self._answers: deque[Answer] = deque(maxlen=100_000)
        self._client = httpx.AsyncClient(trust_env=False, timeout=specification.timeout, limits=UNLIMITED)

    def supervise(self) -> None:
        """Keep the process running from now on."""
        self._supervisor = asyncio.create_task(self.server.keep_running())

    async def send(self, call: Call) -> Response:
        """Forward a request within the deployment's limits, and return Azure's answer."""
        # Azure accepts twice the deployment's concurrency: the second half waits in a queue.
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
        """Answer open requests, then stop the process; its collected rows arrive before the return."""
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
        """Wait until every scored row has arrived in every collection that takes all rows."""
        while self._collected() < self._scored:
            await asyncio.sleep(0.02)

    def give_up_on_records(self) -> None:
        """Stop waiting for rows that have not arrived."""
        self._scored = min(self._scored, self._collected())

    async def _send(self, call: Call) -> Response:
        # After a restart of the host a request waits for its deployment; a deployment whose process has died refuses
        # it.
        await self.server.tried.wait()
        if not self.server.is_up:
            return self._unreachable("it does not run")
        try:
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
            return self._unreachable(str(error))
        good = answer.status_code == HTTPStatus.OK
        status = HTTPStatus.OK if good else HTTPStatus.FAILED_DEPENDENCY
        self._count(status, answer.status_code, time.monotonic() - started)
        self._scored += _rows(answer) if good else 0
        headers = {key: value for key, value in answer.headers.items() if key not in NOT_RETURNED}
        if not good:
            headers["ms-azureml-model-error-statuscode"] = str(answer.status_code)
            headers["ms-azureml-model-error-reason"] = "model_error"
        return Response(answer.content, status, headers)

    def _collected(self) -> float:
        complete = [name for name, rate in self.specification.collections.items() if rate == 1]
        return min((self.collector.rows[name] for name in complete), default=math.inf)

    def _unreachable(self, why: str) -> Response:
        self._count(HTTPStatus.SERVICE_UNAVAILABLE, 0, 0)
        return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"The deployment cannot be reached: {why}.").response()

    def _count(self, status: int, model_status: int, seconds: float) -> None:
        self._answers.append(Answer(time.monotonic(), status, model_status, seconds))


def _rows(answer: httpx.Response) -> int:
    """Return the number of rows in an answer of this project's score.py."""
    try:
        return len(answer.json()["predictions"])
    except (ValueError, KeyError, TypeError):
        return 0
