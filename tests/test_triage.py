"""Tests triage's decision for every event, in any order and number."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_runs import run, verb
from mlops.errors import WrongInputError
from mlops.events.triage import (
    DRIFT,
    MODEL,
    RETRAINING,
    TRIES,
    Decision,
    Outcome,
    Project,
    Retraining,
    WorkspaceState,
    cause_of,
    retraining_names,
    triage,
    triage_deployment,
    triage_retraining,
)
from mlops.events.workflow_event import read_message, report
from mlops.registry import newest_standing

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROJECT = Project("diabetes-model", "diabetes_monitor_", "mlw-diabetes", timedelta(hours=24))
PERSONS = replace(PROJECT, cool_down=timedelta(0))
NOTHING = WorkspaceState({}, {"3": None}, NOW)
BREACH = {
    "event_id": "831e1650-001e",
    "root_run_id": "monitor_20261120_root",
    "run_id": "5b7a2f60-1c3d",
    "signal": "diabetes_monitor_data_drift",
    "status": "Completed",
    "workspace": "mlw-diabetes",
}
REGISTERED = {
    "event_id": "831e1650-001e",
    "model_name": "diabetes-model",
    "model_version": "3",
    "workspace": "mlw-diabetes",
}
JOB, SECOND, THIRD = retraining_names(BREACH["root_run_id"])


def test_a_breach_is_a_retraining_and_a_model_a_deployment():
    decision = triage(DRIFT, BREACH, PROJECT, NOTHING)
    assert (decision.outcome, decision.job) == (Outcome.RETRAIN, JOB)
    decision = triage(MODEL, REGISTERED, PROJECT, NOTHING)
    assert (decision.outcome, decision.version) == (Outcome.DEPLOY, "3")


def test_ten_deliveries_and_two_signals_are_one_retraining():
    known, retrainings = NOTHING, []
    for number in range(10):
        signal = "diabetes_monitor_data_drift" if number % 2 else "diabetes_monitor_prediction_drift"
        payload = BREACH | {
            "event_id": f"e{number}",
            "signal": signal,
            "status": "Failed" if number % 3 else "Completed",
        }
        decision = triage(DRIFT, payload, PROJECT, known)
        if decision.outcome == Outcome.RETRAIN:
            retrainings.append(decision.job)
            known = replace(known, retrainings={decision.job: Retraining("Running", NOW)})
        else:
            assert decision.outcome == Outcome.ALREADY_HANDLED
    assert retrainings == [JOB]


def test_keys_and_states_are_read_in_any_case():
    assert triage(DRIFT, {key.upper(): value for key, value in BREACH.items()}, PROJECT, NOTHING).job == JOB
    assert triage(DRIFT, BREACH | {"status": "completed"}, PROJECT, NOTHING).outcome == Outcome.RETRAIN
    assert triage(MODEL, REGISTERED | {"model_version": 3}, PROJECT, NOTHING).version == "3"


@pytest.mark.parametrize(
    ("event_type", "payload", "reason"),
    [
        (DRIFT, BREACH | {"status": "Finalizing"}, "Finalizing"),
        (DRIFT, BREACH | {"status": "Canceled"}, "Canceled"),
        (DRIFT, BREACH | {"signal": "churn_monitor_data_drift"}, "another monitor"),
        (DRIFT, BREACH | {"workspace": "mlw-other"}, "mlw-other"),
        (MODEL, REGISTERED | {"model_name": "churn-model"}, "churn-model is not this project's model"),
        (MODEL, REGISTERED | {"model_version": "9"}, "no version 9"),
        ("Microsoft.MachineLearningServices.DatasetDriftDetected", {}, "Unknown event type"),
        ("", BREACH, "Unknown event type"),
        (DRIFT, None, "not a JSON object"),
        (DRIFT, [BREACH], "not a JSON object"),
        (DRIFT, {**BREACH, "run_id": None}, "run_id is 'None'"),
        (DRIFT, {key: value for key, value in BREACH.items() if key != "signal"}, "signal is missing"),
        (DRIFT, BREACH | {"root_run_id": "a\noutcome=DEPLOY"}, "root_run_id is 'a?outcome?DEPLOY'"),
        (DRIFT, BREACH | {"root_run_id": "x" * 70_000}, "root_run_id is 'xxx"),
        (DRIFT, BREACH | {"signal": {"$gt": ""}}, "signal is"),
        (MODEL, REGISTERED | {"model_name": "m$(touch /tmp/owned)"}, "model_name is 'm??touch ?tmp?owned?'"),
        (MODEL, REGISTERED | {"model_name": "../../etc/passwd"}, "model_name is"),
        (MODEL, REGISTERED | {"model_version": "3; rm -rf ."}, "model_version is"),
        (MODEL, REGISTERED | {"model_version": True}, "model_version is 'True'"),
        (MODEL, REGISTERED | {"model_version": "٣"}, "model_version is"),
    ],
)
def test_events_of_other_projects_are_ignored_with_a_reason(event_type, payload, reason):
    decision = triage(event_type, payload, PROJECT, NOTHING)
    assert decision.outcome == Outcome.IGNORE
    assert reason in decision.reason
    assert decision.reason.isprintable()
    assert len(decision.reason) < 300


@pytest.mark.parametrize("status", ["Running", "Completed", "Queued", "Paused", "CancelRequested", "Unknown", "Ärger"])
def test_a_retraining_that_runs_or_succeeded_or_may_still_succeed_is_not_repeated(status):
    decision = triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings={JOB: Retraining(status)}))
    assert (decision.outcome, decision.job) == (Outcome.ALREADY_HANDLED, JOB)
    assert status in decision.reason


@pytest.mark.parametrize("status", ["Failed", "Canceled", "NotResponding"])
def test_a_retraining_without_a_result_is_repeated_under_another_name_at_most_three_times(status):
    failed = Retraining(status, NOW)
    decision = triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings={JOB: failed}))
    assert (decision.outcome, decision.job) == (Outcome.RETRAIN, SECOND)
    assert f"{JOB} ended as {status}" in decision.reason
    assert triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings={JOB: failed, SECOND: failed})).job == THIRD
    three = dict.fromkeys((JOB, SECOND, THIRD), failed)
    decision = triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings=three))
    assert (decision.outcome, decision.job) == (Outcome.ALREADY_HANDLED, "")
    assert "was tried 3 times" in decision.reason
    assert triage_retraining("github-1", PROJECT, replace(NOTHING, retrainings=three)).outcome == "RETRAIN"


def test_a_retraining_that_died_without_a_trace_leaves_its_name_free():
    decision = triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings={SECOND: Retraining("Failed")}))
    assert (decision.outcome, decision.job) == (Outcome.RETRAIN, JOB)


def test_names_of_every_try_are_recognized_and_belong_to_one_cause():
    assert len({JOB, SECOND, THIRD, *retraining_names("other")}) == 2 * TRIES
    assert all(RETRAINING.fullmatch(name) for name in (JOB, SECOND, THIRD))
    assert cause_of(DRIFT, BREACH) == BREACH["root_run_id"]
    assert [cause_of(MODEL, REGISTERED), cause_of(DRIFT, {}), cause_of("", BREACH)] == [None, None, None]


JOB_ENDS = ("Completed", "Failed", "Canceled", "NotResponding")
# A delivery of the breach, by any signal and status, or the end of the running retraining.
FINAL = st.sampled_from(["Completed", "Failed"])
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("delivery"), st.sampled_from(["data_drift", "prediction_drift"]), FINAL),
        st.tuples(st.just("end"), st.sampled_from(JOB_ENDS)),
        st.tuples(st.just("another breach"), st.integers(0, 3)),
    ),
    max_size=40,
)  # fmt: skip


@given(happenings, st.integers(0, 48))
def test_a_breach_delivered_any_number_of_times_starts_at_most_one_successful_retraining(happenings, cool_down):
    project = replace(PROJECT, cool_down=timedelta(hours=cool_down))
    known, started = NOTHING, []
    for number, (kind, *facts) in enumerate(happenings):
        now = NOW + timedelta(hours=number)
        if kind == "end":
            ended = {name: Retraining(facts[0], job.started) if job.status == "Running" else job
                     for name, job in known.retrainings.items()}  # fmt: skip
            known = replace(known, retrainings=ended)
            continue
        root = BREACH["root_run_id"] if kind == "delivery" else f"other_{facts[0]}"
        payload = BREACH | {"root_run_id": root, "event_id": f"e{number}"}
        if kind == "delivery":
            payload |= {"signal": f"diabetes_monitor_{facts[0]}", "status": facts[1]}
        decision = triage(DRIFT, payload, project, replace(known, now=now))
        if decision.outcome is Outcome.RETRAIN:
            # Azure rejects a name that was used before.
            assert decision.job not in known.retrainings
            assert decision.job in retraining_names(root)
            started.append((root, decision.job))
            known = replace(known, retrainings={**known.retrainings, decision.job: Retraining("Running", now)})
        counting = [job for name, job in known.retrainings.items() if name in retraining_names(root) and job.counts]
        assert len(counting) <= 1
    for root in {root for root, _ in started}:
        assert len([job for cause, job in started if cause == root]) <= TRIES


def test_a_cool_down_stops_other_breaches_but_not_a_person():
    (other, *_) = retraining_names("yesterday")
    recent = replace(NOTHING, retrainings={other: Retraining("Completed", NOW - timedelta(hours=23))})
    decision = triage(DRIFT, BREACH, PROJECT, recent)
    assert decision.outcome == Outcome.IGNORE
    assert f"{other} started at 2026-11-19 13:00 UTC, less than 24 hours ago" in decision.reason
    assert triage_retraining("github-1", PERSONS, recent).outcome == Outcome.RETRAIN
    assert triage_retraining("github-1", PROJECT, recent).outcome == Outcome.IGNORE
    long_ago = {other: Retraining("Completed", NOW - timedelta(hours=24)), "retrain-x": Retraining("Completed")}
    assert triage(DRIFT, BREACH, PROJECT, replace(NOTHING, retrainings=long_ago)).outcome == Outcome.RETRAIN
    failed = replace(NOTHING, retrainings={other: Retraining("Failed", NOW - timedelta(hours=1))})
    assert triage(DRIFT, BREACH, PROJECT, failed).outcome == Outcome.RETRAIN


def test_a_model_is_deployed_once_and_never_over_a_newer_one():
    known = replace(NOTHING, rollouts={"2": None, "3": "deployed", "4": "failed"})
    assert triage(MODEL, REGISTERED, PROJECT, known).outcome == Outcome.ALREADY_HANDLED
    assert "3 is newer" in triage(MODEL, REGISTERED | {"model_version": "2"}, PROJECT, known).reason
    assert triage(MODEL, REGISTERED | {"model_version": "4"}, PROJECT, known).outcome == Outcome.ALREADY_HANDLED
    newer_failed = replace(NOTHING, rollouts={"3": None, "4": "failed"})
    assert triage(MODEL, REGISTERED, PROJECT, newer_failed).outcome == Outcome.DEPLOY


def test_a_person_chooses_a_version():
    known = replace(NOTHING, rollouts={"2": "deployed", "10": None, "11": "failed"})
    assert triage_deployment("", PROJECT, known).version == "10"
    assert triage_deployment("2", PROJECT, known).version == "2"
    assert triage_deployment("7", PROJECT, known).outcome == Outcome.IGNORE
    assert triage_deployment("2$(id)", PROJECT, known).outcome == Outcome.IGNORE


states = st.sampled_from([None, "deployed", "failed", ""])


@given(st.dictionaries(st.integers(1, 30).map(str), states))
def test_every_part_uses_the_newest_version_that_has_not_failed(rollouts):
    known, newest = replace(NOTHING, rollouts=rollouts), newest_standing(rollouts)
    standing = sorted((int(version) for version, state in rollouts.items() if state != "failed"), reverse=True)
    assert newest == (str(standing[0]) if standing else None)
    assert triage_deployment("", PROJECT, known).version == (newest or "")
    deployed = [
        version
        for version in rollouts
        if triage(MODEL, REGISTERED | {"model_version": version}, PROJECT, known).outcome == Outcome.DEPLOY
    ]
    assert deployed == [version for version in rollouts if version == newest and not rollouts[version]]


def test_the_event_is_read_from_the_environment_or_a_file(tmp_path):
    message = read_message({"EVENT_TYPE": DRIFT, "EVENT_PAYLOAD": '{"signal": "s"}'})
    assert (message.type, message.payload) == (DRIFT, {"signal": "s"})
    file = tmp_path / "event.json"
    file.write_text('{"action": "drift-detected", "client_payload": {"signal": "s"}}')
    assert read_message({}, file).payload == {"signal": "s"}
    for broken in ('{"signal"', "", "[" * 100_000, "9" * 5000):
        with pytest.raises(WrongInputError, match="does not hold JSON"):
            read_message({"EVENT_TYPE": DRIFT, "EVENT_PAYLOAD": broken})
    with pytest.raises(WrongInputError, match="There is no event"):
        read_message({})
    assert read_message({"GITHUB_EVENT_NAME": "workflow_dispatch", "EVENT_PAYLOAD": "null"}).name == "workflow_dispatch"


def test_the_decision_is_written_for_the_workflow_and_its_readers(tmp_path):
    environment = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    report(Decision(Outcome.RETRAIN, "Because.", "retrain-1"), environment)
    assert (tmp_path / "output").read_text() == "outcome=RETRAIN\nreason=Because.\njob=retrain-1\nversion=\n"
    assert (tmp_path / "summary").read_text() == "### RETRAIN\n\nBecause.\n"


# --- with the real SDK

DATA_OF_A_RETRAINING = """
import pandas as pd
from mlops.data.assets import read_asset, register_rows
from mlops.workspace import connect
from mlops.paths import LABELLED_DATA
from mlops.training.retrain import NOT_YET, TRAINED, _is_untrained, _mark_trained

