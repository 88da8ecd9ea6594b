"""Tests of the commit hooks, the development container and the editor settings."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import editorconfig
import pytest

from mlops.paths import ROOT, read_yaml

TOOLS = Path(sys.executable).parent
HOOKS = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
COMMANDS = [hook["entry"] for hook in HOOKS if hook["language"] == "system"]
CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUFF = tomllib.loads((ROOT / "ruff.toml").read_text(encoding="utf-8"))
CONFLICT = "<<<<<<< before updating\nours\n=======\ntheirs\n>>>>>>> after updating\n"


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """The files that git would track in this project, even if the project is not a repository."""
    index = tmp_path_factory.mktemp("index")
    run(["git", "init", "-q"], index)
    command = ["git", f"--git-dir={index / '.git'}", f"--work-tree={ROOT}", "ls-files", "-z", "--others"]
    return run([*command, "--exclude-standard"], ROOT).stdout.rstrip("\0").split("\0")


@pytest.fixture(scope="module")
def repository(files, tmp_path_factory) -> Path:
    """A copy of this project with all files staged."""
    folder = tmp_path_factory.mktemp("repository")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    run(["git", "init", "-q"], folder)
    run(["git", "add", "--all"], folder)
    return folder


def refusal(repository: Path, hook: str, name: str, content: str) -> str:
    """Return a hook's message about a staged file, empty if the hook accepts it."""
    (repository / name).write_text(content, encoding="utf-8")
    run(["git", "add", "--force", name], repository)
    # Uses the installed tools: a test downloads nothing.
    here = {"UV_PROJECT_ENVIRONMENT": sys.prefix, "UV_NO_SYNC": "1", "PRE_COMMIT_HOME": str(repository / ".git")}
    done = run([sys.executable, "-m", "pre_commit", "run", hook, "--files", name], repository, **here)
    assert f"hook id: {hook}" in done.stdout or done.returncode == 0, done.stdout + done.stderr
    return done.stdout if done.returncode else ""


def test_every_hook_is_local():
    assert [repo["repo"] for repo in read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]] == ["local"]


@pytest.mark.parametrize("entry", COMMANDS)
def test_hook_runs_a_program_that_is_installed(entry):
    uv, verb, program, *_ = shlex.split(entry)
    assert (uv, verb) == ("uv", "run") and shutil.which(program, path=str(TOOLS))


@pytest.mark.parametrize(
    ("hook", "name", "content"),
    [
        ("merge-conflict", "NOTES.md", CONFLICT),
        ("rejected", "README.md.rej", "a rejected hunk\n"),
        ("large-files", "rows.csv", "1\n" * 2**20),
        ("yaml", "settings.yml", "a: [1\n"),
        ("workflows", ".github/workflows/wrong.yml", "on: push\njobs: {a: {run: x}}\n"),
        ("dependabot", ".github/dependabot.yml", "version: 1\n"),
    ],
)
def test_hook_refuses_a_faulty_file(repository, hook, name, content):
    assert refusal(repository, hook, name, content)


def test_large_file_is_refused_after_it_was_committed(repository):
    (repository / "old.csv").write_text("1\n" * 2**20, encoding="utf-8")
    run(["git", "add", "--force", "old.csv"], repository)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    run(["git", *identity, "commit", "-q", "--no-verify", "-m", "large", "old.csv"], repository)
    assert refusal(repository, "large-files", "old.csv", "1\n" * 2**20)


@pytest.mark.parametrize("hook", ["merge-conflict", "large-files", "yaml", "workflows"])
def test_hook_accepts_a_valid_file(repository, hook):
    name = ".github/workflows/ci.yml"
    assert refusal(repository, hook, name, (ROOT / name).read_text(encoding="utf-8")) == ""


def test_ci_runs_the_hooks():
    jobs = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert any(command.startswith("uv run pre-commit run --all-files") for command in commands)


def test_container_has_the_projects_python():
    python = CONTAINER["image"].partition(":")[2].split("-")[1]
    assert PROJECT["project"]["requires-python"].startswith(f">={python},")


def test_container_has_java_if_the_project_needs_spark():
    needs = any(pin.startswith("pyspark==") for pin in PROJECT["project"]["dependencies"])
    assert any("/java:" in feature for feature in CONTAINER["features"]) == needs


def test_container_installs_the_project():
    assert CONTAINER["postCreateCommand"].split(" && ")[-1] == "uv sync"


def test_container_and_editor_offer_the_same_extensions():
    offered = json.loads((ROOT / ".vscode" / "extensions.json").read_text(encoding="utf-8"))["recommendations"]
    assert CONTAINER["customizations"]["vscode"]["extensions"] == offered


def test_editor_uses_the_projects_folders_and_an_extension_it_offers():
    settings = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    folders = settings["python.testing.pytestArgs"] + settings["python.analysis.extraPaths"]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert settings["[python]"]["editor.defaultFormatter"] in CONTAINER["customizations"]["vscode"]["extensions"]


def test_editor_breaks_lines_where_ruff_does():
    assert int(editorconfig.get_properties(str(ROOT / "a.py"))["max_line_length"]) == RUFF["line-length"]


def test_files_are_written_as_the_editor_writes_them(files):
    assert "README.md" in files
    mine = [name for name in files if not name.startswith("data/")]
    assert [name for name in mine if not keeps_settings(ROOT / name)] == []


def keeps_settings(path: Path) -> bool:
    """Tell whether a file follows .editorconfig; a binary file always does."""
    settings, text = editorconfig.get_properties(str(path)), path.read_bytes()
    if b"\0" in text:
        return True
    assert (settings["end_of_line"], settings["trim_trailing_whitespace"]) == ("lf", "true")
    lines = text.decode(settings["charset"]).split("\n")
    return lines[-1] == "" and not any(line != line.rstrip() or line.lstrip(" ").startswith("\t") for line in lines)
