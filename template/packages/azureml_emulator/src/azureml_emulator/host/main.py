"""Keeps online endpoints alive between commands: `python -m azureml_emulator.host.main STATE`.

Files hold the wanted state, so a restarted host continues as before. It ends by itself after some time without
requests, and its deployments end with it, even if it is killed.
"""

import asyncio
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from azureml_emulator.environment import code_version
from azureml_emulator.files import read_json, write_json
from azureml_emulator.host.api import Api
from azureml_emulator.host.endpoints import Endpoints
from azureml_emulator.host.layout import ADDRESS, host_folder

LOCK = "host.lock"
IDLE_SECONDS = float(os.environ.get("MLOPS_LOCAL_IDLE_SECONDS", "1800"))


class _Server(uvicorn.Server):
    """Leaves signals to the host, which must end more than connections."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Host:
    """The endpoints, their HTTP interface, and the conditions to end."""

    def __init__(self, state: Path, port: int):
        self._file, self._port, self._token = host_folder(state) / ADDRESS, port, secrets.token_hex(16)
        self._endpoints = Endpoints(state, port)
        self._api = Api(self._endpoints, self._token, self._end)
        self._server = _Server(uvicorn.Config(self._api.app, log_config=None, access_log=False, lifespan="off"))

    async def run(self, listening: socket.socket) -> None:
        """Serve until asked to stop, idle for long, or without a state folder."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, lambda: asyncio.create_task(self._end()))
        self._endpoints.restore()
        address = {"pid": os.getpid(), "port": self._port, "token": self._token, "version": code_version()}
        write_json(self._file, address, private=True)
        watching = asyncio.create_task(self._end_when_unused())
        await self._server.serve(sockets=[listening])
        watching.cancel()

    async def _end(self) -> None:
        # Deployments send their last collected rows while they stop, so the receiver stops last.
        await self._endpoints.close()
        self._server.should_exit = True

    async def _end_when_unused(self) -> None:
        while time.monotonic() - self._api.used < IDLE_SECONDS:
            await asyncio.sleep(min(2.0, IDLE_SECONDS))
            with suppress(FileNotFoundError, ValueError):
                if read_json(self._file)["token"] == self._token:
                    continue
            break
        await self._end()


def main(state: Path) -> None:
    """Run the host of a state folder, unless it already has one."""
    folder = host_folder(state)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        file = folder / ADDRESS
        with _listen(read_json(file)["port"] if file.exists() else 0) as listening:
            asyncio.run(_run(state, listening))


async def _run(state: Path, listening: socket.socket) -> None:
    await Host(state, listening.getsockname()[1]).run(listening)


def _listen(preferred: int) -> socket.socket:
    """Listen on the last host's port, so that scoring addresses stay the same, or else on a free one."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", preferred))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    return listening


if __name__ == "__main__":
    main(Path(sys.argv[1]))
