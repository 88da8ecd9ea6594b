"""Endpoints with a scripted scoring script, for tests of the emulator's serving."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
from azure.ai.ml.entities import (
    CodeConfiguration,
    DataCollector,
    DeploymentCollection,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
    ProbeSettings,
)
from mlflow import MlflowClient

from azureml_emulator.host.statistics import Statistics
from azureml_emulator.local import LocalWorkspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ENDPOINT = "stub-endpoint"
MODEL = "stub-model"
# Collects like this project's scoring script, and returns the values that a test needs.
SCRIPT = """
import json, os, sys, time
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.init import teardown
from azureml_inference_server_http.api.aml_response import AMLResponse
import atexit, beside

def init():
    global collectors
    collectors = [Collector(name=name, on_error=print) for name in ("model_inputs", "model_outputs")]
    atexit.register(teardown, wait_for_flush=True)
    if os.environ.get("FAIL"):
        raise RuntimeError("no such luck")

def run(body):
    asked = json.loads(body)
    time.sleep(asked.get("sleep", 0))
    if asked.get("crash"):
        os._exit(1)
    if asked.get("status"):
        return AMLResponse({"said": "no"}, asked["status"], json_str=True)
    if asked.get("raise"):
        raise RuntimeError("no such luck")
    frame = pd.DataFrame({"n": [asked.get("n", 0)]})
    context = collectors[0].collect(frame, BasicCorrelationContext())
    collectors[1].collect(frame, context)
    seen = {"cwd": os.getcwd(), "environment": dict(os.environ), "path": sys.path} if asked.get("look") else {}
    return {"name": os.environ.get("NAME"), "pid": os.getpid(), "predictions": [asked.get("n", 0)], **seen}
"""


@dataclass
class Workspace:
    """Return a state folder with one registered model and one endpoint."""

    local: LocalWorkspace
    client: "MLClient"
    state: Path
    code: Path

    def deploy(self, name: str, *, concurrency: int = 20, timeout: int = 5000, collect: bool = True, **variables: str):
        """Deploy the script; `variables` are set in its environment."""
        collections = {key: DeploymentCollection(enabled="True") for key in ("model_inputs", "model_outputs")}
        deployment = ManagedOnlineDeployment(
            name=name,
            endpoint_name=ENDPOINT,
            model=f"azureml:{MODEL}:1",
            environment=Environment(image="mcr.microsoft.com/azureml/minimal-py312-inference:latest"),
            code_configuration=CodeConfiguration(code=str(self.code), scoring_script="score.py"),
            environment_variables={"NAME": name, **variables},
            instance_type="Standard_DS2_v2",
            instance_count=1,
            request_settings=OnlineRequestSettings(
                request_timeout_ms=timeout, max_concurrent_requests_per_instance=concurrency
            ),
            readiness_probe=ProbeSettings(initial_delay=10, period=1, failure_threshold=20),
            data_collector=DataCollector(collections=collections, sampling_rate=1.0) if collect else None,
        )
        return self.client.online_deployments.begin_create_or_update(deployment).result()

    def route(self, mirror: dict[str, int] | None = None, **traffic: int) -> None:
        endpoint = self.client.online_endpoints.get(ENDPOINT)
        endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
        self.client.online_endpoints.begin_create_or_update(endpoint).result()

    @cached_property
    def url(self) -> str:
        return self.client.online_endpoints.get(ENDPOINT).scoring_uri

    @cached_property
    def key(self) -> str:
        return self.client.online_endpoints.get_keys(ENDPOINT).primary_key

    def headers(self, deployment: str | None = None) -> dict[str, str]:
        chosen = {"azureml-model-deployment": deployment} if deployment else {}
        return {"Authorization": f"Bearer {self.key}", **chosen}

    def ask(self, deployment: str | None = None, **body: Any) -> httpx.Response:
        return httpx.post(self.url, json=body, headers=self.headers(deployment), timeout=30, trust_env=False)

    def statistics(self, deployment: str, last_seconds: float = 3600) -> Statistics:
        path = f"endpoints/{ENDPOINT}/deployments/{deployment}/statistics?last_seconds={last_seconds}"
        return Statistics(**self.local.emulator.arm.online.control("GET", path))

    @property
    def address_file(self) -> Path:
        return self.state / "host" / "host.json"

    def host(self) -> psutil.Process:
        return psutil.Process(json.loads(self.address_file.read_text())["pid"])

    def records(self, deployment: str, collection: str = "model_inputs") -> list[dict[str, Any]]:
        container = self.state / "storage" / self.local.emulator.workspace.container
        root = container / "modelDataCollector" / ENDPOINT / deployment
        files = sorted((root / collection).rglob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def open_workspace(state: Path) -> tuple[LocalWorkspace, "MLClient"]:
    """Open a workspace as one command does."""
    local = LocalWorkspace(state, "mlw-test", "rg-test")
    # Without its progress bars the SDK waits for ever for a file that could not be uploaded.
    return local, local.client(enable_telemetry=False, show_progress=True)


@contextmanager
def workspace(state: Path) -> Iterator[Workspace]:
    """Create a workspace, and stop all its processes at the end."""
    code = state.parent / "code"
    code.mkdir()
    (code / "score.py").write_text(SCRIPT)
    (code / "beside.py").write_text("")
    model = state.parent / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    registry = MlflowClient((state / "mlruns").as_uri())
    registry.create_registered_model(MODEL)
    registry.create_model_version(MODEL, model.as_uri(), run_id="training")
    local, client = open_workspace(state)
    local.emulator.arm.models.collect()
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=ENDPOINT, auth_mode="key")).result()
    try:
        yield Workspace(local, client, state, code)
    finally:
        local.close()


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until a condition returns a true value, and return that value."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
    return found
