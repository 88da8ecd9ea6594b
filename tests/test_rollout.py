"""A rollout: its decisions, and what a caller of the endpoint notices of it, which is nothing."""

import json
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import urlparse

import httpx
import pytest
from mlflow import MlflowClient

from mlops.local.client import LocalClient
from mlops.rollout import Limits, Observed, Probe, deployment_name, is_hopeless, verdict, verdict_of_callers
from projects import mlops

GOOD = Probe(200, 20.0)


@pytest.mark.parametrize("version", ["1", "12", "9" * 40])
def test_deployment_names_obey_azure(version):
    assert 3 <= len(deployment_name(version)) <= 32


@pytest.mark.parametrize(
    ("probes", "why"),
    [
        ([], "never asked"),
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


def test_fit_deployment_is_let_in():
    assert verdict([GOOD] * 20, Limits()) is None


def test_long_versions_have_deployments_of_their_own():
    assert deployment_name("9" * 40 + "1") != deployment_name("9" * 40 + "2")


def test_probes_end_when_their_verdict_is_certain():
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
def test_callers_decide_too(observed, why):
    said = verdict_of_callers(observed, Limits())
    assert why in said if why else said is None


@pytest.fixture(scope="module")
def project(render):
    """A project whose first version serves."""
    project = render()
    for verb in ("data", "train", "deploy"):
        done = mlops(project, verb)
        assert done.code == 0, done.stdout + done.stderr
    yield project
    LocalClient(project / ".azureml-local").close()


@pytest.fixture
def client(project):
    return LocalClient(project / ".azureml-local")


def register_copy(project, spoil=None):
    """Register the first version's files again, spoilt by a function of their folder, and return the new version."""
    registry = MlflowClient((project / ".azureml-local" / "mlruns").as_uri())
    first = registry.get_model_version("diabetes-model", "1")
    copy = project / ".azureml-local" / f"copy-{time.time_ns()}"
    shutil.copytree(urlparse(first.source).path, copy)
    if spoil:
        spoil(copy)
    tags = {key: value for key, value in first.tags.items() if key != "rollout"}
    return str(registry.create_model_version("diabetes-model", copy.as_uri(), tags=tags).version)


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
    """Twenty requests a second, for as long as the block lasts."""

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
    names = [known.name for known in client.online_deployments.list(endpoint_name=endpoint.name)]
    return {name: share for name, share in endpoint.traffic.items() if share}, names


def test_same_call_twice_changes_nothing(project, client):
    before = serving(client)
    done = mlops(project, "deploy")
    assert (done.code, serving(client)) == (0, before)
    assert "UNCHANGED" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(cut_off, "did not come up"), (teach_wrong_answers, "where the model predicted 0.0 when it was trained")],
    ids=["does not come up", "answers wrongly"],
)
def test_failed_rollout_is_taken_back_and_nobody_notices(project, client, load, spoil, why):
    before = serving(client)
    version = register_copy(project, spoil)
    with load:
        done = mlops(project, "deploy")
    assert done.code == 1
    assert why in done.stderr
    assert serving(client) == before
    assert client.models.get("diabetes-model", version).tags["rollout"] == "failed"
    assert set(load.statuses) == {200}


@pytest.mark.slow  # what is too slow is decided above, and the other failures show that it is taken back
def test_slow_deployment_is_taken_back(project, client):
    before = serving(client)
    version = register_copy(project)
    done = mlops(project, "deploy", "--max-latency-ms", "0.1")
    assert (done.code, serving(client)) == (1, before)
    assert client.models.get("diabetes-model", version).tags["rollout"] == "failed"


def test_good_rollout_loses_no_request(project, client, load):
    version = register_copy(project)
    with load:
        done = mlops(project, "deploy")
    assert done.code == 0, done.stdout + done.stderr
    assert serving(client) == ({f"model-{version}": 100}, [f"model-{version}"])
    assert len(load.statuses) > 20
    assert set(load.statuses) == {200}


def test_version_that_does_not_exist_is_wrong_input(project):
    done = mlops(project, "deploy", "--version", "99")
    assert (done.code, done.stderr) == (2, "mlops: There is no model diabetes-model with version 99.\n")
