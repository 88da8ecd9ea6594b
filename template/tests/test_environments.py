"""Azure and the laptop use the same package versions."""

import tomllib

import pytest
from azure.ai.ml import load_environment

from mlops.paths import ROOT, read_yaml
from model.train import PACKAGES

CONDA = read_yaml(ROOT / "environments" / "conda.yml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEFINITIONS = [path for path in (ROOT / "environments").glob("*.yml") if "$schema" in read_yaml(path)]
PINS = next(item["pip"] for item in CONDA["dependencies"] if isinstance(item, dict))


@pytest.mark.parametrize("pin", PINS)
def test_conda_pin_is_the_projects_own(pin):
    assert "==" in pin
    assert pin in PROJECT["dependencies"]


def test_conda_python_is_the_oldest_the_project_runs_on():
    python = next(item for item in CONDA["dependencies"] if str(item).startswith("python="))
    assert PROJECT["requires-python"].startswith(f">={python.removeprefix('python=')},")


def test_packages_that_a_model_requires_are_in_its_environment():
    assert set(PACKAGES) <= {pin.partition("==")[0] for pin in PINS}


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_environment_is_valid_for_azure(path):
    assert load_environment(path)._to_rest_object()
