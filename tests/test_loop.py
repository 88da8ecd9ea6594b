"""Runs the default loop with the README's first command; test_loops.py runs those of other projects.

The tests cover twelve reasons why such a loop may not close.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from projects import copy_working_files, import_path, mlops, python
from test_readme import FIRST
from versions import commit_all

STAGES = ["data", "train", "deploy", "quiet", "breach", "retrain", "redeploy", "quiet_again"]

# Prints the state after a loop, read with the client that `mlops` itself uses.
SNAPSHOT = """
import json, logging, warnings
warnings.filterwarnings("ignore"); logging.disable(logging.WARNING)
from mlops.workspace import close, connect
from mlops.data.assets import read_asset
from mlops.paths import ONLINE_ENDPOINT, LABELLED_DATA, REFERENCE_DATA, read_yaml, model_name
client = connect()
endpoint = client.online_endpoints.get(name=read_yaml(ONLINE_ENDPOINT)["name"])
labelled, reference = read_yaml(LABELLED_DATA)["name"], read_yaml(REFERENCE_DATA)["name"]
schedule = next(iter(client.schedules.list()))._to_dict()["create_monitor"]
signals = schedule["monitoring_signals"].values()
old, new = read_asset(client, labelled, "1"), read_asset(client, labelled, "2")
newest = new[~new["row_id"].isin(old["row_id"])]
compared = read_asset(client, reference, "2")
deployments = list(client.online_deployments.list(endpoint_name=endpoint.name))
print(json.dumps({
    "traffic": endpoint.traffic,
    "models": {d.name: str(d.model) for d in deployments},
    "environments": [str(d.environment) for d in deployments],
    "training_environments": sorted(e.version for e in client.environments.list(name="mlops-training")),
    "serving_environments": sorted(e.version for e in client.environments.list(name="mlops-inference")),
    "target": schedule["monitoring_target"],
    "references": sorted({s["reference_data"]["input_data"]["path"] for s in signals}),
    "rows": [len(old), len(new)],
    "reference_rows": len(compared),
    "reference_is_newest": bool(compared["bmi"].isin(newest["bmi"]).all()),
    "reference_is_old": bool(compared["bmi"].isin(old["bmi"]).any()),
    "jobs": [run.name for run in client.jobs.list()],
    "rollouts": {m.version: m.tags["rollout"] for m in client.models.list(name=model_name())},
}, default=str))
close(client)
"""


def loop(project, *arguments):
    done = mlops(project, "loop", *arguments)
    return done, json.loads((project / ".azureml-local" / "loop.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def first_command(tmp_path_factory):
    """Return the output of the README's first command in a clone of the working tree."""
    clone = copy_working_files(tmp_path_factory.mktemp("fresh") / "clone")
    commit_all(clone)
    # The project gets its own environment: an inherited one would get its packages and its Python.
    named = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "MLOPS_TARGET")
    fresh = {name: value for name, value in os.environ.items() if name not in named}
    done = subprocess.run(["bash", "-c", FIRST], cwd=clone, env=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, clone.parent / "diabetes"


@pytest.fixture(scope="module")
def closed(first_command):
    _, project = first_command
    return project, json.loads((project / ".azureml-local" / "loop.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def stages(closed):
    return {stage["name"]: stage for stage in closed[1]["stages"]}


@pytest.fixture(scope="module")
def after(closed):
    done = python(closed[0], "-c", SNAPSHOT)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_readmes_first_command_ends_with_registered_models_and_their_metrics(first_command):
    said, _ = first_command
    assert re.search(r"registered diabetes-model version 1: rmse \d", said)
    assert "closed: " in said


def test_loop_completes_every_stage(closed):
    assert closed[1]["outcome"] == "closed"
    assert [stage["name"] for stage in closed[1]["stages"]] == STAGES
    assert {stage["status"] for stage in closed[1]["stages"]} == {"done"}


def test_monitor_alerts_with_drift_but_not_before_it_and_not_after_the_redeployment(stages):
    assert [bool(stages[name]["facts"]["alerts"]) for name in ("quiet", "breach", "quiet_again")] == [
        False,
        True,
        False,
    ]


def test_rows_after_redeployment_drift_like_those_before(stages):
    assert stages["quiet_again"]["facts"]["shifts"] == stages["breach"]["facts"]["shifts"] != []


def test_challenger_is_promoted_because_it_beats_the_champion(stages):
    gate = stages["retrain"]["facts"]["gate"]
    assert gate["decision"] == "PROMOTE"
    assert gate["challenger"] < gate["champion"]
    assert gate["interval"][0] > 0


def test_one_set_of_packages_trains_and_serves(after):
    assert len(after["training_environments"]) == len(after["serving_environments"]) == 1


def test_version_that_was_registered_is_the_one_that_serves(after, stages):
    assert after["models"]["model-2"].endswith("/versions/2")
    assert stages["redeploy"]["facts"]["version"] == stages["retrain"]["facts"]["version"] == "2"


def test_new_deployment_has_all_traffic(after):
    assert after["traffic"] == {"model-2": 100}


def test_no_old_deployment_is_left(after):
    assert list(after["models"]) == ["model-2"]


def test_monitor_follows_the_new_deployment(after):
    assert after["target"]["endpoint_deployment_id"].endswith("/deployments/model-2")


def test_monitor_compares_with_the_newest_rows_the_champion_was_trained_on(after):
    assert [path.rpartition("/versions/")[2] for path in after["references"]] == ["2"]
    assert (after["reference_is_newest"], after["reference_is_old"]) == (True, False)


def test_breach_arrives_as_a_status_change_that_carries_the_breach_tag(stages):
    sent = [hop["sent"] for hop in stages["retrain"]["facts"]["hops"] if hop["hop"] == "Event Grid"]
    assert {event["eventType"] for event in sent} == {"Microsoft.MachineLearningServices.RunStatusChanged"}
    assert all("azureml_modelmonitor_threshold_breached" in event["data"]["runTags"] for event in sent)


def test_payload_determines_the_deployed_version(stages):
    for name in ("deploy", "redeploy"):
        posted = [hop["sent"] for hop in stages[name]["facts"]["hops"] if hop["hop"] == "GitHub"]
        assert [sent["client_payload"]["model_version"] for sent in posted] == [stages[name]["facts"]["version"]]


def test_several_signals_of_one_breach_start_one_retraining(stages, after):
    decisions = [hop["outcome"] for hop in stages["retrain"]["facts"]["hops"] if hop["hop"].endswith(": Decide")]
    assert len(decisions) == len(stages["breach"]["facts"]["alerts"]) > 1
    assert sum(text.startswith("RETRAIN") for text in decisions) == 1
    assert len([job for job in after["jobs"] if job.startswith("retrain-")]) == 1


def test_retraining_uses_old_and_newly_labelled_rows(after, stages):
    assert after["rows"][1] > after["rows"][0]


def test_benefit_of_the_retraining_is_measured(stages):
    assert stages["retrain"]["facts"]["gate"]["champion"] is not None


def test_report_embeds_its_charts(closed):
    page = (closed[0] / ".azureml-local" / "loop.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert not re.findall(r'(?:src|href)="https?:', page)


def test_nothing_keeps_running_after_the_loop(closed):
    found = subprocess.run(["pgrep", "-fa", str(closed[0])], capture_output=True, text=True, check=False)
    assert found.stdout == ""


@pytest.mark.loops
def test_loop_without_drift_ends_without_an_alert(render):
    done, result = loop(render(), "--shift", "none")
    assert (done.code, result["outcome"]) == (1, "no_alert"), done.stdout + done.stderr


@pytest.mark.slow
def test_noisy_labels_promote_nothing_and_the_monitor_keeps_alerting(render):
    project = render()
    done, result = loop(project, "--shift", "label_noise")
    assert (done.code, result["outcome"]) == (1, "retained"), done.stdout + done.stderr


@pytest.mark.slow
def test_another_drift_after_a_closed_loop_alerts_again(closed):
    project, _ = closed
    _, result = loop(project, "--shift", "scale")
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert stages["quiet"]["facts"]["alerts"] == []
    assert stages["breach"]["facts"]["alerts"] != []


@pytest.mark.slow
def test_loop_killed_in_each_stage_resumes_and_closes(render):
    project = render()
    for stage in STAGES:
        kill_in(project, stage)
    done, result = loop(project)
    assert (done.code, result["outcome"]) == (0, "closed"), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("trigger", ["logic_app", "scheduled"])
def test_loop_resumes_after_a_retraining_whose_step_died(render, trigger):
    project = render(trigger=trigger)
    kill_in(project, "retrain")
    step = project / "src" / "model" / "train.py"
    code = step.read_text(encoding="utf-8")
    step.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", encoding="utf-8")
    done, result = loop(project)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    step.write_text(code, encoding="utf-8")
    done, result = loop(project)
    assert (done.code, result["outcome"]) == (0, "closed"), done.stdout + done.stderr
    assert next(stage["facts"]["job"] for stage in result["stages"] if stage["name"] == "retrain").endswith("-2")


@pytest.mark.slow
def test_loop_with_a_broken_collector_does_not_close(render):
    project = render()
    collection = project / "src" / "model" / "collection.py"
    text = collection.read_text(encoding="utf-8").replace("if self._inputs or self._outputs:", "if False:")
    collection.write_text(text, encoding="utf-8")
    done, result = loop(project)
    assert (done.code, result["outcome"]) == (1, "not_measured"), done.stdout + done.stderr
    assert "Not every row that was scored has been collected" in done.stderr
    assert mlops(project, "monitor").code == 1


def kill_in(project, stage):
    """Start the loop and kill it without warning once the stage runs."""
    environment = os.environ | {"PYTHONPATH": import_path(project)}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops.cli", "loop"], cwd=project, env=environment, stdout=subprocess.DEVNULL
    )
    file = project / ".azureml-local" / "loop.json"
    while process.poll() is None:
        running = file.exists() and [
            known["name"]
            for known in json.loads(file.read_text(encoding="utf-8"))["stages"]
            if known["status"] == "running"
        ]
        if running == [stage]:
            time.sleep(1)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.05)
    raise AssertionError(f"The loop ended before its stage {stage} was seen.")


def test_step_by_step_a_registered_model_and_an_alert_start_their_workflows(render):
    """As the README's table goes: nobody types `calibrate`, `deploy` or `retrain`."""
    project = render()
    steps = (("data",), ("train",), ("invoke",), ("monitor",), ("invoke", "--drift", "offset"), ("monitor",))
    said = []
    try:
        for step in steps:
            done = mlops(project, *step, MLOPS_EVENTS="")
            assert done.code == 0, done.stderr
            said.append(done.stdout)
        served = json.loads((project / ".azureml-local/rollouts/2.json").read_text(encoding="utf-8"))
    finally:
        python(project, "-c", "from mlops.workspace import close, connect; close(connect())")
    assert "cd-triggered-by-aml: Roll out: done" in said[1]
    assert "NO ALERT" in said[3] and "Event Grid" not in said[3]
    assert "ci-triggered-by-aml: Decide: RETRAIN" in said[5] and "DEPLOY: diabetes-model version 2" in said[5]
    assert served["outcome"] == "DEPLOYED"
    assert list((project / ".azureml-local/events").iterdir()) == []
