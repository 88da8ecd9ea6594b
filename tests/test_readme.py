"""The README's first command does, on a fresh clone, what the README says."""

import os
import re
import subprocess

import pytest

from projects import ROOT, copy_working_files

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST, TEST, *_ = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of this repository as it stands, uncommitted work included."""
    folder = copy_working_files(tmp_path_factory.mktemp("fresh") / "clone")
    for command in ["init -q", "add .", "-c user.name=test -c user.email=test@example.com commit -q -m clone"]:
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    return folder


def test_first_command_closes_the_loop_and_ends_with_registered_models_and_their_metrics(clone):
    fresh = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MLOPS_TARGET")}
    done = subprocess.run(["bash", "-c", FIRST], cwd=clone, env=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"registered diabetes-model version 1: rmse \d", done.stdout)
    assert "closed: " in done.stdout


def test_first_command_is_one_line():
    assert FIRST.count("\n") == 1


def test_ci_runs_the_test_command():
    assert TEST in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
