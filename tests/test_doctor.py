"""Tests `mlops doctor`: with nothing wrong it says so, and if one thing is wrong it names that one with a remedy."""

import json
import re
from dataclasses import dataclass

import pytest

from azure_runs import run, verb
from mlops.doctor.answers import Expected, lines_of
from mlops.doctor.lines import Outcome, problem, without_private
from projects import mlops, render_from, template
from refusal_faults import AUTHORIZATION, FAULTS

DOCTOR = verb("doctor", "--json")
PERSON = "33333333-3333-3333-3333-333333333333"
# As the schedule does on Azure, which has no request for it in its published API.
MONITOR_RUNS = """
import json
job = json.loads(emulator.arm.schedules.trigger(None, "diabetes-monitor").body)["submissionId"]
emulator.arm.jobs.wait(job)
result = emulator.arm.jobs.find(job)["properties"]["status"]
"""
KEEP = """
import shutil
for part in ("arm", "storage"):
    shutil.copytree(emulator.arm.state / part, emulator.arm.state / "kept" / part)
"""
RESTORE = """
import shutil
for part in ("arm", "storage"):
    shutil.rmtree(emulator.arm.state / part)
    # The order of versions is that of their files.
    shutil.copytree(emulator.arm.state / "kept" / part, emulator.arm.state / part)
"""
HELP = """
from datetime import datetime, timedelta, timezone
import io, json, shutil
from pathlib import Path
import pandas as pd
documents, storage = emulator.arm.documents, emulator.storage
endpoint = next(iter(documents.names("onlineEndpoints")), "")
here = f"onlineEndpoints/{endpoint}/deployments/model-1"
rows = storage.folder(emulator.workspace.container) / "modelDataCollector" / endpoint / "model-1" / "model_inputs"

def change(path, edit):
    document = documents.get(path)
    edit(document["properties"])
    documents.put(path, document)

def files_of(asset):
    return emulator.arm.path(documents.get(f"data/{asset}/versions/1")["properties"]["dataUri"])

def without_column(asset, column):
    for file in files_of(asset).glob("*.parquet"):
        pd.read_parquet(file).drop(columns=column).to_parquet(file, index=False)

def environment(name, drop):
    (version, document), = documents.all(f"environments/{name}/versions")
    lines = document["properties"]["condaFile"].splitlines()
    document["properties"]["condaFile"] = "\\n".join(line for line in lines if drop not in line)
    document["systemData"]["createdAt"] = "2030-01-01T00:00:00+00:00"
    documents.put(f"environments/{name}/versions/newer", document)

def signals(definition):
    return definition["action"]["monitorDefinition"]["signals"]

def last_run(**more):
    (name, run), = [(name, run) for name, run in documents.all("runs") if name.startswith("diabetes-monitor-2")
                    and not run["parentRunId"]]
    documents.put(f"runs/{name}", run | more)
    change(f"jobs/{name}", lambda job: job.update(status=more.get("status", "Completed")))
    return name
"""


@dataclass(frozen=True)
class Plant:
    """One thing that is wrong: how it is planted, what the line names, its outcome, and a word of the remedy."""

    source: str
    looked_at: str
    found: str
    remedy: str
    outcome: str = "PROBLEM"
    faults: tuple = ()


def stores_with_key():
    store = {
        "id": "/subscriptions/s/datastores/workspaceblobstore",
        "name": "workspaceblobstore",
        "properties": {
            "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey"}},
            "datastoreType": "AzureBlob",
            "accountName": "stdiabetes",
            "containerName": "azureml-blobstore-22222222",
            "isDefault": True,
        },
    }
    return ({"match": r"GET .*/datastores\?", "status": 200, "json": {"value": [store]}},)


def refused(match):
    return ({"match": match, "status": 403, "json": AUTHORIZATION},)


