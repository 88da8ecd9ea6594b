"""Clones of this repository's history with every version tagged, for tests of `copier update`."""

import re
import subprocess
from pathlib import Path

import pytest

from projects import ROOT, copy_working_files

SECTION = re.compile(r"^## (\S+)\n\nDate: (\S+)\nCommit: ([0-9a-f]{40})$", re.MULTILINE)
NEXT = "1000.0"


def released() -> dict[str, str]:
    """Return every version in the changelog with its commit."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return {version: commit for version, _, commit in SECTION.findall(text)}


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run git as a test user, without the settings of this machine."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=check
    )


def commit_all(folder: Path, message: str = "work") -> None:
    """Commit everything in a folder; the folder is made a repository if it is not one."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--no-verify", "--allow-empty", "-m", message)


def tagged_clone(folder: Path, tag: str | None = NEXT) -> Path:
    """Clone the history into a folder, commit the working tree on top, and tag every version.

    If the commits of the changelog are missing, the tests that need them fail with a remedy.
    """
    for commit in released().values():
        if git(ROOT, "cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode:
            pytest.fail(f"this clone lacks commit {commit[:7]} of the changelog: run `git fetch --unshallow`")
    git(ROOT, "clone", "-q", "--no-tags", str(ROOT), str(folder))
    for version, commit in released().items():
        git(folder, "tag", version, commit)
    git(folder, "rm", "-r", "-q", "--cached", ".")
    git(folder, "clean", "-q", "-d", "-x", "-f")
    copy_working_files(folder)
    commit_all(folder)
    if tag:
        git(folder, "tag", tag)
    return folder
