"""Rules for the template: no `--trust`, plain Python, clean for ruff and mypy, no path of this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import copier
import pytest

from make_sample import SAMPLE, content
from mlops.cli import app
from projects import ROOT, choices, contents, import_path, questionnaire, working_files

TEMPLATE = ROOT / "template"
# Together these projects contain every Python file, and each lacks some.
TYPED = (
    {"notebooks": False},
    {"dataset": "custom", "endpoint_type": "batch", "trigger": "scheduled"},
    {"dataset": "penguins", "endpoint_type": "online_and_batch", "monitor_type": "advanced", "trigger": "function"},
)


@pytest.fixture(scope="module", params=choices("dataset"))
def project(request, render):
    return render(dataset=request.param)


def passes(folder, *command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def verbs(text):
    """Return the `mlops` commands that a text tells its reader to type."""
    return set(re.findall(r"uv run mlops (\w+)", text))


KNOWN_VERBS = {command.name or command.callback.__name__ for command in app.registered_commands}


@pytest.mark.parametrize("name", ["_tasks", "_migrations", "_jinja_extensions"])
def test_template_needs_no_trust(name):
    assert name not in questionnaire().settings


def test_python_is_never_a_jinja_template():
    assert [path for path in working_files() if path.name.endswith(".py.jinja")] == []


def test_no_path_of_this_machine_is_rendered(project):
    files = contents(project) | {".copier-answers.yml": b""}
    assert [path for path, text in files.items() if str(ROOT).encode() in text or b"/home/" in text] == []


@pytest.fixture
def rendered(copie, template):
    """Renders one project by pytest-copie."""

    def rendered(**answers):
        result = copie.copy(extra_answers=answers, template_dir=template)
        assert result.exception is None, result.exception
        return result.project_dir

    return rendered


@pytest.mark.parametrize(
    ("answers", "is_there"),
    [({"dataset": "custom"}, True), ({"dataset": "custom", "data_path": "data/mine.csv"}, False), ({}, False)],
    ids=["the sample", "a file of one's own", "a public data set"],
)
def test_sample_is_rendered_only_where_it_is_used(rendered, answers, is_there):
    assert (rendered(**answers) / "data" / "sample.csv").is_file() == is_there


def test_sample_equals_the_output_of_its_script():
    assert SAMPLE.read_text(encoding="utf-8") == content()


def test_sample_is_not_ignored_by_the_rendered_project(rendered):
    project = rendered(dataset="custom")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    ignored = subprocess.run(["git", "check-ignore", "data/sample.csv"], cwd=project, capture_output=True, check=False)
    assert ignored.returncode == 1


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_template_is_clean_in_place(tool):
    passes(TEMPLATE, *tool)


@pytest.mark.parametrize("answers", TYPED, ids=["online", "batch", "both"])
def test_rendered_project_passes_its_type_checker(answers, rendered):
    passes(rendered(**answers), "mypy", "--cache-dir", TEMPLATE / ".mypy_cache")


def test_next_commands_exist(template, tmp_path, capfd):
    copier.run_copy(str(template), tmp_path / "project", defaults=True, unsafe=False)
    said = verbs(capfd.readouterr().err)
    assert said and said <= KNOWN_VERBS


EMULATOR = "packages/azureml_emulator/src/azureml_emulator"
# Lines that break a contract, and the files that they are added to.
IMPORTS = {
    "a circle": ("mlops/errors.py", "import mlops.paths\n", "mlops/paths.py", "import mlops.errors\n"),
    "a room below that knows one above": ("mlops/data/partition.py", "import mlops.rollout.plan\n"),
    "a verb that knows the emulator": ("mlops/cli.py", "import azureml_emulator.local\n"),
    "an emulator that knows the verbs": (
        "packages/azureml_emulator/src/azureml_emulator/clock.py",
        "import mlops.paths\n",
    ),
    "a model that knows the metrics": ("src/model/gate.py", "import azureml_metrics.drift\n"),
}


def lint_imports(project):
    environment = os.environ | {"PYTHONPATH": import_path(project)}
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_rendered_project_keeps_its_contract_of_imports(rendered):
    done = lint_imports(rendered())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("broken", IMPORTS)
def test_import_that_the_contract_forbids_is_found(rendered, broken):
    project, changes = rendered(), iter(IMPORTS[broken])
    for path, line in zip(changes, changes, strict=True):
        file = project / path
        file.write_text(file.read_text(encoding="utf-8") + line, encoding="utf-8")
    done = lint_imports(project)
    assert done.returncode == 1 and "BROKEN" in done.stdout, done.stdout