MONITOR = 'Path("endpoints/online/monitor/advanced.yml")'
PLANTS = {
    "a key, and a component of the project that reads collected rows": Plant(
        f"file = {MONITOR}\nkept = file.read_text()\nfile.with_suffix('.kept').write_text(kept)\n"
        "file.write_text(kept.replace('data_context: model_inputs',"
        " 'data_context: model_inputs\\n          pre_processing_component: azureml:mine:1', 1))",
        "default datastore",
        "attribution_drift",
        "pre_processing_component",
        faults=stores_with_key(),
    ),
    "a training environment without azureml-mlflow": Plant(
        'environment("mlops-training", "azureml-mlflow")', "environment mlops-training", "azureml-mlflow", "mlops train"
    ),
    "a serving environment without the collector": Plant(
        'environment("mlops-inference", "azureml-ai-monitoring")',
        "environment mlops-inference",
        "azureml-ai-monitoring",
        "mlops deploy",
    ),
    "a component that is not registered": Plant(
        'documents.delete("components/model_performance")',
        "component model_performance",
        "performance",
        "mlops deploy",
    ),
    "a reference that is not registered": Plant(
        'documents.delete("data/diabetes-model-reference")',
        "data asset diabetes-model-reference",
        "no longer exists",
        "Train and deploy",
    ),
    "a reference whose files are gone": Plant(
        'shutil.rmtree(files_of("diabetes-model-reference"))',
        "data asset diabetes-model-reference",
        "deleted or moved",
        "Train and deploy",
    ),
    "a reference without a column": Plant(
        'without_column("diabetes-model-reference", "bmi")',
        "data asset diabetes-model-reference",
        "bmi",
        "Train and deploy",
    ),
    "labels without the identifier": Plant(
        'without_column("diabetes-model-labels", "row_id")',
        "data asset diabetes-model-labels",
        "row_id",
        "mlops labels",
    ),
    "a collection that is off": Plant(
        'change(here, lambda its: its["dataCollector"]["collections"]["model_outputs"].update('
        'dataCollectionMode="Disabled"))',
        "deployment model-1",
        "model_outputs",
        "deployment.yml",
    ),
    "rows of last year only": Plant(
        "(hour,) = rows.glob('*/*/*/*')\nold = rows / '2025' / '03' / '04'\nold.mkdir(parents=True)\n"
        "shutil.move(hour, old / '05')\n[shutil.rmtree(year) for year in rows.iterdir() if year.name != '2025']",
        "collected rows of model-1",
        "2025-03-04 05:00",
        "log",
    ),
    "no rows": Plant("shutil.rmtree(rows)", "collected rows of model-1", "none", "mlops invoke", "NOT KNOWN"),
    "a monitor of a deleted deployment": Plant(
        'monitored = "monitoringTarget"\n'
        'change("schedules/diabetes-monitor", lambda its: its["action"]["monitorDefinition"][monitored].update('
        'deploymentId=f"{emulator.workspace.id}/onlineEndpoints/{endpoint}/deployments/model-9"))',
        "monitored deployment model-9",
        "does not exist",
        "mlops deploy",
    ),
    "a monitor of a deployment without traffic": Plant(
        'documents.put(here.replace("model-1", "model-2"), documents.get(here) | {"name": "model-2"})\n'
        "shutil.copytree(rows.parent, rows.parent.with_name('model-2'))\n"
        'change(f"onlineEndpoints/{endpoint}", lambda its: its.update(traffic={"model-2": 100}))',
        "monitored deployment model-1",
        "model-2",
        "mlops deploy",
    ),
    "a disabled schedule": Plant(
        'change("schedules/diabetes-monitor", lambda its: its.update(isEnabled=False))',
        "schedule diabetes-monitor",
        "disabled",
        "az ml schedule enable",
    ),
    "a schedule that has ended": Plant(
        'change("schedules/diabetes-monitor", lambda its: its["trigger"].update(endTime="2025-01-01T00:00:00"))',
        "schedule diabetes-monitor",
        "2025-01-01",
        "end_time",
    ),
    "a run without rows": Plant(
        'last_run(status="Failed", tags={"azureml.modelmonitor.error": "No data found for the given time window."})',
        "last run of the monitor",
        "no rows",
        "send some",
    ),
    "a run that failed": Plant(
        'name = last_run(status="Failed")\n'
        'step = f"{name}-diabetes_monitor_data_drift"\n'
        'documents.put(f"runs/{step}", documents.get(f"runs/{step}") | {"status": "Failed"})',
        "last run of the monitor",
        "diabetes_monitor_data_drift",
        "studio",
    ),
    "a schedule that never ran": Plant(
        'name = last_run()\ndocuments.delete(f"jobs/{name}")\n'
        'change("schedules/diabetes-monitor", lambda its: its["trigger"].update(startTime="2025-01-01T03:15:00"))',
        "last run of the monitor",
        "2025-01-01 03:15",
        "studio",
        "NOT KNOWN",
    ),
    "no right to read schedules": Plant(
        "",
        "the monitor's schedule, the monitor's components, the monitor's tables, the monitor's last run",
        "no answer",
        "AzureML Data Scientist",
        "NOT KNOWN",
        refused("GET .*/schedules/"),
    ),
    "no right to read environments": Plant(
        "", "environments", "no answer", "AzureML Data Scientist", "NOT KNOWN", refused("GET .*/environments/")
    ),
    "no right to read rows": Plant(
        "",
        "deployments and their collected rows, the monitor's tables",
        "no answer",
        "AzureML Data Scientist",
        "NOT KNOWN",
        refused(r"GET .*blob\.core"),
    ),
}
UNDO = f"file = {MONITOR}.with_suffix('.kept')\nif file.exists():\n    file.replace({MONITOR})\n"


