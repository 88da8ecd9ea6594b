"""Tests a rollout: its decisions, and that callers of the endpoint notice nothing."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlparse

import httpx
import pytest
from mlflow import MlflowClient

from laptop import laptop
from mlops.rollout.plan import Limits, Observed, Probe, deployment_name, is_hopeless, verdict, verdict_of_callers
from projects import import_path, mlops, python

GOOD = Probe(200, 20.0)


@pytest.mark.parametrize("version", ["1", "12", "9" * 40])
def test_deployment_names_follow_azures_rules(version):
    assert 3 <= len(deployment_name(version)) <= 32


@pytest.mark.parametrize(
    ("probes", "why"),
    [
        ([], "received no requests"),
        ([GOOD, Probe(424, 20.0, "no such luck")], "1 of 2 requests failed, the last with no such luck"),
        ([Probe(200, 20.0, "it predicted 3")], "it predicted 3"),
        ([Probe(200, 1500.0)] * 20, "more than 1000 ms"),
        (
            [GOOD] * 19 + [Probe(200, float("nan"))],
            "1 of 20 requests failed, the last with a time that is not a number",
        ),
        ([Probe(0, 5000.0, "no answer after 5.0 s")], "no answer"),
    ],
    ids=["silent", "failing", "wrong", "slow", "not a number", "no answer"],
)
def test_unfit_deployment_is_refused_with_the_reason(probes, why):
    assert why in str(verdict(probes, Limits()))


def test_fit_deployment_is_accepted():
    assert verdict([GOOD] * 20, Limits()) is None


def test_long_versions_have_different_deployment_names():
    assert deployment_name("9" * 40 + "1") != deployment_name("9" * 40 + "2")


def test_probes_end_when_their_result_is_certain():
    bad = Probe(503, 1.0)
    assert is_hopeless([bad], 20, Limits())
    assert not is_hopeless([GOOD, bad], 20, Limits(error_rate=0.1))
    assert is_hopeless([bad] * 3, 20, Limits(error_rate=0.1))


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        (Observed(0, 0), None),
        (Observed(100, 0, 400.0), None),
        (Observed(100, 1, 400.0), "1 of 100 requests of callers failed"),
        (Observed(100, 0, 4000.0), "callers waited too long"),
        (Observed(100, 0, float("nan")), "callers waited too long"),
    ],
)
def test_requests_of_callers_count_too(observed, why):
    said = verdict_of_callers(observed, Limits())
    assert why in said if why else said is None


@pytest.fixture(scope="module")
def project(render):
    """Return a project whose first version serves."""
    project = render()
    for verb in ("data", "train", "deploy"):
        done = mlops(project, verb)
        assert done.code == 0, done.stdout + done.stderr
    yield project
    laptop(project / ".azureml-local").local.close()


@pytest.fixture
def client(project):
    return laptop(project / ".azureml-local").client


def register_copy(project, spoil=None):
    """Register the first version's files again, damaged by a function of their folder, and return the new version."""
    registry = MlflowClient((project / ".azureml-local" / "mlruns").as_uri())
    first = registry.get_model_version("diabetes-model", "1")
    copy = project / ".azureml-local" / f"copy-{time.time_ns()}"
    shutil.copytree(urlparse(first.source).path, copy)
    if spoil:
        spoil(copy)
    tags = {key: value for key, value in first.tags.items() if key != "rollout"}
    # A run of its own: the workspace keeps a model's files under the run that registered it.
    made = registry.create_model_version("diabetes-model", copy.as_uri(), run_id=copy.name, tags=tags)
    laptop(project / ".azureml-local").local.emulator.arm.models.collect()
    return str(made.version)


def cut_off(folder: Path) -> None:
    model = folder / "model.pkl"
    model.write_bytes(model.read_bytes()[:100])


def teach_wrong_answers(folder: Path) -> None:
    description = (folder / "MLmodel").read_text(encoding="utf-8")
    before, _, after = description.partition("example_predictions:\n")
    (folder / "MLmodel").write_text(
        f"{before}example_predictions:\n  - 0.0\n" + after.partition("\n")[2], encoding="utf-8"
    )


