"""A sixth data set takes one entry in one file: the one that CONTRIBUTING.md shows is put in and trained."""

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
    """The template with the entry that is shown, and nothing else changed."""
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


def test_the_prompt_lists_it(extended):
    offered = {values["dataset"] for values in Questionnaire(extended).variants(branching=["dataset"])}
    assert NAME in offered and len(offered) == 6


def test_it_trains_a_better_model_than_a_guess(project):
    for verb, said in {"data": "", "train": "PROMOTE"}.items():
        done = mlops(project, verb)
        assert done.code == 0 and said in done.stdout, done.stdout + done.stderr


def test_its_project_holds_the_files_of_any_other_and_no_more(extended, render, tmp_path):
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
