"""Runs `copier update` from every released version to the working tree: nothing is lost, and no old file is left.

Copier runs without trust, as for a user: `copier update --defaults`, with `--data` if an answer changes.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import copier
import pytest
import yaml

from projects import ANSWERS, ROOT, contents, without_origin
from versions import NEXT, commit_all, git, released, tagged_clone

# The user's own files, which no update changes.
OWN = ("src/model/estimator.py", "src/model/data.py", "data/")
# Together these cover every data set, size, endpoint, monitor and trigger.
PROJECTS = {
    "defaults": {},
    "own-file": {
        "dataset": "custom",
        "task": "binary_classification",
        "compute_size": "medium",
        "monitor_type": "advanced",
        "trigger": "function",
        "workspace": "existing",
        "approval": "none",
    },
    "batch": {"dataset": "breast_cancer", "endpoint_type": "batch", "trigger": "scheduled", "compute_size": "large"},
    "both": {
        "dataset": "flights",
        "endpoint_type": "online_and_batch",
        "monitor_type": "custom_data",
        "compute_target": "cluster",
        "github_auth": "service_principal",
        "retrain_cron": "0 5 * * 1",
    },
    "penguins": {"dataset": "penguins"},
}
# The last one only adds the last data set.
RUNS = [
    pytest.param(answers, id=name, marks=[pytest.mark.slow] if name == "penguins" else [])
    for name, answers in PROJECTS.items()
]
RENAMED = re.search(r"^```yaml\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M | re.S)
FLIPS = {
    "another monitor and trigger, no notebooks": {
        "monitor_type": "advanced",
        "trigger": "function",
        "notebooks": False,
    },
    "a batch endpoint, no trigger": {"endpoint_type": "batch", "monitor_type": "custom_data", "trigger": "scheduled"},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return tagged_clone(tmp_path_factory.mktemp("history") / "template")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Return a project rendered at a version, cached by answers; callers must not change it."""

    @cache
    def rendered(template: Path, version: str, **answers) -> Path:
        project = tmp_path_factory.mktemp("rendered") / "project"
        copier.run_copy(str(template), project, data=answers, defaults=True, vcs_ref=version, quiet=True)
        return project

    return rendered


@pytest.fixture
def start(clone, rendered, tmp_path):
    """Return a committed project of a version."""

    def start(version: str, template: Path = clone, **answers) -> Path:
        project = shutil.copytree(rendered(template, version, **answers), tmp_path / "project")
        commit_all(project)
        return project

    return start


@pytest.fixture
def fresh(clone, rendered):
    """Return a project of the working tree."""
    return partial(rendered, clone, NEXT)


def update(project: Path, **answers) -> None:
    copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True)


def files(project: Path) -> dict[str, bytes]:
    """Return the files that an update may change: not git's, not the user's, and not the template's address."""
    kept = {path: content for path, content in contents(project).items() if not path.startswith((".git/", *OWN))}
    return without_origin(kept)


def write(path: Path, content: str) -> bytes:
    path.write_text(content, encoding="utf-8")
    return path.read_bytes()


@pytest.mark.parametrize("answers", RUNS)
@pytest.mark.parametrize("version", released())
def test_an_unedited_project_becomes_equal_to_a_fresh_render(version, answers, start, fresh):
    project = start(version, **answers)
    own = {path: content for path, content in contents(project).items() if path.startswith(OWN)}
    update(project)
    assert files(project) == files(fresh(**answers))
    assert own == {path: content for path, content in contents(project).items() if path.startswith(OWN)}
    answered = yaml.safe_load((project / ANSWERS).read_text(encoding="utf-8"))
    assert answered.items() >= answers.items() and answered["_commit"] == NEXT


@pytest.mark.parametrize("answers", FLIPS.values(), ids=FLIPS)
@pytest.mark.parametrize("version", released())
def test_another_answer_adds_and_removes_its_files(version, answers, start, fresh):
    project = start(version)
    update(project, **answers)
    assert files(project) == files(fresh(**answers))


def test_restoring_an_answer_restores_the_project(start, fresh):
    project = start(NEXT)
    for answers in ({"trigger": "scheduled", "notebooks": False}, {"trigger": "logic_app", "notebooks": True}):
        copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True, vcs_ref=NEXT)
        commit_all(project)
    assert files(project) == files(fresh())


@pytest.mark.parametrize("version", released())
def test_the_users_own_files_stay_edited_deleted_and_added(version, start):
    project = start(version, dataset="custom")
    edited = write(project / "src/model/estimator.py", "# mine\n")
    added = write(project / "data/more.csv", "a,b\n")
    (project / "src/model/data.py").unlink()
    (project / "data/sample.csv").unlink()
    commit_all(project)
    update(project)
    assert (project / "src/model/estimator.py").read_bytes() == edited
    assert (project / "data/more.csv").read_bytes() == added
    assert not (project / "src/model/data.py").exists() and not (project / "data/sample.csv").exists()


@pytest.mark.parametrize("version", released())
def test_edits_elsewhere_are_merged(version, start):
    project = start(version)
    workflow, pins = project / ".github/workflows/ci.yml", project / "pyproject.toml"
    step = "      - name: Ours\n        run: echo ours\n"
    write(workflow, workflow.read_text(encoding="utf-8") + step)
    write(pins, pins.read_text(encoding="utf-8").replace('version = "0.1.0"', 'version = "3.2.1"'))
    (project / "mlops/files.py").unlink()
    write(project / "mlops/ours.py", '"""Ours."""\n')
    commit_all(project)
    update(project)
    assert workflow.read_text(encoding="utf-8").endswith(step)
    # The template's pins and the user's version are on adjacent lines.
    assert 'version = "3.2.1"' in pins.read_text(encoding="utf-8")
    assert "nbclient==" in pins.read_text(encoding="utf-8")
    assert not (project / "mlops/files.py").exists() and (project / "mlops/ours.py").exists()


