"""Tests the project's weekly check for a newer template: its own script, the real Copier, and a fake `gh`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml

from versions import NEXT, commit_all, released, tagged_clone

GH = """#!/usr/bin/env bash
# Notes the issue that is opened; a search finds as many as OPEN says.
if [ "$2" = list ]; then echo "$OPEN"; else printf '%s\\n' "$@" > "$NOTES"; fi
"""
# `uvx copier@VERSION ...` is the tests' own Copier: nothing is downloaded.
UVX = """#!/usr/bin/env bash
[[ "$1" == copier@* ]] || exit 3
shift && exec "{copier}" "$@"
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return tagged_clone(tmp_path_factory.mktemp("history") / "template")


@pytest.fixture
def look(clone, tmp_path):
    """Run the workflow's script in a project of a version; return the arguments with which an issue was opened."""
    tools = {"gh": GH, "uvx": UVX.format(copier=Path(sys.executable).parent / "copier")}
    for name, script in tools.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)

    def look(version: str, open_issues: int = 0) -> list[str]:
        project, notes = tmp_path / "project", tmp_path / "notes"
        copier.run_copy(str(clone), project, defaults=True, vcs_ref=version, quiet=True)
        commit_all(project)
        workflow = yaml.safe_load((clone / "template/.github/workflows/template.yml").read_text(encoding="utf-8"))
        (script,) = [step["run"] for step in workflow["jobs"]["check-update"]["steps"] if "run" in step]
        paths = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
        environment = os.environ | {"PATH": paths, "NOTES": str(notes), "OPEN": json.dumps(open_issues)}
        # GitHub runs steps like this.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []

    return look


@pytest.mark.parametrize("version", released())
def test_a_newer_version_opens_an_issue_with_the_command(version, look):
    opened = look(version)
    assert f"Template {NEXT} is available" in opened
    assert any("uvx 'copier>=9.19' update --defaults" in line for line in opened)


@pytest.mark.parametrize("version", released())
def test_an_open_issue_is_not_opened_again(version, look):
    assert look(version, open_issues=1) == []


def test_the_newest_version_opens_none(look):
    assert look(NEXT) == []