def lines(result):
    assert result.code in (0, 1), result.output
    return json.loads(result.stdout)


def wrong(result):
    return [line for line in lines(result) if line["outcome"] != "OK"]


def wrong_in_job(result):
    """Return what is wrong besides the tracking server: the jobs of the emulator log to a folder."""
    tracking, *others = sorted(wrong(result), key=lambda line: line["looked_at"] != TRACKING["looked_at"])
    if tracking != TRACKING:
        assert "first_lines" in tracking["looked_at"], "a step that ran has said which tracking server it has"
        others = [tracking, *others]
    return others


TRACKING = {
    "looked_at": "tracking server",
    "outcome": "PROBLEM",
    "found": "it is file:, not azureml:",
    "remedy": "Add azureml-mlflow to environments/conda.yml: MLflow must log to the workspace",
}


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Return what the command said of a workspace in use, before and after one thing was wrong."""
    folder = tmp_path_factory.mktemp("doctor")
    project = render_from(template(), folder / "project", workspace_name="mlw-diabetes", monitor_type="advanced")
    steps = {
        "empty": DOCTOR,
        "data": verb("data"),
        "train": verb("train"),
        "deploy": verb("deploy"),
        "invoke": verb("invoke"),
        "monitor": {"python": MONITOR_RUNS},
        "fine": DOCTOR,
        "screen": verb("doctor"),
        "keep": {"python": KEEP},
    }
    for name, plant in PLANTS.items():
        steps[f"plant: {name}"] = {"python": HELP + plant.source}
        steps[name] = verb("doctor", "--json", faults=list(plant.faults))
        steps[f"undo: {name}"] = {"python": "from pathlib import Path\n" + UNDO + RESTORE}
    for name, fault in FAULTS.items():
        steps[f"fault: {name}"] = verb("doctor", "--json", faults=[{"match": INSIDE, **fault}])
    steps["job"] = verb("doctor", "--job", "--json")
    steps["after the job"] = DOCTOR
    results = dict(zip(steps, run(project, folder / "state", *steps.values()), strict=True))
    failed = {name: done.output for name, done in results.items() if done.code not in (0, 1, 2)}
    assert failed == {}
    return results


INSIDE = r"/workspaces/mlw-diabetes/|blob\.core\.windows\.net|api\.azureml\.ms"


def test_with_nothing_wrong_it_says_so(looked):
    assert looked["monitor"].result == "Completed"
    assert (looked["fine"].code, wrong(looked["fine"])) == (0, [])
    assert "Nothing wrong in " in looked["screen"].stdout.splitlines()[-1]
    named = [line["looked_at"] for line in lines(looked["fine"])]
    assert {"default datastore", "environment mlops-training", "component attribution_drift"} <= set(named)


def test_empty_workspace_is_not_a_problem(looked):
    assert (looked["empty"].code, wrong(looked["empty"])) == (0, [])


def test_lines_fit_on_one_screen(looked):
    assert len(looked["screen"].stdout.splitlines()) <= 24


@pytest.mark.parametrize("name", PLANTS)
def test_one_thing_that_is_wrong_is_the_one_that_is_named(name, looked):
    plant = PLANTS[name]
    (line,) = wrong(looked[name])
    assert (line["looked_at"], line["outcome"]) == (plant.looked_at, plant.outcome)
    assert plant.found in line["found"]
    assert plant.remedy in line["remedy"]
    assert looked[name].code == (1 if plant.outcome == "PROBLEM" else 0)
    assert lines(looked[name])[0] == line, "the worst comes first"


def test_every_request_is_a_read(looked):
    """Signing in is a POST to Entra; nothing else may be one."""
    asked = {
        url
        for name, result in looked.items()
        if name in PLANTS or name in ("empty", "fine", "screen", "after the job") or name.startswith("fault: ")
        for url in result.urls
        if "login.microsoftonline.com" not in url
    }
    assert asked
    assert [url for url in asked if not url.startswith(("GET ", "HEAD "))] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_any_answer_of_azure_becomes_lines(fault, looked):
    """Nothing is called fine, or missing, because a question was refused."""
    found = lines(looked[f"fault: {fault}"])
    assert {line["outcome"] for line in found} == {"NOT KNOWN"}, found
    assert all(line["remedy"] for line in found)
    assert looked[f"fault: {fault}"].code == 0


def test_job_looks_around_inside(looked):
    assert (looked["job"].code, wrong_in_job(looked["job"])) == (1, [])
    found = {line["looked_at"]: line["found"] for line in lines(looked["job"])}
    assert found["tag that Azure's API set"] == "shows"
    assert re.match(r"Spark 3\.\d+\.\d+, Python 3\.", found["versions of Spark"])
    assert "contract.yml beside it" in found["code in Spark"]
    assert re.fullmatch(
        r"[1-9]\d* file\(s\) listed, [1-9]\d* line\(s\) read in one hour", found["production rows in Spark"]
    )


def test_job_leaves_nothing_behind(looked):
    assert wrong(looked["after the job"]) == []
    assert not [url for url in looked["job"].urls if "listSecrets" in url]


def test_lines_hold_no_identifier_of_a_person_and_no_secret(looked):
    said = "".join(result.stdout for name, result in looked.items() if name in PLANTS or "doctor" in name)
    assert PERSON not in said
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", said)
    text = f"{PERSON} someone@example.com https://x?sv=1&sig=abc%3D&se=2 eyJ0eXAi.eyJhdWQi.c2ln"
    assert without_private(text) == "<id> <person> https://x?sv=1&sig=<secret>&se=2 <token>"


NO_PIP = r"""
import re
(version, document), = documents.all("environments/mlops-batch/versions")
conda = document["properties"]["condaFile"]
document["properties"]["condaFile"] = re.sub(r"(?m)^ *- pip(==.*)?$", "", conda)
document["systemData"]["createdAt"] = "2030-01-01T00:00:00+00:00"
documents.put("environments/mlops-batch/versions/newer", document)
"""
BATCH_PLANTS = {
    "azureml-core": 'environment("mlops-batch", "azureml-core")',
    "azureml-dataset-runtime": 'environment("mlops-batch", "azureml-dataset-runtime")',
    "setuptools<82": 'environment("mlops-batch", "setuptools")',
    "pip": NO_PIP,
}
REGISTER = """
from mlops.paths import BATCH_ENVIRONMENT
from mlops.training.environments import register_environment
from mlops.workspace import connect
register_environment(connect(), BATCH_ENVIRONMENT)
"""


def test_packages_of_azures_batch_driver_are_looked_for(tmp_path):
    project = render_from(
        template(),
        tmp_path / "project",
        workspace_name="mlw-diabetes",
        endpoint_type="batch",
        monitor_type="custom_data",
    )
    steps = [{"python": REGISTER}, DOCTOR]
    for source in BATCH_PLANTS.values():
        steps += [{"python": HELP + source}, DOCTOR]
        steps.append({"python": HELP + 'documents.delete("environments/mlops-batch/versions/newer")'})
    _, fine, *rest = run(project, tmp_path / "state", *steps)
    assert wrong(fine) == []
    for name, planted, result in zip(BATCH_PLANTS, rest[::3], rest[1::3], strict=True):
        assert planted.code == 0, planted.output
        (line,) = wrong(result)
        assert line["looked_at"] == "environment mlops-batch"
        assert f"lacks {name}" in line["found"]


# An import in the job finds this file before the package.
BROKEN = 'raise ImportError("no mltable of someone@example.com")\n'
QUICK = "from pathlib import Path\nfile = Path('src/model/look_around.py')\n"
QUICK += "file.write_text(file.read_text().replace('WAIT_SECONDS = 180', 'WAIT_SECONDS = 8'))"
NO_FILES = """
shutil.rmtree(files_of("diabetes-model-data"))
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Return what the command said of jobs inside which one thing was wrong."""
    folder = tmp_path_factory.mktemp("doctor-jobs")
    project = render_from(template(), folder / "project", workspace_name="mlw-diabetes")
    job = verb("doctor", "--job", "--json")
    steps = {
        "no data": job,
        "data": verb("data"),
        "quick": {"python": QUICK},
        "fine": job,
        "no right to submit": job | {"faults": list(refused("PUT .*/jobs/"))},
        "no right to tag": job | {"faults": list(refused("PUT .*/models/"))},
        "no step ran": job | {"job_ends": "Failed"},
        "plant mltable": {"python": f"from pathlib import Path\nPath('src/mltable.py').write_text({BROKEN!r})"},
        "no mltable": job,
        "undo mltable": {"python": "from pathlib import Path\nPath('src/mltable.py').unlink()"},
        "plant files": {"python": HELP + NO_FILES},
        "no files": job,
    }
    return dict(zip(steps, run(project, folder / "state", *steps.values()), strict=True))


def test_job_on_the_laptop_finds_nothing_wrong(tmp_path, record_property):
    project = render_from(template(), tmp_path / "project")
    assert mlops(project, "data").code == 0
    done = mlops(project, "doctor", "--job")
    assert done.code == 0, done.stdout + done.stderr
    assert "tracking server: file" in done.stdout
    assert "Nothing wrong" in done.stdout.splitlines()[-1]
    record_property("seconds of `mlops doctor --job` on the laptop, without Spark", round(done.seconds, 1))


def test_job_without_data_is_not_submitted(jobs):
    (line,) = wrong(jobs["no data"])
    assert (line["looked_at"], line["outcome"]) == ("job that looks around", "PROBLEM")
    assert "mlops data" in line["remedy"]


def test_job_that_may_not_be_submitted_keeps_the_other_lines(jobs):
    (line,) = wrong(jobs["no right to submit"])
    assert (line["looked_at"], line["outcome"]) == ("job that looks around", "NOT KNOWN")
    assert "AzureML Data Scientist" in line["remedy"]
    assert len(lines(jobs["no right to submit"])) > 3


def test_job_without_spark_code_has_no_spark_step(jobs):
    assert wrong_in_job(jobs["fine"]) == []
    assert "Spark" not in jobs["fine"].stdout


def test_tag_that_azure_refuses_is_not_known(jobs):
    found = wrong_in_job(jobs["no right to tag"])
    assert {line["outcome"] for line in found} == {"NOT KNOWN"}
    assert {line["looked_at"] for line in found} == {"tag by Azure's API", "tag that Azure's API set"}
    assert any("AzureML Data Scientist" in line["remedy"] for line in found)


def test_unreadable_table_in_a_job_names_the_kind_of_the_error_only(jobs):
    found = wrong_in_job(jobs["no mltable"])
    assert [line["looked_at"] for line in found] == ["labelled rows in the job", "MLTable that a step wrote"]
    assert {line["found"] for line in found} == {"ImportError"}
    assert "someone" not in jobs["no mltable"].stdout


@pytest.mark.parametrize("name", ["no step ran", "no files"])
def test_step_that_left_nothing_is_a_problem_with_the_usual_reasons(name, jobs):
    first, *others = wrong_in_job(jobs[name])
    assert (first["looked_at"], first["outcome"]) == ("step of first_lines", "PROBLEM")
    assert "Storage Blob Data Contributor" in first["remedy"]
    assert {line["outcome"] for line in others} == {"NOT KNOWN"}
    assert jobs[name].code == 1


def entry(look, found, is_ok=True):
    return {"look": look, "ok": is_ok, "found": found, "seconds": 0.1}


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (entry("plugin", "ModuleNotFoundError", False), "environments/conda.yml"),
        (entry("tracking", "file"), "must log to the workspace"),
        (entry("metric", "MlflowException PERMISSION_DENIED 403", False), "AzureML Data Scientist"),
        (entry("missing model", "INTERNAL_ERROR"), "find_champion"),
        (entry("table written", "PermissionError", False), "Storage Blob Data Contributor"),
        (entry("registered", "MlflowException 403", False), "AzureML Data Scientist"),
        (entry("tag", "it did not show within 180 seconds", False), "by MLflow too"),
        (entry("loaded", "MlflowException 403", False), "Storage Blob Data Contributor"),
        (entry("contract", "FileNotFoundError", False), "../src"),
        (entry("rows", '{"files": 0, "lines": 0}'), "systemDatastoresAuthMode"),
        (entry("rows", "Py4JJavaError", False), "Storage Blob Data Contributor"),
    ],
    ids=lambda given: given["look"] if isinstance(given, dict) else "",
)
def test_entry_of_a_job_on_azure_becomes_a_problem_with_a_remedy(given, remedy):
    (line,) = lines_of([given], Expected("azureml", has_rows=True, has_tag=True))
    assert line.outcome is Outcome.PROBLEM
    assert remedy in line.remedy


def test_answers_that_the_gate_takes_for_no_model_are_fine():
    for answer in ("RESOURCE_DOES_NOT_EXIST", "0 versions, no error"):
        (line,) = lines_of([entry("missing model", answer)], Expected("azureml", True, True))
        assert line.outcome is Outcome.OK


def test_hour_without_rows_is_not_known_unless_there_are_rows():
    (line,) = lines_of([entry("rows", '{"files": 0, "lines": 0}')], Expected("azureml", False, True))
    assert line.outcome is Outcome.NOT_KNOWN


def test_problem_has_a_remedy():
    assert problem("x", "y", "z").remedy == "z"
