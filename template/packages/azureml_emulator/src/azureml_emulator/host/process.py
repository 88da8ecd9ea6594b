"""One deployment's process: Azure's inference server, started as Azure does and kept alive."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from azureml_emulator.environment import inherited
from azureml_emulator.files import write_json

LAUNCHER = Path(__file__).with_name("inference_server.py")
LOG = "log.txt"
LOG_TAIL = 30
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Specification:
    """The settings of a deployment's process, without the SDK's classes: the host does not import them."""

    script: str
    model: str
    variables: dict[str, str]
    collections: dict[str, float]
    source: str
    concurrency: int
    timeout: float
    startup_timeout: float


class ServerFailedError(Exception):
    """The server did not start; the message ends with the end of its log."""


class Server:
    """The process of a deployment with its code and model in `folder`."""

    def __init__(self, specification: Specification, folder: Path, collector: str):
        self._specification, self._folder, self._collector = specification, folder, collector
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.url = ""
        self.is_up = False
        self.tried = asyncio.Event()

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            ServerFailedError: it ended, or did not answer in the time of the readiness probe.
        """
        if self._stopping:
            raise ServerFailedError("It was stopped before it started.")
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        script = self._folder / "code" / self._specification.script
        command = [sys.executable, "-P", str(LAUNCHER), "--entry_script", script.name, "--port", str(port)]
        with (self._folder / LOG).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=script.parent,
                env=self._environment(script.parent),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self._specification.startup_timeout):
                await self._answers()
        except TimeoutError as error:
            await self._end()
            raise ServerFailedError(
                f"It did not answer within {self._specification.startup_timeout:.0f} s. {self.log_tail()}"
            ) from error
        except BaseException:
            await self._end()
            raise
        self.is_up = True
        self.tried.set()

    async def keep_running(self) -> None:
        """Restart the process whenever it ends, as Azure does, until it is stopped."""
        pause = 0.0
        while not self._stopping:
            if self._process:
                await self._process.wait()
            self.is_up = False
            if self._stopping:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause + 1, LONGEST_PAUSE)
            with suppress(ServerFailedError, OSError):
                await self._end()
                await self.start()
            self.tried.set()

    async def stop(self) -> None:
        """Stop the process gracefully: it answers open requests and sends its collected rows."""
        self._stopping = True
        await self._end()

    def log_tail(self) -> str:
        """Return the end of the log with an introduction."""
        lines = (self._folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        return "The end of its log:\n" + "\n".join(lines[-LOG_TAIL:])

    async def _answers(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                if self._process is None or self._process.returncode is not None:
                    raise ServerFailedError(f"Its process ended. {self.log_tail()}")
                with suppress(httpx.TransportError):
                    if (await client.get(self.url, timeout=2)).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError, TimeoutError):
            process.terminate()
            # The server gives its workers 30 s.
            async with asyncio.timeout(40):
                await process.wait()
        # The workers of a killed server would remain.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def _environment(self, root: Path) -> dict[str, str]:
        """Return the variables that Azure sets in the container, without this process's own settings."""
        given = self._specification
        collecting = {}
        if given.collections:
            settings = self._folder / "collector.json"
            rates = {
                name: {"enabled": True, "sampleRatePercentage": 100 * rate} for name, rate in given.collections.items()
            }
            write_json(settings, {"runMode": "cloud", "collections": rates})
            host, port = self._collector.rsplit(":", 1)
            collecting = {"AZUREML_MDC_CONFIG_PATH": str(settings), "AZUREML_MDC_HOST": host, "AZUREML_MDC_PORT": port}
        # A laptop has fewer cores than the instance: more workers than cores only slow each other down.
        workers = min(int(given.variables.get("WORKER_COUNT", "1")), os.cpu_count() or 1)
        return {
            **inherited(),
            "NO_PROXY": "127.0.0.1",
            "NETRC": os.devnull,
            "AML_APP_ROOT": str(root),
            "AZUREML_ENTRY_SCRIPT": Path(given.script).name,
            "AZUREML_MODEL_DIR": str(self._folder / given.model),
            "SCORING_TIMEOUT_MS": str(int(given.timeout * 1000)),
            "GUNICORN_CMD_ARGS": "--no-control-socket",
            **given.variables,
            **collecting,
            "WORKER_COUNT": str(workers),
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