client, rows = connect(), pd.DataFrame({"row_id": ["a", "b"], "target": [1.0, 2.0]})
by_hand = register_rows(client, LABELLED_DATA, rows)
made = register_rows(client, LABELLED_DATA, pd.concat([rows, rows]), None, {TRAINED: NOT_YET})
found = [_is_untrained(client, made.name, version) for version in (by_hand.version, made.version)]
for version in (by_hand.version, made.version):
    _mark_trained(client, made.name, version, "retrain-1")
found.append(_is_untrained(client, made.name, made.version))
tags = [client.data.get(made.name, version=version).tags for version in (by_hand.version, made.version)]
result = [found, [one.get(TRAINED) for one in tags], tags[1]["rows"], len(read_asset(client, made.name, made.version))]
"""


@pytest.mark.parametrize("target", ["azure", "local"])
def test_data_of_a_failed_retraining_is_marked_until_a_retraining_completes_on_it(render, tmp_path, target):
    environment = {"MLOPS_TARGET": target}
    (done,) = run(render(), tmp_path / "state", {"python": DATA_OF_A_RETRAINING, "environment": environment})
    assert done.result == [[False, True, False], [None, "retrain-1"], "4", 4]


WORKSPACE = """
arm = emulator.arm

def job(name, status, kind="Pipeline"):
    properties = {"jobType": kind, "status": status, "jobs": {}, "inputs": {}, "outputs": {}, "tags": {},
                  "properties": {}, "services": {}, "settings": {}, "displayName": name}
    arm.documents.put(f"jobs/{name}", arm.jobs.named(f"jobs/{name}", name, properties))

