"""Tests online endpoints on the laptop: real servers behind the emulator's router, and the long-running host."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from endpoints import ENDPOINT, open_workspace, until, workspace


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with workspace(tmp_path_factory.mktemp("endpoint") / "state") as place:
        place.deploy("model-1")
        place.deploy("model-2", concurrency=1, timeout=1000)
        place.route(**{"model-1": 100})
        yield place


def error_of(response: httpx.Response) -> str:
    return response.json()["error"]["message"]


def runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # A zombie has ended; only its parent has not collected it yet.
        return process.status() != psutil.STATUS_ZOMBIE
    return False


# Starting a deployment


def test_server_starts_as_on_azure_in_its_scripts_folder_without_python_path(place):
    seen = place.ask(look=True).json()
    assert seen["environment"]["AML_APP_ROOT"] == seen["cwd"]
    assert (Path(seen["cwd"]) / "score.py").exists()
    assert seen["cwd"] != str(place.code)
    assert "PYTHONPATH" not in seen["environment"]
    assert not [path for path in seen["path"] if path.endswith("azureml_emulator/host")]
    assert seen["environment"]["AZUREML_ENTRY_SCRIPT"].endswith("score.py")
    assert seen["environment"]["WORKER_COUNT"] == "1"


def test_model_is_under_its_name_and_version(place):
    folder = place.ask(look=True).json()["environment"]["AZUREML_MODEL_DIR"]
    assert folder.endswith("azureml-models/stub-model/1")
    assert [file.name for file in (Path(folder) / "model").iterdir()] == ["MLmodel"]


def test_server_listens_on_this_machine_only(place):
    servers = [
        child for child in place.host().children(recursive=True) if "inference_server.py" in " ".join(child.cmdline())
    ]
    listening = {link.laddr.ip for server in servers for link in server.connections() if link.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_deployment_is_returned_as_the_sdk_returns_it(place):
    deployment = place.client.online_deployments.get("model-2", ENDPOINT)
    assert (deployment.name, deployment.endpoint_name, deployment.instance_count) == ("model-2", ENDPOINT, 1)
    assert deployment.request_settings.request_timeout_ms == 1000
    assert deployment.provisioning_state == "Succeeded"
    assert deployment.data_collector.collections["model_inputs"].enabled == "true"
    assert [known.name for known in place.client.online_deployments.list(ENDPOINT)] == ["model-1", "model-2"]
    assert place.client.online_endpoints.get(ENDPOINT).traffic == {"model-1": 100, "model-2": 0}
    assert [known.name for known in place.client.online_endpoints.list()] == [ENDPOINT]


def test_collected_folders_are_registered_as_data_assets(place):
    asset = place.client.data.get(f"{ENDPOINT}-model-1-model_outputs", "1")
    assert asset.type == "uri_folder"
    assert asset.path.endswith(f"/paths/modelDataCollector/{ENDPOINT}/model-1/model_outputs")


def test_logs_are_the_servers_own(place):
    assert "Azure ML Inferencing HTTP server" in place.client.online_deployments.get_logs("model-1", ENDPOINT, 500)
    assert len(place.client.online_deployments.get_logs("model-1", ENDPOINT, 3).splitlines()) == 3


def test_deployment_whose_init_raises_is_refused_with_its_log_and_nothing_runs(place):
    before = len(place.host().children(recursive=True))
    with pytest.raises(HttpResponseError, match="no such luck") as refused:
        place.deploy("model-9", FAIL="yes")
    assert refused.value.error.code == "BadRequest"
    assert len(place.host().children(recursive=True)) == before
    assert place.client.online_deployments.get("model-9", ENDPOINT).provisioning_state == "Failed"
    assert "no such luck" in place.client.online_deployments.get_logs("model-9", ENDPOINT, 100)
    assert place.ask("model-9").status_code == 404
    place.client.online_deployments.begin_delete("model-9", ENDPOINT).result()
    with pytest.raises(ResourceNotFoundError):
        place.client.online_deployments.get("model-9", ENDPOINT)


def test_script_with_a_syntax_error_is_refused_before_anything_starts(place):
    good = (place.code / "score.py").read_text()
    (place.code / "score.py").write_text("def init(:")
    try:
        with pytest.raises(Exception, match="syntax error"):
            place.deploy("model-8")
    finally:
        (place.code / "score.py").write_text(good)


@pytest.mark.parametrize("change", ["model", "endpoint"])
def test_deployment_of_something_unknown_is_refused(place, change):
    deployment = place.client.online_deployments.get("model-1", ENDPOINT)
    # The SDK cannot send what it has read of a data collector.
    deployment.data_collector = None
    deployment.model = "azureml:nothing:1" if change == "model" else deployment.model
    deployment.endpoint_name = "nothing" if change == "endpoint" else ENDPOINT
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        place.client.online_deployments.begin_create_or_update(deployment).result()


# Answers


def test_answer_names_its_deployment_and_is_passed_through(place):
    response = place.ask(n=3)
    assert response.status_code == 200
    assert response.headers["azureml-model-deployment"] == "model-1"
    assert response.headers["x-request-id"]
    assert response.json()["predictions"] == [3]


def test_header_chooses_the_deployment_whatever_the_traffic(place):
    assert {place.ask("model-2").json()["name"] for _ in range(3)} == {"model-2"}


@pytest.mark.parametrize("status", [400, 422, 500, 503, 204])
def test_status_other_than_200_becomes_424_with_the_models_own_status(place, status):
    response = place.ask(status=status)
    assert response.status_code == 424
    assert response.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert response.headers["ms-azureml-model-error-reason"]


def test_exception_in_the_script_becomes_424_without_a_stack_trace(place):
    response = place.ask(**{"raise": True})
    assert (response.status_code, response.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    assert "Traceback" not in response.text


def test_request_without_the_key_is_refused(place):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.post(place.url, json={}, headers=headers, trust_env=False).status_code == 401


def test_unknown_deployment_and_unknown_endpoint_are_404(place):
    assert place.ask("model-7").status_code == 404
    url = place.url.replace(ENDPOINT, "nothing")
    assert httpx.post(url, json={}, headers=place.headers(), trust_env=False).status_code == 404
    with pytest.raises(ResourceNotFoundError):
        place.client.online_endpoints.get("nothing")


def test_endpoint_without_traffic_answers_404_and_says_why(place):
    place.route()
    try:
        assert "No deployment has traffic" in error_of(place.ask())
    finally:
        place.route(**{"model-1": 100})


def test_slow_answer_is_408_and_the_worker_is_free_again(place):
    started = time.monotonic()
    assert place.ask("model-2", sleep=20).status_code == 408
    assert place.ask("model-2").status_code in (200, 408)
    assert until(lambda: place.ask("model-2").status_code == 200, 10)
    assert time.monotonic() - started < 15


def test_twice_the_concurrency_is_accepted_and_further_requests_get_429(place):
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(place.ask, "model-2", sleep=0.4) for _ in range(8)]
    statuses = Counter(response.result().status_code for response in asked)
    assert statuses[200] == 2
    assert statuses[429] == 6


def test_sdk_call_raises_the_sdks_errors(place, tmp_path):
    request = tmp_path / "request.json"
    request.write_text('{"n": 5}')
    assert '"predictions": [5]' in place.client.online_endpoints.invoke(ENDPOINT, request_file=str(request))
    request.write_text('{"status": 400}')
    with pytest.raises(HttpResponseError) as refused:
        place.client.online_endpoints.invoke(ENDPOINT, request_file=str(request), deployment_name="model-1")
    assert refused.value.status_code == 424


# Traffic


def test_traffic_is_split_exactly_and_changes_at_once(place):
    place.route(**{"model-1": 90, "model-2": 10})
    assert Counter(place.ask().json()["name"] for _ in range(20)) == {"model-1": 18, "model-2": 2}
    place.route(**{"model-2": 100})
    assert Counter(place.ask().json()["name"] for _ in range(5)) == {"model-2": 5}
    place.route(**{"model-1": 100})


def test_mirrored_requests_are_answered_by_one_and_seen_by_both(place):
    before = place.statistics("model-2").requests
    place.route(mirror={"model-2": 50}, **{"model-1": 100})
    assert {place.ask().json()["name"] for _ in range(10)} == {"model-1"}
    place.route(**{"model-1": 100})
    seen = until(lambda: place.statistics("model-2").requests - before >= 5)
    assert seen


@pytest.mark.parametrize(
    ("traffic", "mirror"),
    [({"model-1": 60}, {}), ({"nothing": 100}, {}), ({"model-1": 100}, {"model-2": 80}), ({"model-1": 150}, {})],
)
def test_traffic_that_azure_would_refuse_is_refused(place, traffic, mirror):
    with pytest.raises(HttpResponseError):
        place.route(mirror=mirror, **traffic)
    assert place.client.online_endpoints.get(ENDPOINT).traffic["model-1"] == 100


def test_no_request_fails_while_traffic_changes_and_deployments_are_replaced(place):
    statuses, stop = Counter(), threading.Event()
    headers, url = place.headers(), place.url

    def load() -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not stop.is_set():
                statuses[client.post(url, json={"n": 1}, headers=headers).status_code] += 1
                time.sleep(0.1)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    place.deploy("model-3")
    for share in (10, 50, 100):
        place.route(**{"model-1": 100 - share, "model-3": share})
        time.sleep(0.5)
    place.route(**{"model-1": 100})
    place.client.online_deployments.begin_delete("model-3", ENDPOINT).result()
    place.deploy("model-1")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert statuses[200] > 20


def test_deployment_with_traffic_cannot_be_deleted(place):
    with pytest.raises(HttpResponseError, match="has traffic"):
        place.client.online_deployments.begin_delete("model-1", ENDPOINT).result()


def test_deleted_deployment_answers_its_open_requests(place):
    place.deploy("model-4")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(place.ask, "model-4", sleep=1.5)
        time.sleep(0.5)
        place.client.online_deployments.begin_delete("model-4", ENDPOINT).result()
        assert slow.result().status_code == 200
    assert place.ask("model-4").status_code == 404


def test_statistics_show_the_cause_of_an_error(place):
    place.deploy("model-5")
    place.ask("model-5")
    place.ask("model-5", status=400)
    place.ask("model-5", status=500)
    seen = place.statistics("model-5")
    assert (seen.requests, seen.errors, seen.bad_requests, seen.rejected) == (3, 1, 1, 0)
    assert 0 < seen.median_seconds <= seen.p95_seconds < 5
    time.sleep(0.3)
    assert place.statistics("model-5", last_seconds=0.2).requests == 0
    place.client.online_deployments.begin_delete("model-5", ENDPOINT).result()


# The host


def test_process_that_dies_is_restarted(place):
    place.deploy("model-6")
    assert place.ask("model-6", crash=True).status_code == 503
    assert until(lambda: place.ask("model-6").status_code == 200)
    place.client.online_deployments.begin_delete("model-6", ENDPOINT).result()


def test_every_command_finds_the_same_host(place):
    pid = place.host().pid
    _, other = open_workspace(place.state)
    other.online_endpoints.begin_create_or_update(other.online_endpoints.get(ENDPOINT)).result()
    assert place.host().pid == pid


def test_killed_host_stops_its_children_and_restores_them(place, tmp_path):
    url, host = place.url, place.host()
    children = host.children(recursive=True)
    assert children
    host.kill()
    assert not psutil.wait_procs(children, timeout=20)[1]
    request = tmp_path / "request.json"
    request.write_text('{"n": 8}')
    assert '"name": "model-1"' in place.client.online_endpoints.invoke(ENDPOINT, request_file=str(request))
    assert place.host().pid != host.pid
    assert place.client.online_endpoints.get(ENDPOINT).scoring_uri == url


def test_stopped_host_restarts_with_the_next_use(place, tmp_path):
    host = place.host()
    children = host.children(recursive=True)
    place.local.close()
    assert [process for process in [host, *children] if runs(process)] == []
    request = tmp_path / "request.json"
    request.write_text("{}")
    assert '"name": "model-1"' in place.client.online_endpoints.invoke(ENDPOINT, request_file=str(request))


def test_host_ends_if_it_is_not_used_or_its_folder_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_LOCAL_IDLE_SECONDS", "3")
    with workspace(tmp_path / "state") as place:
        place.deploy("model-1")
        processes = [place.host(), *place.host().children(recursive=True)]
        assert not psutil.wait_procs(processes, timeout=30)[1]
        monkeypatch.delenv("MLOPS_LOCAL_IDLE_SECONDS")
        place.client.online_endpoints.begin_create_or_update(place.client.online_endpoints.get(ENDPOINT)).result()
        host = place.host()
        place.address_file.unlink()
        assert not psutil.wait_procs([host], timeout=30)[1]


def test_host_of_older_code_is_replaced(place):
    host, file = place.host(), place.address_file
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": "of yesterday"}))
    place.route(**{"model-1": 100})
    assert place.host().pid != host.pid
    assert not psutil.wait_procs([host], timeout=10)[1]


def test_endpoint_is_deleted_with_its_deployments(tmp_path):
    with workspace(tmp_path / "state") as place:
        place.deploy("model-1")
        children = place.host().children(recursive=True)
        place.client.online_endpoints.begin_delete(ENDPOINT).result()
        assert not psutil.wait_procs(children, timeout=10)[1]
        with pytest.raises(ResourceNotFoundError):
            place.client.online_endpoints.get(ENDPOINT)
