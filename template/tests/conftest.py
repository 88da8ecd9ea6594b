"""Shared fixtures. Tests work on a copy and do not change the project's own data and state."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mlops.paths import ROOT
from model.contract import Contract, check_labelled, load_contract
from model.data import load_rows

ENOUGH = 3000
"""Number of rows that is sufficient for the tests."""

READS_SAMPLE = '''"""Replaces the project's own `load_rows`: returns the same rows, or a sample."""

from pathlib import Path

import pandas as pd


def load_rows(contract):
    return pd.read_parquet(Path(__file__).with_name("rows.parquet"))
'''


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract()


@pytest.fixture(scope="session")
def rows(contract) -> pd.DataFrame:
    """The project's own rows, or a sample of them, read and checked as by `mlops data`."""
    own = check_labelled(load_rows(contract), contract)
    return own.sample(min(len(own), ENOUGH), random_state=0).reset_index(drop=True)


@pytest.fixture(scope="session")
def project(tmp_path_factory, rows) -> Path:
    """A copy of this project with `rows` as its data."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, copy, ignore=_unneeded)
    rows.to_parquet(copy / "src" / "model" / "rows.parquet")
    (copy / "src" / "model" / "data.py").write_text(READS_SAMPLE, encoding="utf-8")
    return copy


def _unneeded(folder: str, names: list[str]) -> list[str]:
    """Return the data, state, environments and caches, which are not copied."""
    is_root = Path(folder) == ROOT
    return [name for name in names if name.startswith(".") or name == "__pycache__" or (is_root and name == "data")]


@pytest.fixture(scope="session")
def trained(project) -> Path:
    """The copy after `mlops data` and `mlops train`."""
    mlops(project, "data")
    mlops(project, "train")
    return project


def mlops(project: Path, verb: str) -> None:
    """Run the command in a copy, on the laptop, without what its events lead to, and show what it said if it fails."""
    paths = os.pathsep.join(map(str, [project / "src", project, *(project / "packages").glob("*/src")]))
    done = subprocess.run(
        [sys.executable, "-m", "mlops.cli", verb, "--target", "local"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": paths, "MLOPS_EVENTS": "later"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
