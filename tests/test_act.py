"""nektos/act judges the emulator's workflow interpreter: the same steps with the same results, calls and variables.

Probes are workflows in `workflows/probes/`; comments in them say which event starts them and what commands answer.
Those in `refused/` begin with the message that names their line and key.
"""

import json
import random
import re
from pathlib import Path

import pytest
import yaml

from azureml_emulator.errors import EmulatorError
from azureml_emulator.github.workflows import workflows_for
from expressions import random_expressions
from projects import questionnaire
from variants.matrix import covering
from variants.renderer import Renderer
from workflow_runs import MISSING, Event, Runners

needs_act = pytest.mark.skipif(bool(MISSING), reason=f"there is no {' and no '.join(MISSING)} here")

PROBES = Path(__file__).parent / "workflows" / "probes"
PAYLOAD = json.loads((PROBES / "payload.json").read_text(encoding="utf-8"))
DISPATCH = {"action": "probe", "client_payload": PAYLOAD}
BREACH = {"action": "drift-detected", "client_payload": {"run_id": "a-1", "signal": 'a "signal" with $(date), `x` & ü'}}
MODEL = {"action": "model-registered", "client_payload": {"model_name": "model", "model_version": "3"}}
VERSION = {"inputs": {"version": "3"}}
CONFIRMED = {"inputs": {"confirm": "my-organization/my-repository"}}


def decided(verb: str, outcome: str, **outputs: str) -> dict:
    return {f"uv run mlops triage {verb}": {"outputs": {"outcome": outcome, **outputs}}}


def fails(command: str) -> dict:
    return {command: {"code": 3}}


DEPLOY = decided("deploy", "DEPLOY", version="3")
RETRAIN = decided("retrain", "RETRAIN", job="a-job")
# What starts each workflow, and how the commands in it can end.
EVENTS = {
    "cd-triggered-by-aml": [
        *(("repository_dispatch", MODEL, decided("deploy", outcome)) for outcome in ("IGNORE", "OTHER", "")),
        ("repository_dispatch", MODEL, {}),
        ("repository_dispatch", MODEL, DEPLOY),
        ("workflow_dispatch", VERSION, DEPLOY),
        ("workflow_dispatch", {}, decided("deploy", "deploy")),
        *(("repository_dispatch", MODEL, fails(f"uv run mlops {verb}") | DEPLOY) for verb in ("calibrate", "deploy")),
        ("repository_dispatch", MODEL, fails("uv run mlops triage")),
    ],
    "ci-triggered-by-aml": [
        *(("repository_dispatch", BREACH, decided("retrain", outcome)) for outcome in ("IGNORE", "OTHER", "")),
        ("repository_dispatch", BREACH, {}),
        ("repository_dispatch", BREACH, RETRAIN),
        ("schedule", {"schedule": "0 6 * * 1"}, RETRAIN),
        ("workflow_dispatch", {}, RETRAIN),
        ("repository_dispatch", BREACH, fails("uv run mlops retrain") | RETRAIN),
        ("repository_dispatch", BREACH, fails("uv run mlops triage")),
    ],
    "poll": [("schedule", {}, {}), ("workflow_dispatch", {}, fails("uv"))],
    "infra": [("push", {}, {}), ("workflow_dispatch", {}, fails("uv"))],
    "teardown": [("workflow_dispatch", CONFIRMED, {}), ("workflow_dispatch", CONFIRMED, fails("uv"))],
    "ci": [("push", {}, {}), ("pull_request", {}, fails("uv run pytest"))],
    "template": [("schedule", {}, {}), ("workflow_dispatch", {}, fails("uvx"))],
}


@pytest.fixture(scope="module")
def runners(tmp_path_factory):
    return Runners(tmp_path_factory.mktemp("runners"))


@pytest.fixture(scope="module")
def rendered():
    """Every workflow that a project of the matrix has: its name and each distinct content."""
    renderer = Renderer(questionnaire())
    files = [file for values in covering(questionnaire()) for file in renderer.files(values).items()]
    return sorted({(Path(path).stem, content) for path, content in files if path.startswith(".github/workflows/")})