@pytest.mark.parametrize("version", released())
def test_a_conflict_is_reported_and_the_projects_pre_commit_refuses_it(version, start):
    project = start(version)
    line = "Predicts target, notices drift and retrains itself."
    readme = project / "README.md"
    write(readme, readme.read_text(encoding="utf-8").replace(line, "Ours."))
    commit_all(project)
    update(project, description="Theirs.")
    assert {"<<<<<<< before updating", "Ours.", "Theirs.", ">>>>>>> after updating"} <= set(
        readme.read_text(encoding="utf-8").splitlines()
    )
    assert "UU README.md" in git(project, "status", "--porcelain").stdout
    # A careless user adds everything and commits.
    git(project, "add", "--all")
    refused = hook(project, "--all-files")
    assert refused.returncode == 1 and "README.md:" in refused.stdout, refused.stdout + refused.stderr


def test_the_projects_pre_commit_refuses_a_rejected_hunk(start):
    project = start(NEXT)
    write(project / "README.md.rej", "what could not be merged\n")
    git(project, "add", "--force", "--all")
    refused = hook(project, "--files", "README.md.rej")
    assert refused.returncode == 1 and "README.md.rej" in refused.stdout, refused.stdout + refused.stderr


def hook(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the project's own pre-commit on the staged files, with the tools of the tests' own environment."""
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "SKIP": "ruff,ruff-format,mypy"}
    environment |= {"UV_PROJECT_ENVIRONMENT": str(tools.parent), "UV_NO_SYNC": "1"}
    return subprocess.run(
        [tools / "pre-commit", "run", *arguments], cwd=project, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("version", released())
def test_a_removed_file_with_edits_is_found_and_restored_by_the_printed_commands(version, start, capfd):
    project = start(version)
    path = "infra/bridge/logic_app/workflow.json"
    edited = write(project / path, json.dumps({"ours": True}))
    commit_all(project)
    copier.run_update(project, data={"trigger": "scheduled"}, defaults=True, overwrite=True)
    assert not (project / path).exists()
    said = capfd.readouterr().err
    (lists,) = [line.strip() for line in said.splitlines() if line.strip().startswith("git diff")]
    assert path in subprocess.run(shlex.split(lists), cwd=project, capture_output=True, text=True).stdout.splitlines()
    assert "`git restore FILE`" in said
    subprocess.run(["git", "restore", path], cwd=project, check=True)
    assert (project / path).read_bytes() == edited


def test_the_edit_of_a_file_that_moved_is_shown_by_the_commands_that_are_printed(start, capfd):
    project, old, new = start("0.1.0"), "mlops/assets.py", "mlops/data/assets.py"
    write(project / old, (project / old).read_text(encoding="utf-8") + "OURS = 1\n")
    commit_all(project)
    copier.run_update(project, defaults=True, overwrite=True)
    assert (project / new).exists() and not (project / old).exists()
    said = capfd.readouterr().err
    assert old in said and new in said
    lists, shows = (
        next(line.strip() for line in said.splitlines() if line.strip().startswith(f"git {verb}"))
        for verb in ("diff", "log")
    )
    assert old in subprocess.run(shlex.split(lists), cwd=project, capture_output=True, text=True).stdout.splitlines()
    shown = subprocess.run(shlex.split(shows.replace("FILE", old)), cwd=project, capture_output=True, text=True).stdout
    assert "+OURS = 1" in shown


def test_files_that_git_ignores_are_not_overwritten(start):
    project = start("0.1.0")
    ignored = {path: f"// mine: {path}\n" for path in (".vscode/settings.json", ".devcontainer/devcontainer.json")}
    ignore = project / ".gitignore"
    write(ignore, ignore.read_text(encoding="utf-8") + ".vscode/\n.devcontainer/\n")
    commit_all(project)
    for path, text in ignored.items():
        (project / path).parent.mkdir(exist_ok=True)
        write(project / path, text)
    update(project)
    assert {path: (project / path).read_text(encoding="utf-8") for path in ignored} == ignored


def test_an_update_of_uncommitted_work_is_refused(start):
    project = start(NEXT)
    write(project / "README.md", "Ours.\n")
    with pytest.raises(copier.errors.UserMessageError, match="dirty"):
        update(project)
    assert (project / "README.md").read_text(encoding="utf-8") == "Ours.\n"


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    """Return the template with `location` renamed to `region`, as CONTRIBUTING.md describes it."""
    template = tagged_clone(tmp_path_factory.mktemp("renamed") / "template", tag=None)
    asked = template / "copier.yml"
    before, _, after = asked.read_text(encoding="utf-8").partition("\nlocation:\n")
    _, _, rest = after.partition("\n\n")
    write(asked, f"{before}\n{RENAMED[1]}\n{rest}")
    for path in template.glob("template/**/*.jinja"):
        write(path, path.read_text(encoding="utf-8").replace("{{ location", "{{ region"))
    commit_all(template)
    git(template, "tag", NEXT)
    return template


@pytest.mark.parametrize("version", released())
def test_a_renamed_question_keeps_its_answer(version, renamed, start):
    project = start(version, renamed, location="northeurope")
    update(project)
    answers = yaml.safe_load((project / ANSWERS).read_text(encoding="utf-8"))
    assert answers["region"] == "northeurope" and "location" not in answers
    assert b"northeurope" in (project / "infra/main.parameters.json").read_bytes()


def test_a_renamed_question_has_its_own_default_in_a_new_project(renamed, start):
    answers = yaml.safe_load((start(NEXT, renamed) / ANSWERS).read_text(encoding="utf-8"))
    assert answers["region"] == "westeurope"