labelling = {"jobType": "Labeling", "status": "Completed", "displayName": "labels"}
broken = {"jobType": "Pipeline", "status": "Completed", "jobs": {"a": {"type": "what"}}, "inputs": {"x": 1}}
arm.jobs.strangers = [arm.jobs.named(f"jobs/s{n}", f"s{n}", p) for n, p in enumerate((labelling, broken))]
"""


@pytest.fixture(scope="module")
def decisions(render, tmp_path_factory):
    """Return triage's decisions about one breach in a workspace with scripted jobs, step by step."""
    project, folder = render(), tmp_path_factory.mktemp("azure")
    event = folder / "event.json"
    event.write_text(json.dumps({"action": DRIFT, "client_payload": BREACH}), encoding="utf-8")
    triaged = verb("triage", "retrain", "--file", str(event))
    refusal = {"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}}
    missing = {"error": {"code": "ResourceGroupNotFound", "message": "Resource group 'rg' could not be found."}}
    other, *_ = retraining_names("yesterday")
    steps = {
        "empty": {"python": WORKSPACE},
        "running": {"python": f"{WORKSPACE}\njob('{JOB}', 'Running')"},
        "failed": {"python": f"{WORKSPACE}\njob('{JOB}', 'Failed')"},
        "failed twice": {"python": f"{WORKSPACE}\njob('{SECOND}', 'Canceled')"},
        "unreadable": {"python": f"{WORKSPACE}\njob('{THIRD}', 'Completed', 'Labeling')"},
        "three failed": {"python": f"{WORKSPACE}\njob('{THIRD}', 'Failed')"},
        "cool-down": {"python": f"{WORKSPACE}\narm.documents.delete('jobs')\njob('{other}', 'Completed')"},
    }
    asked = [step for told in steps.values() for step in (told, triaged)]
    refused = [
        triaged | {"faults": [{"match": "GET .*/jobs/retrain", "status": status, "json": body}]}
        for status, body in ((403, refusal), (404, missing))
    ]
    done = run(project, folder / "state", *asked, *refused)
    return dict(
        zip([*steps, "forbidden", "no group"], [*done[1 : 2 * len(steps) : 2], *done[2 * len(steps) :]], strict=True)
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("empty", "RETRAIN: The signal diabetes_monitor_data_drift broke its thresholds in the monitor run"),
        ("running", f"ALREADY_HANDLED: .* Its retraining {JOB} has been started before and is Running"),
        ("failed", f"RETRAIN: .* {JOB} ended as Failed"),
        ("failed twice", f"RETRAIN: .* {JOB}, {SECOND} ended as Failed, Canceled"),
        ("unreadable", f"ALREADY_HANDLED: .* {THIRD} has been started before and is Unknown"),
        ("three failed", "ALREADY_HANDLED: .* was tried 3 times"),
        ("cool-down", r"IGNORE: .* But retrain-\w+ started at .*, less than 24 hours ago"),
    ],
)
def test_triage_reads_the_retraining_by_name_and_ignores_jobs_that_the_sdk_cannot_read(decisions, state, said):
    result = decisions[state]
    assert result.code == 0, result.output
    assert re.match(said, result.stdout), result.stdout


