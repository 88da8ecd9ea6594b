"""Compares requests per second of this project's scoring, with and without collection, with `mlflow models serve`.

Run: python benchmarks/serving.py [PROJECT]

PROJECT is a rendered project that has a registered model; without it the script renders and trains one. All servers
use the same model. MLflow gets its own environment from uv: full `mlflow<3` with `starlette<0.47`, all else pinned as
in the project. All three use the same number of workers. Requests go directly to the server's port, one row each. The
script also prints the processor time per request, including the collector's. On a busy machine compare only this time,
because servers with more threads get more of the processor there.
"""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
CLIENTS, SECONDS, ROUNDS = 4, 3.0, 7
WORKERS = os.cpu_count() or 1
MLFLOW = "mlflow models serve"
PINS = ("scikit-learn", "pandas", "numpy", "cloudpickle")


def request(port: int, path: str, body: dict[str, Any]) -> bytes:
    """Return the bytes of a request."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def ask(port: int, message: bytes) -> None:
    """Send a request and read the answer, each on a connection of its own.

    Azure's server always closes connections. On a persistent connection MLflow's second packet waits 40 ms for the
    acknowledgement of the first, which does not depend on the speed of scoring.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(message)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"The server answered {answer.decode()}")


def load(port: int, message: bytes, processes: list[psutil.Process]) -> tuple[float, float]:
    """Return requests per second of clients that wait for each answer, and processor milliseconds per request."""
    before, started, counts = cpu(processes), time.perf_counter(), [0] * CLIENTS

    def client(number: int) -> None:
        while time.perf_counter() - started < SECONDS:
            ask(port, message)
            counts[number] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, count = time.perf_counter() - started, sum(counts)
    time.sleep(0.5)  # the collector may still be sending
    return count / seconds, 1000 * (cpu(processes) - before) / count


def cpu(processes: list[psutil.Process]) -> float:
    """Return the processor time that processes have taken."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


@contextmanager
def mlflow_server(model: Path) -> Iterator[tuple[int, int]]:
    """Serve the model with MLflow and return its port and process."""
    from importlib.metadata import version

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    packages = [f"mlflow=={version('mlflow-skinny')}", "starlette<0.47", *(f"{name}=={version(name)}" for name in PINS)]
    needed = [part for package in packages for part in ("--with", package)]
    serve = [
        "mlflow",
        "models",
        "serve",
        "-m",
        str(model),
        "-p",
        str(port),
        "-w",
        str(WORKERS),
        "--env-manager",
        "local",
    ]
    command = ["uv", "run", "--isolated", "--no-project", "--python", "3.11", *needed, "--", *serve]
    with (Path(tempfile.gettempdir()) / "mlflow-serve.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=environment(), cwd=tempfile.gettempdir()
        )
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def environment() -> dict[str, str]:
    """Return the environment variables without this Python's paths."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


def wait_for(port: int) -> None:
    """Wait until a server listens."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(5)  # the other workers
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("A server did not come up.")


def folders(project: Path) -> list[Path]:
    """Return the folders from which a project's modules are imported."""
    return [project / "src", project, *sorted(project.glob("packages/*/src"))]


def prepared(folder: Path) -> Path:
    """Render a project and train it."""
    import copier

    project = folder / "project"
    copier.run_copy(str(ROOT), project, defaults=True, quiet=True, vcs_ref="HEAD")
    for verb in ("data", "train"):
        # The model that training registers would be rolled out besides.
        settings = {"PYTHONPATH": os.pathsep.join(map(str, folders(project))), "MLOPS_EVENTS": "later"}
        subprocess.run([sys.executable, "-m", "mlops.cli", verb], cwd=project, env=os.environ | settings, check=True)
    return project


def main(project: Path) -> None:
    """Measure all three in turns and print medians and ratios."""
    sys.path[:0] = list(map(str, folders(project)))
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, folders(project)))
    import yaml
    from azure.ai.ml import load_online_deployment, load_online_endpoint

    from azureml_emulator.local import LocalWorkspace
    from mlops.settings import load_settings
    from mlops.training.environments import register_environment
    from mlops.workspace import client_of

    azure = load_settings().azure
    local = LocalWorkspace(project / ".azureml-local", azure.workspace_name, azure.resource_group)
    client = client_of(local)
    endpoint = load_online_endpoint(project / "endpoints/online/endpoint/endpoint.yml")
    client.online_endpoints.begin_create_or_update(endpoint).result()
    reference = register_environment(client, project / "environments/inference.yml")
    name, servers = str(endpoint.name), {}
    host = json.loads((project / ".azureml-local/host/host.json").read_text())["pid"]
    for label, collects in (("collection on", True), ("collection off", False)):
        deployment = load_online_deployment(project / "endpoints/online/deployment/deployment.yml")
        deployment.name, deployment.environment = label.replace(" ", "-"), reference
        deployment.environment_variables["WORKER_COUNT"] = str(WORKERS)
        deployment.data_collector = deployment.data_collector if collects else None
        client.online_deployments.begin_create_or_update(deployment).result()
        log = client.online_deployments.get_logs(str(deployment.name), name, 1000)
        port, pid = map(int, re.search(r"Listening at: http://127.0.0.1:(\d+) \((\d+)\)", log).groups())
        servers[label] = (port, [*family(pid), psutil.Process(host)])

    pipeline = yaml.safe_load((project / "pipelines/ci_pipeline.yml").read_text())
    registered = client.models.get(pipeline["inputs"]["model_name"], label="latest")
    model = local.emulator.arm.path(str(registered.path))
    example = json.loads((model / "input_example.json").read_text())
    columns, row = example["columns"], example["data"][0]
    contract = yaml.safe_load((project / "src/model/contract.yml").read_text())
    ours = {"input_data": {"columns": [contract["id_column"], *columns], "data": [["row-1", *row]]}}
    theirs = {"dataframe_split": {"columns": columns, "data": [row]}}
    messages = {label: request(port, "/score", ours) for label, (port, _) in servers.items()}
    with mlflow_server(model) as (port, pid):
        servers[MLFLOW], messages[MLFLOW] = (port, family(pid)), request(port, "/invocations", theirs)
        measured: dict[str, list[tuple[float, float]]] = {label: [] for label in servers}
        for round_number in range(ROUNDS + 1):
            for label, (port, processes) in servers.items():
                result = load(port, messages[label], processes)
                if round_number:  # the first round is a warm-up
                    measured[label].append(result)
    complete = local.emulator.arm.online.flush(60)
    local.close()
    report(measured, complete)


def report(measured: dict[str, list[tuple[float, float]]], complete: bool) -> None:
    """Print medians and ratios."""
    rates = {label: statistics.median(rate for rate, _ in results) for label, results in measured.items()}
    costs = {label: statistics.median(cost for _, cost in results) for label, results in measured.items()}
    print(f"{WORKERS} workers, {CLIENTS} clients, one row per request, median of {ROUNDS} rounds of {SECONDS:g} s")
    for label in measured:
        print(
            f"{label:20} {rates[label]:6.0f} requests/s, {rates[label] / rates[MLFLOW]:.2f} x mlflow; "
            f"{costs[label]:5.2f} ms of processor per request, {costs[label] / costs[MLFLOW]:.2f} x mlflow"
        )
    print(f"Collection costs {costs['collection on'] - costs['collection off']:.2f} ms; all collected: {complete}")
    if min(rates["collection on"] / rates[MLFLOW], costs[MLFLOW] / costs["collection on"]) < 1:
        raise SystemExit("Slower than mlflow models serve, or more processor time: repeat it on an idle machine.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(prepared(Path(temporary)))
