"""What holds for every render: no trust asked for, plain Python, clean to ruff and mypy, and true words."""

import re
import subprocess
import sys

import copier
import pytest
from make_sample import SAMPLE, content
from projects import ROOT, choices, contents, settings, working_files

from mlops.cli import app

TEMPLATE = ROOT / "template"


@pytest.fixture(scope="module", params=choices("dataset"))
def project(request, render):
    return render(dataset=request.param)


def passes(folder, *command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def verbs(text):
    """The `mlops` commands that a text tells its reader to type."""
    return set(re.findall(r"uv run mlops (\w+)", text))


KNOWN_VERBS = {command.name or command.callback.__name__ for command in app.registered_commands}


@pytest.mark.parametrize("name", ["_tasks", "_migrations", "_jinja_extensions"])
def test_template_asks_for_no_trust(name):
    assert name not in settings()


def test_python_is_never_a_jinja_template():
    assert [path for path in working_files() if path.name.endswith(".py.jinja")] == []


def test_names_are_legal_on_windows(project):
    assert [path for path in contents(project) if re.search(r'[<>:"|?*\\]|[. ](/|$)', path)] == []


def test_no_placeholder_is_left(project):
    rendered = {path: text for path, text in contents(project).items() if (TEMPLATE / f"{path}.jinja").exists()}
    assert rendered and [path for path, text in rendered.items() if re.search(rb"(?<!\$)\{\{|\{%|\{#", text)] == []


def test_no_folder_is_empty(project):
    assert [folder for folder in project.rglob("*") if folder.is_dir() and not any(folder.iterdir())] == []


def test_nothing_of_this_machine_is_rendered(project):
    files = contents(project) | {".copier-answers.yml": b""}
    assert [path for path, text in files.items() if str(ROOT).encode() in text or b"/home/" in text] == []


def test_sample_is_rendered_only_where_it_is_used(render):
    assert (render(dataset="custom") / "data" / "sample.csv").is_file()
    assert not (render(dataset="custom", data_path="data/mine.csv") / "data").exists()
    assert not (render() / "data").exists()


def test_sample_is_what_its_script_writes():
    assert SAMPLE.read_text(encoding="utf-8") == content()


def test_sample_is_not_ignored_by_the_rendered_project(render):
    project = render(dataset="custom")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    ignored = subprocess.run(["git", "check-ignore", "data/sample.csv"], cwd=project, capture_output=True, check=False)
    assert ignored.returncode == 1


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_template_is_clean_in_place(tool):
    passes(TEMPLATE, *tool)


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"]], ids=" ".join)
def test_rendered_project_is_clean(project, tool):
    passes(project, *tool, "--no-cache")


def test_rendered_project_passes_its_type_checker(render):
    passes(render(), "mypy", "--cache-dir", TEMPLATE / ".mypy_cache")


def test_next_commands_exist(template, tmp_path, capfd):
    copier.run_copy(str(template), tmp_path / "project", defaults=True, unsafe=False)
    said = verbs(capfd.readouterr().err)
    assert said and said <= KNOWN_VERBS


def test_commands_in_the_projects_readme_exist(project):
    said = verbs((project / "README.md").read_text(encoding="utf-8"))
    assert said and said <= KNOWN_VERBS


def test_files_in_the_projects_readme_exist(project):
    named = set(re.findall(r"`([\w./-]+(?:/|/[\w-]+\.\w+))`", (project / "README.md").read_text(encoding="utf-8")))
    named = {path for path in named if not path.startswith(".azureml-local/")}
    assert "src/model/estimator.py" in named and [path for path in named if not (project / path).exists()] == []