def event_of(probe: Path) -> Event:
    comments = dict(re.findall(r"^# (event|answers): (.*)$", probe.read_text(encoding="utf-8"), re.MULTILINE))
    name, _, payload = comments.get("event", f"repository_dispatch {json.dumps(DISPATCH)}").partition(" ")
    return Event(name, json.loads(payload), json.loads(comments.get("answers", "{}")))


@needs_act
@pytest.mark.parametrize("probe", sorted(PROBES.glob("*.y*ml")), ids=lambda probe: probe.stem)
def test_act_and_the_emulator_agree_on_a_probe(probe, runners, monkeypatch):
    file, event = runners.write(probe.name, probe.read_bytes()), event_of(probe)
    by_act = runners.by_act(file, event)
    assert by_act.calls, "a probe that calls nothing shows nothing"
    assert runners.by_emulator(file, event, monkeypatch) == by_act
    if event.name == "repository_dispatch":
        assert workflows_for(runners.project, "probe") == [file]


@pytest.mark.parametrize("probe", sorted((PROBES / "refused").glob("*.y*ml")), ids=lambda probe: probe.stem)
def test_what_github_would_do_otherwise_is_refused_with_file_line_and_key_before_anything_runs(
    probe, runners, monkeypatch
):
    file = runners.write(probe.name, probe.read_bytes())
    expected = f".github/workflows/{probe.name}, {probe.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}"
    with pytest.raises(EmulatorError, match=f"^{re.escape(expected)}"):
        runners.by_emulator(file, event_of(probe), monkeypatch)
    assert runners.calls() == {}


@needs_act
@pytest.mark.parametrize("name", EVENTS)
def test_act_and_the_emulator_agree_on_every_rendered_workflow(name, rendered, runners, monkeypatch, record_property):
    contents = [content for stem, content in rendered if stem == name]
    for content in contents:
        file = runners.write(f"{name}.yml", content)
        for event in [Event(*event) for event in EVENTS[name]]:
            by_act = runners.by_act(file, event)
            assert by_act.calls
            assert runners.by_emulator(file, event, monkeypatch) == by_act, event
    record_property(
        f"{name}.yml under act and the emulator", f"{len(contents)} contents, {len(EVENTS[name])} events each"
    )


def test_every_rendered_workflow_is_tried(rendered):
    assert {name for name, _ in rendered} == set(EVENTS)


def test_every_outcome_runs_other_steps(rendered, runners, monkeypatch):
    """The comparison would be worth nothing if all events led to the same calls."""
    for name in ("cd-triggered-by-aml", "ci-triggered-by-aml"):
        file = runners.write(f"{name}.yml", next(content for stem, content in rendered if stem == name))
        runs = [runners.by_emulator(file, Event(*event), monkeypatch) for event in EVENTS[name]]
        assert len({repr(run.steps) for run in runs}) >= 4


@needs_act
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_act_and_the_emulator_agree_on_random_expressions(seed, runners, monkeypatch):
    found = random_expressions(random.Random(seed), 100)
    env = {f"PROBE_{number:03}": f"[${{{{ {expression} }}}}]" for number, expression in enumerate(found)}
    steps = [{"name": "Expressions", "run": "uv expressions", "env": env}]
    job = {"runs-on": "ubuntu-24.04", "steps": steps}
    content = yaml.safe_dump({"name": "Random", "on": "repository_dispatch", "jobs": {"a": job}}, width=1000)
    file, event = runners.write("random.yml", content.encode()), Event("repository_dispatch", DISPATCH)
    values = [
        run.calls["a"][0]["env"] for run in (runners.by_act(file, event), runners.by_emulator(file, event, monkeypatch))
    ]
    assert {env[name]: values[1][name] for name in env} == {env[name]: values[0][name] for name in env}
