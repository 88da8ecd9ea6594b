"""Pipeline jobs fail where Azure's fail: at submission, at data access or in the step. The list is in the README."""

import pytest
from azure.ai.ml import Input, Output, command, dsl
from azure.ai.ml.entities import Data, Environment
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError

from azureml_emulator.local import LocalWorkspace

LOAD = 'python -c "import mltable, sys; mltable.load(sys.argv[1])" ${{inputs.data}}'
SHOW = "ls ${{inputs.data}} && echo it ran"
NOWHERE = "azureml://datastores/workspaceblobstore/paths/nowhere"


@pytest.fixture
def local(tmp_path):
    return LocalWorkspace(tmp_path / "state", "mlw", "rg")


@pytest.fixture
def client(local):
    client = local.client(enable_telemetry=False, show_progress=False)
    client.environments.create_or_update(Environment(name="e", version="1", image="mcr.microsoft.com/base:1"))
    return client


@pytest.fixture
def step(tmp_path):
    """Return a function that makes a component of a command line and the types of its inputs and outputs."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "readme.txt").write_text("no code")

    def step(line, inputs=None, outputs=None):
        return command(
            name="step",
            command=line,
            code=str(tmp_path / "code"),
            environment="azureml:e:1",
            inputs=inputs or {},
            outputs={name: Output(type=kind) for name, kind in (outputs or {}).items()},
        ).component

    return step


def run(local, client, pipeline):
    """Run a pipeline; return the statuses of job and steps, and the job's error."""
    job = client.jobs.create_or_update(pipeline, skip_validation=True)
    arm = local.emulator.arm
    arm.jobs.wait(job.name)
    steps = {
        run["displayName"]: run["status"] for _, run in arm.documents.all("runs") if run["parentRunId"] == job.name
    }
    return client.jobs.get(job.name).status, steps, arm.jobs.failure(job.name)


def one(component, **given):
    @dsl.pipeline(default_compute="serverless")
    def pipeline():
        reading = component(**given)  # noqa: F841 (the SDK takes the name of the step from it)

    return pipeline()


def two(first, second):
    """Return a pipeline of a step that writes `data` and a step that reads it."""

    @dsl.pipeline(default_compute="serverless")
    def pipeline():
        writing = first()
        reading = second(data=writing.outputs.data)  # noqa: F841

    return pipeline()


def test_step_without_a_required_input_is_refused_at_submission(client, step):
    pipeline = one(step(SHOW, {"data": Input(type="uri_folder")}))
    with pytest.raises(MlException, match="Required input 'data' for component 'reading' not provided"):
        client.jobs.create_or_update(pipeline)
    with pytest.raises(HttpResponseError, match=r"\(UserError\) Required input 'data' for component") as caught:
        client.jobs.create_or_update(pipeline, skip_validation=True)
    assert caught.value.status_code == 400
    assert list(client.jobs.list()) == []


def test_pipeline_without_a_required_input_is_refused_at_submission(client, step):
    component = step(SHOW, {"data": Input(type="uri_folder")})

    @dsl.pipeline(default_compute="serverless")
    def pipeline(rows: Input(type="uri_folder")):
        component(data=rows)

    with pytest.raises(HttpResponseError, match=r"\(UserError\) Required input 'rows' for pipeline"):
        client.jobs.create_or_update(pipeline(), skip_validation=True)


def test_defaults_and_optional_inputs_need_not_be_given(local, client, step):
    inputs = {"text": Input(type="string", default="usual"), "number": Input(type="integer", optional=True)}
    component = step("test ${{inputs.text}} = usual", inputs)
    assert run(local, client, one(component))[:2] == ("Completed", {"reading": "Completed"})
    assert run(local, client, one(component, text="other"))[:2] == ("Failed", {"reading": "Failed"})


@pytest.mark.parametrize("kind", ["uri_folder", "uri_file", "mltable"])
@pytest.mark.parametrize("registered", [True, False], ids=["asset", "path"])
def test_data_that_does_not_exist_fails_the_job_before_the_step_runs(local, client, step, kind, registered):
    if registered:
        local.emulator.arm.documents.put(
            "data/rows/versions/1",
            {"name": "1", "properties": {"dataType": kind, "dataUri": local.emulator.arm.assets.long(NOWHERE)}},
        )
    data = Input(type=kind, path="azureml:rows:1" if registered else NOWHERE)
    status, steps, error = run(local, client, one(step(SHOW, {"data": Input(type=kind)}), data=data))
    assert (status, steps) == ("Failed", {"reading": "Failed"})
    assert "The step 'reading' cannot access its input 'data'." in error
    assert "Error Code: ScriptExecution.StreamAccess.NotFound" in error
    assert "The requested stream was not found. Please make sure the request uri is correct." in error
    assert "it ran" not in error


def test_data_that_is_there_is_read(local, client, step, tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    client.data.create_or_update(Data(name="rows", version="1", type="uri_file", path=str(tmp_path / "rows.csv")))
    data = Input(type="uri_file", path="azureml:rows:1")
    assert run(local, client, one(step(SHOW, {"data": Input(type="uri_file")}), data=data))[0] == "Completed"


def test_output_file_that_was_written_is_read(local, client, step):
    first = step("echo 1 > ${{outputs.data}}", outputs={"data": "uri_file"})
    second = step("grep 1 ${{inputs.data}}", {"data": Input(type="uri_file")})
    assert run(local, client, two(first, second))[0] == "Completed"


def test_output_file_that_was_not_written_fails_the_step_that_reads_it(local, client, step):
    second = step(SHOW, {"data": Input(type="uri_file")})
    status, steps, error = run(local, client, two(step("true", outputs={"data": "uri_file"}), second))
    assert (status, steps) == ("Failed", {"writing": "Completed", "reading": "Failed"})
    assert "ScriptExecution.StreamAccess.NotFound" in error


def test_output_folder_without_files_is_there(local, client, step):
    second = step(SHOW, {"data": Input(type="uri_folder")})
    assert run(local, client, two(step("true", outputs={"data": "uri_folder"}), second))[0] == "Completed"


def test_output_table_without_its_description_fails_the_step_that_reads_it(local, client, step):
    second = step(LOAD, {"data": Input(type="mltable")})
    status, steps, error = run(local, client, two(step("true", outputs={"data": "mltable"}), second))
    assert (status, steps) == ("Failed", {"writing": "Completed", "reading": "Failed"})
    assert "Not able to find MLTable file from the MLTable folder" in error


def test_table_without_its_description_fails_the_step_that_reads_it(local, client, step):
    rows = local.emulator.arm.path(NOWHERE) / "rows.csv"
    rows.parent.mkdir(parents=True)
    rows.write_text("a\n1\n")
    data = Input(type="mltable", path=NOWHERE)
    status, _, error = run(local, client, one(step(LOAD, {"data": Input(type="mltable")}), data=data))
    assert status == "Failed"
    assert "Not able to find MLTable file from the MLTable folder" in error


def test_table_without_its_description_is_not_registered(client, tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "rows.csv").write_text("a\n1\n")
    with pytest.raises(MlException, match="MLTable"):
        client.data.create_or_update(Data(name="rows", version="1", type="mltable", path=str(tmp_path / "table")))
