"""Tests the emulator's jobs: the status of a job without its process, and the path of its outputs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError

from azureml_emulator.processes import is_alive
from laptop import laptop
from mlops.errors import RunFailedError
from mlops.jobs import jobs, watching
from mlops.jobs.following import follow
from projects import OWN_SETTINGS, import_path, mlops

# A process that starts a job and then ends, as a command that is killed does.
ABANDONED = """
import os, sys, time
from pathlib import Path
from laptop import laptop

properties = {"jobType": "Pipeline", "displayName": "job-1", "jobs": {}, "inputs": {}, "outputs": {}, "tags": {}}
laptop(Path(sys.argv[1])).local.emulator.arm.jobs.start("job-1", properties, ["train"], lambda: time.sleep(60))
os._exit(9)
"""
PIPELINE = {"jobType": "Pipeline", "displayName": "job-1", "jobs": {}, "inputs": {}, "outputs": {}, "tags": {}}


@pytest.fixture
def place(tmp_path):
    return laptop(tmp_path / "state")


@pytest.fixture
def client(place):
    return place.client


@pytest.fixture
def arm(place):
    return place.local.emulator.arm


@pytest.fixture
def go_on(arm):
    """Let the running job end."""
    event = threading.Event()
    yield event
    event.set()
    for thread in arm.jobs._threads.values():
        thread.join()


def start(arm, work, *steps):
    arm.jobs.start("job-1", dict(PIPELINE), steps, work)


def waits(event):
    """Work that ends when the test says so."""
    return lambda: "Completed" if event.wait(20) else "Failed"


def test_job_of_a_living_process_is_there(client, arm, go_on):
    start(arm, waits(go_on), "train")
    assert jobs.find(client, "job-1") == "Running"
    assert [job.name for job in jobs.listed(client)] == ["job-1"]


def test_job_of_a_process_that_has_ended_is_not_there_and_its_name_is_free(client, arm, tmp_path, go_on):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ABANDONED, str(tmp_path / "state")]
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    assert arm.documents.get("jobs/job-1")["properties"]["status"] == "Running"
    assert jobs.find(client, "job-1") is None
    assert list(jobs.listed(client)) == []
    start(arm, waits(go_on))
    assert jobs.find(client, "job-1") == "Running"
    assert list(jobs.listed(client, "job-1")) == []


@pytest.mark.parametrize("pid", [os.getpid(), 1], ids=["of this process", "the first"])
def test_other_process_with_the_same_number_is_not_taken_for_it(client, arm, go_on, pid):
    """In a container the numbers start again at 1, so that after a restart another process has the number."""
    start(arm, waits(go_on))
    process = {"pid": pid, "started": psutil.boot_time() - 3600}
    arm.documents.put("jobs/job-1", arm.documents.get("jobs/job-1") | {"process": process})
    assert jobs.find(client, "job-1") is None


def test_file_of_an_older_version_has_only_the_number():
    assert is_alive(os.getpid(), 0.0)
    assert not is_alive(2**22 + 1, 0.0)


def test_job_that_could_not_write_how_it_ended_has_failed(client, arm, monkeypatch):
    """As on a full disk: the thread is gone and its file says Running."""
    monkeypatch.setattr(arm.jobs, "update", lambda name, status: None)
    start(arm, lambda: "Completed")
    arm.jobs.wait("job-1")
    with pytest.raises(RunFailedError, match=r"^The job job-1 failed\.$"):
        follow(client, "job-1")
    assert jobs.find(client, "job-1") == "Failed"
    assert [jobs.status_of(job) for job in jobs.listed(client)] == ["Failed"]


def test_steps_are_children_with_their_seconds(client, arm):
    def work():
        moment = "2026-11-20T12:00:0{}+00:00".format
        for step, status, created, ended in (("split", "Completed", 0, 2), ("train", "Failed", 2, 5)):
            run = arm.documents.get(f"runs/job-1-{step}") | {"status": status}
            times = {"createdUtc": moment(created), "lastModifiedUtc": moment(ended)}
            arm.documents.put(f"runs/job-1-{step}", run | times)
        arm.jobs.put_run("job-1", "Running", error="The step 'train' failed with exit code 1.")
        return "Failed"

    start(arm, work, "split", "train", "evaluate")
    arm.jobs.wait("job-1")
    (last,) = watching.watch(client, "job-1")
    assert [(step.name, step.status, step.seconds) for step in last.steps] == [
        ("split", "Completed", 2.0),
        ("train", "Failed", 3.0),
        ("evaluate", "NotStarted", 0.0),
    ]
    assert watching.ending(last) == "The step 'train' failed with exit code 1."


def test_watching_ends_when_the_job_does(client, arm, go_on, monkeypatch):
    monkeypatch.setattr(watching, "wait", lambda seconds: time.sleep(0.01))
    start(arm, waits(go_on))
    seen = []
    for progress in watching.watch(client, "job-1"):
        seen.append(progress.status)
        go_on.set()
    assert seen[0] == "Running"
    assert seen[-1] == "Completed"


def test_missing_job_is_not_followed(client):
    with pytest.raises(RunFailedError, match="The state of the job job-1 is unknown"):
        follow(client, "job-1")
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get("job-1")


def test_output_of_a_job_is_read_from_its_place(client, arm, tmp_path):
    place = arm.path(jobs.output_path("job-1", "gate"))
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
    environment = os.environ | OWN_SETTINGS | {"PYTHONPATH": import_path(project)}
    command = subprocess.Popen([sys.executable, "-m", "mlops.cli", "train"], cwd=project, env=environment)
    try:
        until(lambda: "Running" in statuses(project, "runs") and steps_of(command))
        steps = steps_of(command)
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=20) == 130
        until(lambda: not any(step.is_running() and step.status() != psutil.STATUS_ZOMBIE for step in steps), 10)
    finally:
        command.kill()
    assert statuses(project, "jobs") == ["Running"], "the job has neither ended nor gone on"


def steps_of(command):
    """The processes that do a job's work."""
    return [child for child in psutil.Process(command.pid).children(recursive=True) if "model." in str(child.cmdline())]


def statuses(project, kind):
    """The statuses in the documents of the project's jobs, or of the runs of their steps."""
    documents = [
        json.loads(file.read_text()) for file in (project / ".azureml-local" / "arm" / kind).glob("[!.]*.json")
    ]
    return [document.get("properties", {}).get("status") or document.get("status") for document in documents]


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
