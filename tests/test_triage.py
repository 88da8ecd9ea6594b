"""What triage makes of every event, in whatever order and however often it comes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops.errors import WrongInputError
from mlops.inbox import read_message, report
from mlops.triage import (
    DRIFT,
    MODEL,
    Decision,
    Known,
    Outcome,
    Project,
    retraining_name,
    triage,
    triage_deployment,
    triage_retraining,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROJECT = Project("diabetes-model", "diabetes_monitor_", "mlw-diabetes", timedelta(hours=24))
NOTHING = Known({}, {"3": None}, NOW)
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
JOB = retraining_name(BREACH["root_run_id"])


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
            known = replace(known, retrainings={decision.job: NOW})
        else:
            assert decision.outcome == Outcome.ALREADY_HANDLED
    assert retrainings == [JOB]


def test_keys_and_states_are_read_whatever_their_case():
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
        ("Microsoft.MachineLearningServices.DatasetDriftDetected", {}, "mean nothing here"),
        ("", BREACH, "mean nothing here"),
        (DRIFT, None, "no JSON object"),
        (DRIFT, [BREACH], "no JSON object"),
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
def test_what_is_not_this_projects_is_ignored_for_a_reason(event_type, payload, reason):
    decision = triage(event_type, payload, PROJECT, NOTHING)
    assert decision.outcome == Outcome.IGNORE
    assert reason in decision.reason
    assert decision.reason.isprintable()
    assert len(decision.reason) < 300


def test_a_cool_down_holds_back_other_breaches_but_no_person():
    other = retraining_name("yesterday")
    recent = replace(NOTHING, retrainings={other: NOW - timedelta(hours=23)})
    decision = triage(DRIFT, BREACH, PROJECT, recent)
    assert decision.outcome == Outcome.IGNORE
    assert f"{other} started at 2026-11-19 13:00 UTC, less than 24 hours ago" in decision.reason
    assert triage_retraining("github-1", recent).outcome == Outcome.RETRAIN
    assert triage_retraining("github-1", recent, PROJECT.cool_down).outcome == Outcome.IGNORE
    long_ago = replace(NOTHING, retrainings={other: NOW - timedelta(hours=24), "retrain-x": None})
    assert triage(DRIFT, BREACH, PROJECT, long_ago).outcome == Outcome.RETRAIN


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


def test_the_event_is_read_from_the_environment_or_a_file(tmp_path):
    message = read_message({"EVENT_TYPE": DRIFT, "EVENT_PAYLOAD": '{"signal": "s"}'})
    assert (message.type, message.payload) == (DRIFT, {"signal": "s"})
    file = tmp_path / "event.json"
    file.write_text('{"action": "drift-detected", "client_payload": {"signal": "s"}}')
    assert read_message({}, file).payload == {"signal": "s"}
    for broken in ('{"signal"', "", "[" * 100_000, "9" * 5000):
        with pytest.raises(WrongInputError, match="holds no JSON"):
            read_message({"EVENT_TYPE": DRIFT, "EVENT_PAYLOAD": broken})
    with pytest.raises(WrongInputError, match="There is no event"):
        read_message({})
    assert read_message({"GITHUB_EVENT_NAME": "workflow_dispatch", "EVENT_PAYLOAD": "null"}).name == "workflow_dispatch"


def test_the_decision_is_told_to_the_workflow_and_its_readers(tmp_path):
    environment = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    report(Decision(Outcome.RETRAIN, "Because.", "retrain-1"), environment)
    assert (tmp_path / "output").read_text() == "outcome=RETRAIN\nreason=Because.\njob=retrain-1\nversion=\n"
    assert (tmp_path / "summary").read_text() == "### RETRAIN\n\nBecause.\n"
