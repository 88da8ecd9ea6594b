"""A sixth data set needs one entry in one file: the entry in CONTRIBUTING.md is added and trained."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

from projects import ROOT, contents, mlops, render_from
from variants.expected import expected
from variants.questionnaire import Questionnaire

CATALOGUE = "extensions/datasets.jinja"
SHOWN = re.search(r"^```jinja\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M | re.S)
NAME = "tips"


@pytest.fixture(scope="module")
def extended(template, tmp_path_factory):
    """Return the template with the entry from CONTRIBUTING.md, and no other change."""
    copy = shutil.copytree(template, tmp_path_factory.mktemp("sixth") / "template")
    catalogue = copy / CATALOGUE
    before, after = catalogue.read_text(encoding="utf-8").split("\n} %}\n", 1)
    catalogue.write_text(f"{before}\n{SHOWN[1]}}} %}}\n{after}", encoding="utf-8")
    changed = {path for path, text in contents(copy).items() if contents(template)[path] != text}
    assert changed == {CATALOGUE}
    return copy


@pytest.fixture(scope="module")
def project(extended, tmp_path_factory):
    return render_from(extended, tmp_path_factory.mktemp("rendered") / "project", dataset=NAME)


def test_the_prompt_lists_the_new_data_set(extended):
    offered = {values["dataset"] for values in Questionnaire(extended).variants(branching=["dataset"])}
    assert NAME in offered and len(offered) == 6


def test_the_new_data_set_trains_a_model_better_than_the_baseline(project):
    for verb, said in {"data": "", "train": "PROMOTE"}.items():
        done = mlops(project, verb)
        assert done.code == 0 and said in done.stdout, done.stdout + done.stderr


def test_the_new_project_has_the_same_files_as_others(extended, render, tmp_path):
    project = render_from(extended, tmp_path / "project", dataset=NAME)
    files, known = set(contents(project)), set(contents(render()))
    assert {path for path in known - files if not path.startswith("src/model/datasets/")} == set()
    assert files - known == set()
    assert "plotly==" in (project / "pyproject.toml").read_text(encoding="utf-8")
    assert expected({"dataset": NAME}, ["src/model/datasets/diabetes.py", "src/model/datasets/__init__.py"]) == set()
    assert yaml.safe_load((project / "src/model/contract.yml").read_text(encoding="utf-8"))["target"]["column"] == "tip"


@pytest.mark.parametrize("tool", [["ruff", "check"], ["ruff", "format", "--check"]], ids=" ".join)
def test_its_project_is_clean(project, tool):
    done = subprocess.run([sys.executable, "-m", *tool], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
