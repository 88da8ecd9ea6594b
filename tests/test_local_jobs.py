"""Tests the emulator's jobs: the status of a job without its process, and the path of its outputs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError
from mlops.local.client import LocalClient
from mlops.local.jobs import Run, Step

from azureml_emulator.processes import is_alive, started_at
from mlops.errors import RunFailedError
from mlops.files import write_json
from mlops.jobs import jobs, watching
from projects import import_path, mlops


@pytest.fixture
def client(tmp_path):
    return LocalClient(tmp_path / "state")


def running(client, name="job-1", **facts):
    run = Run(name, "experiment", created_at="2026-11-20T12:00:00+00:00", steps=[Step("train", "Running")], **facts)
    write_json(client._state / "jobs" / name / "job.json", asdict(run))
    return run


def test_job_of_a_living_process_is_running(client):
    running(client)
    assert jobs.find(client, "job-1") == "Running"
    assert [job.name for job in jobs.listed(client)] == ["job-1"]


def test_job_of_an_ended_process_is_not_running(client):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    running(client, pid=ended.pid, started=time.time())
    assert jobs.find(client, "job-1") is None
    assert list(jobs.listed(client)) == []


def test_other_process_with_the_same_number_is_not_mistaken_for_it(client):
    """In a container process numbers start again at 1, so that after a restart another process has the number."""
    running(client, pid=os.getpid(), started=started_at(os.getpid()) - 3600)
    assert jobs.find(client, "job-1") is None
    running(client, pid=1, started=psutil.boot_time() - 3600)
    assert jobs.find(client, "job-1") is None


def test_file_of_an_older_version_has_only_the_number():
    assert is_alive(os.getpid(), 0.0)
    assert not is_alive(2**22 + 1, 0.0)


def test_job_that_could_not_write_its_result_has_failed(client):
    """As on a full disk: the thread has ended and its file says Running."""
    run = running(client)
    client.jobs.start(run, lambda: None)
    client.jobs._threads["job-1"].join()
    with pytest.raises(RunFailedError, match="was interrupted"):
        jobs.follow(client, "job-1")
    assert jobs.find(client, "job-1") == "Failed"


def test_steps_are_children_with_their_seconds(client):
    run = running(client)
    run.steps = [
        Step("split", "Completed", 2.0, "2026-11-20T12:00:00+00:00", "2026-11-20T12:00:02+00:00"),
        Step("train", "Failed", 3.0, "2026-11-20T12:00:02+00:00", "2026-11-20T12:00:05+00:00"),
        Step("evaluate"),
    ]
    run.status, run.error = "Failed", "The step 'train' failed with exit code 1."
    write_json(client._state / "jobs" / "job-1" / "job.json", asdict(run))
    (last,) = watching.watch(client, "job-1")
    assert [(step.name, step.status, step.seconds) for step in last.steps] == [
        ("split", "Completed", 2.0),
        ("train", "Failed", 3.0),
        ("evaluate", "NotStarted", 0.0),
    ]
    assert watching.ending(last) == "The step 'train' failed with exit code 1."


def test_watching_ends_when_the_job_does(client, monkeypatch):
    monkeypatch.setattr(watching, "wait", lambda seconds: time.sleep(0.01))
    run, go_on = running(client), threading.Event()

    def work():
        go_on.wait(5)
        run.status = "Completed"
        write_json(client._state / "jobs" / "job-1" / "job.json", asdict(run))

    client.jobs.start(run, work)
    seen = []
    for progress in watching.watch(client, "job-1"):
        seen.append(progress.status)
        go_on.set()
    assert seen[0] == "Running"
    assert seen[-1] == "Completed"


def test_missing_job_is_not_followed(client):
    with pytest.raises(RunFailedError, match="The state of the job job-1 is unknown"):
        jobs.follow(client, "job-1")
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get("job-1")


def test_output_of_a_job_is_read_from_its_path(client, tmp_path):
    place = client._state / "datastores" / "workspaceblobstore" / "azureml" / "job-1" / "gate"
    place.mkdir(parents=True)
    (place / "gate.json").write_text("{}")
    folder = jobs.download_output(client, "job-1", "gate", tmp_path / "here")
    assert [file.name for file in folder.iterdir()] == ["gate.json"]
    with pytest.raises(RunFailedError, match="The job job-2 left nothing at azureml://datastores/workspaceblobstore"):
        jobs.download_output(client, "job-2", "gate", tmp_path / "there")


def test_interrupt_of_the_command_alone_stops_its_steps_too(render):
    """As an editor or a supervisor sends it: to the command and not to its children."""
    project = render()
    assert mlops(project, "data").code == 0
    environment = os.environ | {"PYTHONPATH": import_path(project)}
    command = subprocess.Popen([sys.executable, "-m", "mlops.cli", "train"], cwd=project, env=environment)
    try:
        until(
            lambda: '"Running"' in "".join(file.read_text() for file in project.glob(".azureml-local/jobs/*/job.json"))
        )
        time.sleep(1)
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=20) == 130
    finally:
        command.kill()
    states = [json.loads(file.read_text())["status"] for file in project.glob(".azureml-local/jobs/*/job.json")]
    assert states == ["Running"], "the job has neither ended nor gone on"


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