class Load:
    """Send twenty requests a second for the duration of the block."""

    def __init__(self, client, project):
        self._endpoint = next(iter(client.online_endpoints.list()))
        key = client.online_endpoints.get_keys(self._endpoint.name).primary_key
        self._headers = {"Authorization": f"Bearer {key}"}
        row = json.loads((project / ".azureml-local" / "request.json").read_text(encoding="utf-8"))
        self._body, self.statuses, self._stop = row, [], threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def lost(self) -> str:
        return f"{sum(status != 200 for status in self.statuses)} of {len(self.statuses)}"

    def _run(self):
        with httpx.Client(trust_env=False, timeout=30) as session:
            while not self._stop.is_set():
                started = time.monotonic()
                self.statuses.append(
                    session.post(self._endpoint.scoring_uri, json=self._body, headers=self._headers).status_code
                )
                time.sleep(max(0, 0.05 - (time.monotonic() - started)))


@pytest.fixture
def load(client, project):
    columns = ["row_id", "age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "sex"]
    row = {"input_data": {"columns": columns, "data": [["x", 50, 25, 90, 180, 110, 50, 4, 4.6, 90, "1"]]}}
    (project / ".azureml-local" / "request.json").write_text(json.dumps(row), encoding="utf-8")
    return Load(client, project)


def serving(client):
    endpoint = next(iter(client.online_endpoints.list()))
    names = sorted(known.name for known in client.online_deployments.list(endpoint_name=endpoint.name))
    return {name: share for name, share in endpoint.traffic.items() if share}, names


def test_same_call_twice_changes_nothing(project, client):
    before = serving(client)
    done = mlops(project, "deploy")
    assert (done.code, serving(client)) == (0, before)
    assert "UNCHANGED" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(cut_off, "did not start"), (teach_wrong_answers, "but the model predicted 0.0 when it was trained")],
    ids=["does not come up", "answers wrongly"],
)
def test_failed_rollout_is_rolled_back_without_failed_requests(project, client, load, spoil, why, record_property):
    before = serving(client)
    version = register_copy(project, spoil)
    with load:
        done = mlops(project, "deploy")
    assert done.code == 1
    assert why in done.stderr
    assert serving(client) == before
    assert client.models.get("diabetes-model", version).tags["rollout"] == "failed"
    record_property(f"requests lost of requests sent while a rollout fails: {why[:16]}", load.lost())
    assert set(load.statuses) == {200}


SCORE_HANGS = """

_run, _asked = run, 0


def run(raw_data):
    global _asked
    _asked += 1
    if _asked > 4:
        import time
        time.sleep(600)
    return _run(raw_data)
"""


@pytest.fixture
def hanging_script(project):
    """The project's scoring script hangs from its fifth request on, and Azure ends a request after a second."""
    script = project / "src" / "score.py"
    definition = project / "endpoints" / "online" / "deployment" / "deployment.yml"
    before = {file: file.read_text(encoding="utf-8") for file in (script, definition)}
    script.write_text(before[script] + SCORE_HANGS, encoding="utf-8")
    text = before[definition].replace("request_timeout_ms: 10000", "request_timeout_ms: 1000")
    definition.write_text(text.replace('WORKER_COUNT: "2"', 'WORKER_COUNT: "1"'), encoding="utf-8")
    yield
    for file, text in before.items():
        file.write_text(text, encoding="utf-8")


def test_hanging_deployment_is_rolled_back_without_failures(project, client, load, hanging_script, record_property):
    before = serving(client)
    version = register_copy(project)
    with load:
        done = mlops(project, "deploy")
    assert done.code == 1, done.stdout + done.stderr
    assert "did not answer within 1 s" in done.stderr
    assert serving(client) == before
    assert client.models.get("diabetes-model", version).tags["rollout"] == "failed"
    record_property("requests lost of requests sent while a rollout fails by a hang", load.lost())
    assert set(load.statuses) == {200}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("creating", marks=pytest.mark.slow),  # the endpoint is in its state of the smoke test
        pytest.param("smoke test", marks=pytest.mark.slow),  # the deployment gets no traffic yet
        "% of the traffic",
        "all traffic",
    ],
)
def test_killed_rollout_loses_no_request_and_resumes(project, client, load, step, record_property):
    before = serving(client)
    version = register_copy(project)
    with load:
        kill_at(project, step)
        between = serving(client)
        done = mlops(project, "deploy")
    assert between[0].keys() <= {*before[0], f"model-{version}"}
    assert sum(between[0].values()) == 100
    assert done.code == 0, done.stdout + done.stderr
    assert serving(client) == ({f"model-{version}": 100}, [f"model-{version}"])
    record_property(f"requests lost of requests sent while a rollout is killed at '{step}' and run again", load.lost())
    assert set(load.statuses) == {200}


