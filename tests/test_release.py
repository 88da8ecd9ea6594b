"""Runs the release script in a clone: it stops if a step is missing, and update tests can read its changelog."""

import subprocess
import sys
from pathlib import Path

import pytest

from versions import SECTION, commit_all, git, tagged_clone

NEW = "7.0.0"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return tagged_clone(tmp_path_factory.mktemp("history") / "clone", tag=None)


@pytest.fixture
def clone(history, tmp_path):
    """Return a clone that is ready for a release, independent of local work."""
    folder = tmp_path / "clone"
    git(history, "clone", "-q", str(history), str(folder))
    git(folder, "config", "user.name", "test")
    git(folder, "config", "user.email", "test@example.com")
    git(folder, "switch", "-q", "-C", "main")
    project = folder / "pyproject.toml"
    lines = project.read_text(encoding="utf-8").splitlines()
    project.write_text("\n".join(f'version = "{NEW}"' if line.startswith("version =") else line for line in lines))
    head, rest = (folder / "CHANGELOG.md").read_text(encoding="utf-8").split("## Unreleased\n", 1)
    older = rest[rest.index("\n## ") :]
    (folder / "CHANGELOG.md").write_text(f"{head}## Unreleased\n\n- A change.\n{older}", encoding="utf-8")
    commit_all(folder)
    return folder


def release(clone: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/release.py", *arguments, "--without-tests"]
    return subprocess.run(command, cwd=clone, capture_output=True, encoding="utf-8", check=False)


def test_a_release_is_tagged_and_its_section_names_the_tagged_commit(clone):
    commit = git(clone, "rev-parse", "HEAD").stdout.strip()
    assert release(clone, "check", NEW).returncode == 0
    done = release(clone, "tag", NEW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(clone, "rev-parse", f"{NEW}^{{commit}}").stdout.strip() == commit
    changelog = (clone / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, *older = SECTION.findall(changelog)
    assert newest[0] == NEW and newest[2] == commit
    assert "0.1.0" in [version for version, *_ in older]
    assert changelog.index("## Unreleased") < changelog.index(f"## {NEW}") < changelog.index("- A change.")


def test_checking_changes_nothing(clone):
    release(clone, "check", NEW)
    assert git(clone, "status", "--porcelain").stdout == "" and NEW not in git(clone, "tag").stdout.split()


def uncommitted(clone: Path) -> None:
    (clone / "new.txt").write_text("new")


def elsewhere(clone: Path) -> None:
    git(clone, "switch", "-q", "-c", "feature")


def tagged(clone: Path) -> None:
    git(clone, "tag", NEW)


def undescribed(clone: Path) -> None:
    text = (clone / "CHANGELOG.md").read_text(encoding="utf-8")
    (clone / "CHANGELOG.md").write_text(text.replace("- A change.\n", ""), encoding="utf-8")
    commit_all(clone)


@pytest.mark.parametrize(
    ("spoil", "step"),
    [
        (uncommitted, "nothing uncommitted: commit"),
        (elsewhere, "on main: git switch main"),
        (tagged, "no such tag: choose a higher version"),
        (undescribed, "changes are described: describe the changes"),
    ],
    ids=["uncommitted", "elsewhere", "tagged", "undescribed"],
)
def test_a_step_that_is_not_done_stops_the_release_and_says_what_to_do(clone, spoil, step):
    spoil(clone)
    done = release(clone, "tag", NEW)
    assert done.returncode == 1 and [line for line in done.stdout.splitlines() if line.startswith("✗")] == [
        line for line in done.stdout.splitlines() if step in line
    ], done.stdout + done.stderr
    assert SECTION.findall((clone / "CHANGELOG.md").read_text(encoding="utf-8"))[0][0] != NEW


def test_a_version_that_does_not_rise_or_agree_is_refused(clone):
    done = release(clone, "check", "0.1.0")
    assert done.returncode == 1
    assert "✗ higher than" in done.stdout and "✗ pyproject.toml agrees" in done.stdout


@pytest.mark.parametrize("arguments", [["check", "next"], ["check"], ["publish", NEW]], ids=" ".join)
def test_wrong_input_ends_with_2(clone, arguments):
    done = release(clone, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
