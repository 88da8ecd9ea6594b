"""The way without Event Grid: what the poll finds, what it tells GitHub, and what it leaves alone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from mlops.errors import RunFailedError, WrongInputError
from mlops.local.bridge import deliver
from mlops.local.events import model_registered
from mlops.local.github import TOKEN, GitHub
from mlops.poll import BREACH_TAG, poll
from mlops.settings import load_settings
from mlops.triage import retraining_name

TAG = "The signal 'diabetes_monitor_data_drift' has failed due to one or more features violating metric thresholds."


def job(name: str, hours: float = 1, status: str = "Completed", **tags: str) -> SimpleNamespace:
    created = datetime.now(UTC) - timedelta(hours=hours)
    return SimpleNamespace(name=name, status=status, tags=tags, creation_context=SimpleNamespace(created_at=created))


@dataclass
class Workspace:
    """Answers as azure-ai-ml's client does: jobs with the newest first, steps under their root."""

    roots: list = field(default_factory=list)
    steps: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)

    @property
    def jobs(self):
        return SimpleNamespace(
            list=lambda parent_job_name=None: self.steps.get(parent_job_name, []) if parent_job_name else self.roots
        )

    @property
    def models(self):
        models = [SimpleNamespace(version=version, tags=tags) for version, tags in self.versions.items()]
        return SimpleNamespace(list=lambda name: models)


@pytest.fixture
def poll_once(render):
    settings = load_settings(render(trigger="scheduled"))

    def run(workspace: Workspace, outages: list[int] | None = None, token: str = TOKEN):
        with GitHub(settings.github.repository, outages or []) as github:
            found = poll(workspace, settings, {"GITHUB_API_URL": github.url, "GITHUB_TOKEN": token})
        sent = [(item.event_type, item.client_payload) for item in github.dispatches]
        return [decision.outcome.value for _, decision in found], sent

    return run


def test_a_breach_is_sent_until_its_retraining_exists(poll_once):
    inner = job("data_drift_1")
    inner.type = "pipeline"
    steps = {"monitor_1": [job("compute_1"), inner], "data_drift_1": [job("evaluate_1", **{BREACH_TAG: TAG})]}
    outcomes, sent = poll_once(Workspace([job("monitor_1"), job("other")], steps))
    assert outcomes == ["RETRAIN"]
    assert sent[0][0] == "drift-detected"
    assert sent[0][1]["root_run_id"] == "monitor_1"
    assert sent[0][1]["signal"] == "diabetes_monitor_data_drift"
    started = Workspace([job(retraining_name("monitor_1")), job("monitor_1")], steps)
    assert poll_once(started) == (["ALREADY_HANDLED"], [])


def test_old_breaches_and_running_steps_are_left_alone(poll_once):
    steps = {name: [job("evaluate", status=status, **{BREACH_TAG: TAG})] for name, status in
             {"old": "Completed", "new": "Running"}.items()}  # fmt: skip
    outcomes, sent = poll_once(Workspace([job("new"), job("old", hours=49)], steps))
    assert (outcomes, sent) == (["IGNORE"], [])


def test_the_newest_model_without_a_rollout_is_sent(poll_once):
    workspace = Workspace(versions={"1": {"rollout": "deployed"}, "2": {}, "10": {}})
    outcomes, sent = poll_once(workspace)
    assert outcomes == ["IGNORE", "DEPLOY"]
    assert [payload["model_version"] for _, payload in sent] == ["10"]


def test_what_goes_wrong_is_said_without_the_token(poll_once):
    workspace = Workspace(versions={"1": {}})
    with pytest.raises(RunFailedError, match="status 404") as caught:
        poll_once(workspace, [404])
    assert TOKEN not in str(caught.value)
    with pytest.raises(WrongInputError, match="GITHUB_TOKEN is not set"):
        poll_once(workspace, token="")


def test_an_event_of_a_scheduled_project_goes_by_way_of_the_poll_workflow(render, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    # Stands for `uv run mlops`: the poll finds a model, the deployment only says that it was started.
    payload = '{"event_type": "model-registered", "client_payload": {"model_version": "3"}}'
    lines = [
        "#!/bin/bash",
        'case "$3" in',
        'poll) curl -sS -X POST -H "Authorization: Bearer $GITHUB_TOKEN" '
        f"-d '{payload}' \"$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/dispatches\";;",
        'triage) printf "outcome=DEPLOY\\nreason=new\\nversion=3\\n" >> "$GITHUB_OUTPUT";;',
        'calibrate | deploy) [ "$4 $5 $MLOPS_TARGET" = "--version 3 local" ];;',
        "esac",
    ]
    (tools / "uv").write_text("\n".join(lines), encoding="utf-8")
    (tools / "uv").chmod(0o700)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    root = render(trigger="scheduled")
    hops = deliver(model_registered("mlw-diabetes", "diabetes-model", "3"), root, root / ".azureml-local")
    assert [(hop.hop, hop.ok) for hop in hops] == [
        ("poll: Look for breaches and new models", True),
        ("GitHub", True),
        ("cd-triggered-by-aml: Decide", True),
        ("cd-triggered-by-aml: Calibrate the monitor", True),
        ("cd-triggered-by-aml: Roll out", True),
    ]