def kill_at(project, step):
    """Kill a rollout as soon as it says that it is at a step."""
    command = [sys.executable, "-u", "-m", "mlops.cli", "deploy"]
    environment = {**os.environ, "PYTHONPATH": import_path(project)}
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if step in line:
                process.kill()
                return
    raise AssertionError(f"the rollout never came to: {step}")


def test_concurrent_second_rollout_is_refused_with_a_sentence(project, client, load):
    before = serving(client)
    with (project / ".azureml-local" / "deploy.lock").open("a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = mlops(project, "deploy")
    assert done.code == 1
    assert done.stderr == "mlops: Another `mlops deploy` of this project is running: wait until it has ended.\n"
    assert serving(client) == before


def test_two_concurrent_rollouts_leave_one_deployment_and_no_stack_trace(project, client, load):
    version = register_copy(project)
    with load, ThreadPoolExecutor() as threads:
        done = list(threads.map(lambda _: mlops(project, "deploy"), range(2)))
    assert sorted(one.code for one in done) in ([0, 0], [0, 1]), [one.stderr for one in done]
    assert all("Traceback" not in one.stderr for one in done)
    assert serving(client) == ({f"model-{version}": 100}, [f"model-{version}"])
    assert set(load.statuses) == {200}


def test_serving_version_is_not_probed_again_because_of_an_old_deployment(project, client, load):
    """Every probe would be too slow, but the version already has all traffic."""
    (serves,) = serving(client)[1]
    leave_behind(project, client, serves, register_copy(project))
    with load:
        done = mlops(project, "deploy", "--version", serves.removeprefix("model-"), "--max-latency-ms", "0.001")
    assert done.code == 0, done.stdout + done.stderr
    assert serving(client) == ({serves: 100}, [serves])
    assert set(load.statuses) == {200}


def leave_behind(project, client, serves, version):
    """Create a deployment of a version next to the serving one, without traffic."""
    code = (
        "from mlops.workspace import connect\nfrom mlops.rollout.online import load_deployment\nclient = connect()\n"
        f"model = client.models.get('diabetes-model', version='{version}')\n"
        "client.online_deployments.begin_create_or_update(load_deployment(client, model)).result()\n"
    )
    done = python(project, "-c", code)
    assert done.code == 0, done.stderr
    assert serving(client)[1] == sorted([f"model-{version}", serves])


@pytest.mark.slow  # limits for latency are tested above, and other failures show the rollback
def test_slow_deployment_is_rolled_back(project, client):
    before = serving(client)
    version = register_copy(project)
    done = mlops(project, "deploy", "--max-latency-ms", "0.1")
    assert (done.code, serving(client)) == (1, before)
    assert client.models.get("diabetes-model", version).tags["rollout"] == "failed"


def test_good_rollout_loses_no_request(project, client, load, record_property):
    version = register_copy(project)
    with load:
        done = mlops(project, "deploy")
    assert done.code == 0, done.stdout + done.stderr
    assert serving(client) == ({f"model-{version}": 100}, [f"model-{version}"])
    record_property("requests lost of requests sent while a rollout succeeds", load.lost())
    assert len(load.statuses) > 20
    assert set(load.statuses) == {200}


def test_version_that_does_not_exist_is_wrong_input(project):
    done = mlops(project, "deploy", "--version", "99")
    assert (done.code, done.stderr) == (2, "mlops: There is no model diabetes-model with version 99.\n")
