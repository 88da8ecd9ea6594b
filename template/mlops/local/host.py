"""The process that keeps online endpoints alive between commands: `python -m mlops.local.host STATE`.

What should run stands in files, so that a host that died is started again as it was. It ends by itself when nothing
has been asked of it for a while, and takes its deployments with it however it ends.
"""

import asyncio
import base64
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlops.files import read_json, write_json
from mlops.local.collector import RecordError
from mlops.local.fleet import Fleet
from mlops.local.router import RefusedError

ADDRESS = "host.json"
LOCK = "host.lock"
IDLE_SECONDS = float(os.environ.get("MLOPS_LOCAL_IDLE_SECONDS", "1800"))
METHODS = ["GET", "POST", "OPTIONS"]
Handler = Callable[[Request], Awaitable[Response]]


class _Server(uvicorn.Server):
    """Leaves signals to the host, which has more to end than connections."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Host:
    """The HTTP side of the fleet: scoring, the collector's receiver, and what commands ask for."""

    def __init__(self, folder: Path, fleet: Fleet, port: int):
        self._file, self._fleet, self._port = folder / ADDRESS, fleet, port
        self._token = secrets.token_hex(16)
        self._used = time.monotonic()
        deployment = "/control/endpoints/{endpoint}/deployments/{deployment}"
        routes = [
            Route("/endpoints/{endpoint}/score", self._score, methods=METHODS),
            Route("/modeldata/log", self._collect, methods=["POST"]),
            Route("/control/health", self._controlled(self._health)),
            Route("/control/stop", self._controlled(self._stop), methods=["POST"]),
            Route("/control/endpoints/{endpoint}", self._controlled(self._change_endpoint), methods=["PUT", "DELETE"]),
            Route(deployment, self._controlled(self._change_deployment), methods=["PUT", "DELETE"]),
            Route(f"{deployment}/statistics", self._controlled(self._statistics)),
            Route("/control/flush", self._controlled(self._flush), methods=["POST"]),
        ]
        app = Starlette(routes=routes)
        self._server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

    async def run(self, listening: socket.socket) -> None:
        """Serve until asked to stop, idle for long, or left without a state folder."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, lambda: asyncio.create_task(self._end()))
        self._fleet.restore()
        write_json(self._file, {"pid": os.getpid(), "port": self._port, "token": self._token})
        watching = asyncio.create_task(self._end_when_unused())
        await self._server.serve(sockets=[listening])
        watching.cancel()

    async def _end(self) -> None:
        # Deployments send the last of what they collected while they stop: the receiver goes last.
        await self._fleet.close()
        self._server.should_exit = True

    async def _end_when_unused(self) -> None:
        while time.monotonic() - self._used < IDLE_SECONDS:
            await asyncio.sleep(min(2.0, IDLE_SECONDS))
            with suppress(FileNotFoundError, ValueError):
                if read_json(self._file)["token"] == self._token:
                    continue
            break
        await self._end()

    def _controlled(self, handler: Handler) -> Handler:
        """Let only this user's commands through, and answer what they may not do."""

        async def handle(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {self._token}":
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            self._used = time.monotonic()
            try:
                return await handler(request)
            except RefusedError as refusal:
                return refusal.response()

        return handle

    async def _score(self, request: Request) -> Response:
        self._used = time.monotonic()
        query = f"?{request.url.query}" if request.url.query else ""
        body = await request.body()
        try:
            endpoint = self._fleet.endpoint(request.path_params["endpoint"])
            return await endpoint.answer(request.method, query, request.headers, body)
        except RefusedError as refusal:
            return refusal.response()

    async def _collect(self, request: Request) -> Response:
        collector = self._fleet.collector(_password(request))
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

    async def _change_endpoint(self, request: Request) -> Response:
        name = request.path_params["endpoint"]
        if request.method == "PUT":
            self._fleet.put_endpoint(name, await request.json())
        else:
            await self._fleet.delete_endpoint(name)
        return JSONResponse({})

    async def _change_deployment(self, request: Request) -> Response:
        endpoint, name = request.path_params["endpoint"], request.path_params["deployment"]
        if request.method == "PUT":
            content = await request.json()
            await self._fleet.put_deployment(endpoint, name, content, Path(content.pop("staging")))
        else:
            await self._fleet.delete_deployment(endpoint, name)
        return JSONResponse({})

    async def _statistics(self, request: Request) -> Response:
        last = request.query_params.get("last_seconds")
        deployment = self._fleet.deployment(request.path_params["endpoint"], request.path_params["deployment"])
        return JSONResponse(asdict(deployment.statistics(float(last) if last else None)))

    async def _flush(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(float(request.query_params["timeout"])):
                await self._fleet.collected()
        except TimeoutError:
            return JSONResponse({"complete": False})
        return JSONResponse({"complete": True})


def _password(request: Request) -> str:
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    try:
        return base64.b64decode(given).decode().partition(":")[2]
    except ValueError:
        return ""


def _listen(preferred: int) -> socket.socket:
    """Listen where the last host did, so that scoring addresses stay as they were, or else where there is room."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", preferred))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    return listening


def main(state: Path) -> None:
    """Be the host of a state folder, unless there is one."""
    folder = state / "online"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        file = folder / ADDRESS
        with _listen(read_json(file)["port"] if file.exists() else 0) as listening:
            port = listening.getsockname()[1]
            asyncio.run(_run(state, folder, port, listening))


async def _run(state: Path, folder: Path, port: int, listening: socket.socket) -> None:
    await Host(folder, Fleet(state, port), port).run(listening)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
