"""Pipeline jobs go on after failed steps if they are told to, and run Spark components besides commands."""

import pytest
from azure.ai.ml import Input, Output, command, dsl, spark
from azure.ai.ml.entities import Environment

from azureml_emulator.local import LocalWorkspace

PROGRAM = """
import sys
from pathlib import Path
folder, rows = map(Path, sys.argv[1:])
(folder / "seen.txt").write_text("a folder" if rows.is_dir() else "nothing")
"""


@pytest.fixture
def local(tmp_path):
    return LocalWorkspace(tmp_path / "state", "mlw", "rg")


@pytest.fixture
def client(local):
    client = local.client(enable_telemetry=False, show_progress=False)
    client.environments.create_or_update(Environment(name="e", version="1", image="mcr.microsoft.com/base:1"))
    return client


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    return str(folder)


def statuses(local, job):
    local.emulator.arm.jobs.wait(job)
    runs = [run for _, run in local.emulator.arm.documents.all("runs") if run["parentRunId"] == job]
    return {run["displayName"]: run["status"] for run in runs}


@pytest.mark.parametrize("goes_on", [False, True])
def test_steps_that_do_not_need_a_failed_step_run_if_the_job_goes_on(goes_on, local, client, code):
    failing = command(
        name="failing",
        command="exit 1",
        code=code,
        environment="azureml:e:1",
        outputs={"data": Output(type="uri_folder")},
    ).component
    fine = command(
        name="fine",
        command="echo ${{inputs.data}}",
        code=code,
        environment="azureml:e:1",
        inputs={"data": Input(type="uri_folder", optional=True)},
    ).component

    @dsl.pipeline(default_compute="serverless", continue_on_step_failure=goes_on)
    def pipeline():
        first = failing()
        after = fine(data=first.outputs.data)  # noqa: F841 (the SDK takes the names of steps from these)
        last = failing()
        last.outputs.data = Output(type="uri_folder")

    job = client.jobs.create_or_update(pipeline(), skip_validation=True).name
    found = statuses(local, job)
    assert (found["first"], found["after"]) == ("Failed", "Canceled")
    assert found["last"] == ("Failed" if goes_on else "Canceled")
    assert client.jobs.get(job).status == "Failed"


def test_spark_step_opens_its_inputs_itself(local, client, code):
    component = spark(
        name="looking",
        code=code,
        entry={"file": "program.py"},
        args="${{outputs.lines}} ${{inputs.rows}}",
        inputs={"rows": Input(type="uri_folder", mode="direct")},
        outputs={"lines": Output(type="uri_folder", mode="direct")},
        driver_cores=1,
        driver_memory="2g",
        executor_cores=1,
        executor_memory="2g",
        executor_instances=1,
    ).component
    nowhere = "azureml://datastores/workspaceblobstore/paths/nowhere"

    @dsl.pipeline
    def pipeline():
        looking = component(rows=Input(type="uri_folder", mode="direct", path=nowhere))
        looking.resources = {"instance_type": "standard_e4s_v3", "runtime_version": "3.5"}

    job = client.jobs.create_or_update(pipeline(), skip_validation=True).name
    assert statuses(local, job) == {"looking": "Completed"}, local.failure(job)
    (written,) = local.emulator.arm.storage.folder(local.emulator.workspace.container).rglob("seen.txt")
    assert written.read_text() == "nothing"


def test_version_that_a_job_has_deleted_in_mlflow_is_gone(local):
    arm = local.emulator.arm
    root = arm.state / "mlruns" / "models" / "m" / "version-1"
    (root / "tags").mkdir(parents=True)
    files = arm.state / "files"
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {}")
    content = f"name: m\nversion: 1\nrun_id: r\nsource: {files.as_uri()}\n"
    (root / "meta.yaml").write_text(content)
    arm.models.collect()
    assert [name for name, _ in arm.documents.all("models/m/versions")] == ["1"]
    (root / "meta.yaml").write_text(f"{content}current_stage: Deleted_Internal\n")
    arm.models.collect()
    assert list(arm.documents.all("models/m/versions")) == []