@pytest.mark.parametrize("state", ["forbidden", "no group"])
def test_an_error_of_azure_does_not_mean_that_no_retraining_exists(decisions, state):
    result = decisions[state]
    assert result.code == 1, result.output
    assert "RETRAIN" not in result.stdout
    assert "Traceback" not in result.output


TAGGED = """
from azureml_emulator.events.event_grid import BREACH_TAG

root = "monitor_20261120_root"
text = {text!r}
emulator.arm.jobs.put_run(root, "Completed", root=root)
emulator.arm.jobs.put_run("signal", "Completed", parent=root, root=root)
emulator.arm.jobs.put_run("evaluate", "Completed", parent="signal", root=root, tags={{BREACH_TAG: text}})
"""
ROWS, GAPS = '"metric_value":300.0,"metric_name":"RowCount"', '"metric_value":0.5,"metric_name":"NullValueRate"'


@pytest.mark.parametrize(
    ("metrics", "said"), [(ROWS, "IGNORE: .* more rows than the reference"), (f"{ROWS},{GAPS}", "RETRAIN: ")]
)
def test_an_alert_on_nothing_but_the_number_of_rows_retrains_nothing(render, tmp_path, metrics, said):
    project, event = render(), tmp_path / "event.json"
    payload = BREACH | {"signal": "diabetes_monitor_data_quality"}
    event.write_text(json.dumps({"action": DRIFT, "client_payload": payload}), encoding="utf-8")
    text = f"The signal 'diabetes_monitor_data_quality' has failed due to one or more features.\n['{{{metrics}}}']"
    tagged = {"python": TAGGED.format(text=text)}
    set_up, done = run(project, tmp_path / "state", tagged, verb("triage", "retrain", "--file", str(event)))
    assert (set_up.code, done.code) == (0, 0), set_up.output + done.output
    assert re.match(said, done.stdout), done.stdout
