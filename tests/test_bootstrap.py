"""Tests set-up and teardown: shellcheck and the Azure CLI accept the scripts, which run against fake az and gh."""

import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.azure import commands as commands_module
from mlops.azure.bootstrap import NO_REVIEWERS, bootstrap
from mlops.azure.commands import Command, run, script
from mlops.azure.teardown import teardown
from mlops.errors import RunFailedError
from mlops.settings import load_settings

VARIANTS = {
    "logic_app": {"trigger": "logic_app"},
    "function": {"trigger": "function", "approval": "none"},
    "scheduled": {"trigger": "scheduled", "github_auth": "service_principal", "workspace": "existing"},
    "existing": {"trigger": "function", "workspace": "existing", "compute_target": "cluster"},
}
TOKEN = "github_pat_of_nobody"
# Answers follow the documentation of az and gh; none is recorded. `{state}` contains the commands run so far.
STAND_IN = """#!{python}
import json, os, pathlib, sys
state = pathlib.Path({state!r})
done = json.loads(state.read_text()) if state.exists() else []
line = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
plan = json.loads(pathlib.Path({plan!r}).read_text())
def same(args):
    return len(args) == len(line) and all("${{" in a or a == b for a, b in zip(args, line))
for command in plan:
    if same(command["unless"]) and command["args"] in done:
        print("there")
        sys.exit()
    if same(command["args"]):
        if {fail!r} in " ".join(line):
            sys.exit("HTTP 422: Failed to create the environment protection rule.")
        if command["saves"]:
            print("value-of-" + command["saves"].lower())
        else:
            if not command["args"][1] == "deployment":
                done.append(command["args"])
            for argument in line:
                if os.path.isabs(argument) and argument.endswith("secret"):
                    assert pathlib.Path(argument).read_text() == {token!r}
            state.write_text(json.dumps(done))
        sys.exit()
"""


def plans(render, **answers) -> dict[str, list[Command]]:
    project = render(**answers)
    settings = load_settings(project)
    return {"bootstrap": bootstrap(settings), "teardown": teardown(settings, project)}


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    def make(plan: list[Command], fail: str = "\0") -> None:
        file, state = tmp_path / "plan.json", tmp_path / "state.json"
        file.write_text(json.dumps([{"args": c.args, "unless": c.unless, "saves": c.saves} for c in plan]))
        text = STAND_IN.format(python=sys.executable, state=str(state), plan=str(file), fail=fail, token=TOKEN)
        for name in ("az", "gh", "bash", "uv"):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


@pytest.mark.parametrize("answers", VARIANTS.values(), ids=VARIANTS)
def test_shellcheck_accepts_the_scripts(render, tmp_path, answers):
    beside = Path(sys.executable).parent / "shellcheck"
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    assert shellcheck, "shellcheck is not installed"
    for name, plan in plans(render, **answers).items():
        file = tmp_path / f"{name}.sh"
        file.write_text(script(plan), encoding="utf-8")
        checked = subprocess.run([shellcheck, str(file)], capture_output=True, text=True)
        assert checked.stdout == ""
        assert TOKEN not in script(plan)


@pytest.mark.parametrize("answers", VARIANTS.values(), ids=VARIANTS)
def test_run_twice_it_changes_nothing_the_second_time(render, stand_ins, monkeypatch, answers, tmp_path):
    monkeypatch.setattr(commands_module, "ROOT", tmp_path)
    plan = plans(render, **answers)["bootstrap"]
    stand_ins(plan)
    said: list[str] = []
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return TOKEN

    run(plan, said.append, ask)
    assert not any("done already" in line for line in said)
    said.clear()
    run(plan, said.append, ask)
    again = [line for line in said if not re.match("Read |Deploy |.*: done already|Zip |Publish ", line)]
    assert again == []
    assert len(asked) == (answers["trigger"] != "scheduled")
    assert TOKEN not in "".join(said)


def test_missing_rights_to_reviewers_are_explained(render, stand_ins, monkeypatch, tmp_path):
    monkeypatch.setattr(commands_module, "ROOT", tmp_path)
    plan = plans(render)["bootstrap"]
    stand_ins(plan, fail="environments/production --silent")
    with pytest.raises(RunFailedError, match="Required reviewers need a public repository") as caught:
        run(plan, lambda line: None, lambda prompt: TOKEN)
    assert NO_REVIEWERS in str(caught.value)


def test_nothing_of_an_existing_workspace_is_removed(render):
    text = script(plans(render, **VARIANTS["existing"])["teardown"])
    assert "group delete" not in text
    assert "forceToPurge" not in text
    assert "/computes/" in text
    assert "systemTopics" in text


def az_lines(plan: list[Command]) -> list[list[str]]:
    lines = []
    for command in plan:
        for args in (command.args, command.unless):
            if args[:1] == ("az",):
                lines.append(list(args[1:]))
            elif args[:1] == ("bash",):
                lines += [shlex.split(part)[1:] for part in re.findall(r"az [^|]+?(?= \||$| 2>)", args[-1])]
    return lines


def written_az_lines(project: Path) -> list[list[str]]:
    """Return the commands in README and workflows; `az ml` is an extension, whose files the SDK tests elsewhere."""
    readme = re.findall(r"`az ([^`]+)`", (project / "README.md").read_text(encoding="utf-8"))
    workflows = "\n".join(path.read_text(encoding="utf-8") for path in project.glob(".github/workflows/*.yml"))
    named = [*readme, *re.findall(r"^\s*(?:- )?(?:run: )?az (.+)$", workflows, re.MULTILINE)]
    assert "login" in named
    return [shlex.split(line.partition(" >")[0]) for line in named if not line.startswith("ml ")]


def test_az_ml_lines_of_the_readme_name_what_the_project_has(render):
    project = render()
    readme = (project / "README.md").read_text(encoding="utf-8")
    for file in re.findall(r"`az ml job create -f ([^`]+)`", readme):
        assert (project / file).is_file()
    (monitor,) = project.glob("endpoints/online/monitor/*.yml")
    for name in re.findall(r"`az ml schedule trigger -n ([^`]+)`", readme):
        assert f"name: {name}\n" in monitor.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_azure_cli_accepts_every_line(render):
    lines = [
        line for answers in VARIANTS.values() for plan in plans(render, **answers).values() for line in az_lines(plan)
    ]
    lines += [line for answers in VARIANTS.values() for line in written_az_lines(render(**answers))]
    unique = sorted({json.dumps(line) for line in lines})
    assert len(unique) > 40
    parse = [*azure_cli(), str(Path(__file__).with_name("az_parse.py"))]
    wrong = json.dumps(["group", "create", "--nme", "x"])
    parsed = subprocess.run(parse, input="\n".join([*unique, wrong]), capture_output=True, text=True, check=True)
    (only,) = parsed.stdout.splitlines()
    assert only.startswith("group create --nme x: ")


def azure_cli() -> list[str]:
    """Return the Azure CLI's own environment, because its pins fit no other."""
    return ["uv", "run", "--no-project", "--isolated", "--with", "azure-cli==2.91.0", "--prerelease", "allow", "python"]
