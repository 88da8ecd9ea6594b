"""The HTTP interface of the endpoint host: scoring, the collector's receiver, and the requests of commands."""

import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.host.collector import RecordError
from azureml_emulator.host.deployment import RefusedError
from azureml_emulator.host.endpoints import Endpoints

SCORING = ["GET", "POST", "OPTIONS"]
Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """Answers requests about endpoints; `token` keeps other users of this machine from controlling it."""

    def __init__(self, endpoints: Endpoints, token: str, end: Callable[[], Awaitable[None]]):
        self._endpoints, self._token, self._end = endpoints, token, end
        self.used = time.monotonic()
        deployment = "/control/endpoints/{endpoint}/deployments/{deployment}"
        routes = [
            Route("/endpoints/{endpoint}/score", self._score, methods=SCORING),
            Route("/modeldata/log", self._collect, methods=["POST"]),
            Route("/control/health", self._controlled(self._health)),
            Route("/control/stop", self._controlled(self._stop), methods=["POST"]),
            Route("/control/flush", self._controlled(self._flush), methods=["POST"]),
            Route("/control/endpoints/{endpoint}", self._controlled(self._change_endpoint), methods=["PUT", "DELETE"]),
            Route(deployment, self._controlled(self._change_deployment), methods=["PUT", "DELETE"]),
            Route(f"{deployment}/statistics", self._controlled(self._statistics)),
        ]
        self.app = Starlette(routes=routes, exception_handlers={RefusedError: _refuse})

    def _controlled(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {self._token}":
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            self.used = time.monotonic()
            return await handler(request)

        return handle

    async def _score(self, request: Request) -> Response:
        self.used = time.monotonic()
        query = f"?{request.url.query}" if request.url.query else ""
        endpoint = self._endpoints.endpoint(request.path_params["endpoint"])
        return await endpoint.answer(request.method, query, request.headers, await request.body())

    async def _collect(self, request: Request) -> Response:
        collector = self._endpoints.collector(_password(request))
        if collector is None:
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        try:
            collector.accept(request.headers, await request.body())
        except RecordError as error:
            return Response(str(error), HTTPStatus.BAD_REQUEST)
        return Response()

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"pid": os.getpid()})

    async def _stop(self, _: Request) -> Response:
        await self._end()
        return JSONResponse({})

    async def _flush(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(float(request.query_params["timeout"])):
                await self._endpoints.collected()
        except TimeoutError:
            self._endpoints.give_up_on_records()
            return JSONResponse({"complete": False})
        return JSONResponse({"complete": True})

    async def _change_endpoint(self, request: Request) -> Response:
        name = request.path_params["endpoint"]
        if request.method == "PUT":
            self._endpoints.put_endpoint(name, await request.json())
        else:
            await self._endpoints.delete_endpoint(name)
        return JSONResponse({})

    async def _change_deployment(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["deployment"]
        if request.method == "PUT":
            content = await request.json()
            await self._endpoints.put_deployment(endpoint, name, content, Path(content.pop("staging")))
        else:
            await self._endpoints.delete_deployment(endpoint, name)
        return JSONResponse({})

    async def _statistics(self, request: Request) -> Response:
        last = request.query_params.get("last_seconds")
        deployment = self._endpoints.deployment(request.path_params["endpoint"], request.path_params["deployment"])
        return JSONResponse(asdict(deployment.statistics(float(last) if last else None)))


def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.response()


def _password(request: Request) -> str:
    """Return the password in the collector's address, which identifies the deployment of a record."""
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    try:
        return base64.b64decode(given).decode().partition(":")[2]
    except ValueError:
        return ""
