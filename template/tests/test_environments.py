"""Azure and the laptop use the same package versions."""

import tomllib
from typing import Any

import pytest
from azure.ai.ml import load_environment

from mlops.errors import WrongInputError
from mlops.paths import ROOT, read_yaml
from mlops.training.environments import LOCK, locked
from model.train import PACKAGES

FILES = {path.stem: read_yaml(path) for path in (ROOT / "environments").glob("*.yml")}
DEFINITIONS = {name: content for name, content in FILES.items() if "$schema" in content}
CONDA = {name: content for name, content in FILES.items() if name not in DEFINITIONS}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
PINNED = PROJECT["dependencies"] + SETTINGS["dependency-groups"].get("batch", [])
WANTED: dict[str, Any] = {
    "channels": ["conda-forge"],
    "dependencies": ["python=3.11", "pip", {"pip": ["Direct_One==1.0", "direct-two[more]<3"]}],
}
HERE = {"registry": "https://pypi.org/simple"}
LOCKED: dict[str, Any] = {
    "package": [
        {"name": "a-project", "version": "0.1.0", "source": {"editable": "."}},
        {
            "name": "direct-one",
            "version": "1.0",
            "source": HERE,
            "dependencies": [
                {"name": "shared", "version": "3.0", "marker": "extra != 'group-9-a-project-batch'"},
                {"name": "shared", "version": "2.0", "marker": "extra == 'group-9-a-project-batch'"},
                {"name": "for-windows", "marker": "sys_platform == 'win32'"},
                {"name": "for-linux", "marker": "sys_platform == 'linux' and python_full_version >= '3.11.4'"},
            ],
        },
        {
            "name": "direct-two",
            "version": "2.5",
            "source": HERE,
            "dependencies": [{"name": "direct-one"}],
            "optional-dependencies": {"more": [{"name": "optional"}], "less": [{"name": "for-windows"}]},
        },
        {"name": "shared", "version": "2.0", "source": HERE},
        {"name": "shared", "version": "3.0", "source": HERE},
        {"name": "for-windows", "version": "1.0", "source": HERE},
        {"name": "for-linux", "version": "1.0", "source": HERE, "resolution-markers": ["python_version >= '3.12'"]},
        {"name": "for-linux", "version": "0.9", "source": HERE, "resolution-markers": ["python_version < '3.12'"]},
        {"name": "optional", "version": "1.0", "source": HERE},
        {"name": "not-wanted", "version": "1.0", "source": HERE},
    ]
}


def pins(conda: dict[str, Any]) -> list[str]:
    return next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))


@pytest.mark.parametrize("name", CONDA)
def test_conda_pins_are_the_projects_own(name):
    assert set(pins(CONDA[name])) <= set(PINNED)


@pytest.mark.parametrize("name", CONDA)
def test_conda_python_is_the_oldest_the_project_runs_on(name):
    python = next(item for item in CONDA[name]["dependencies"] if str(item).startswith("python="))
    assert PROJECT["requires-python"].startswith(f">={python.removeprefix('python=')},")


@pytest.mark.parametrize("name", CONDA)
def test_every_environment_has_the_packages_that_a_model_requires(name):
    assert set(PACKAGES) <= {pin.partition("==")[0] for pin in pins(CONDA[name])}
    assert set(pins(CONDA["conda"])) <= set(pins(CONDA[name]))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_environment_is_valid_for_azure(name):
    assert load_environment(ROOT / "environments" / f"{name}.yml")._to_rest_object()


@pytest.mark.skipif(not LOCK.exists(), reason="uv writes the lock when it first runs something in this project")
@pytest.mark.parametrize("name", DEFINITIONS)
def test_lock_has_what_an_environment_needs(name):
    conda = CONDA[DEFINITIONS[name]["conda_file"].removesuffix(".yml")]
    found = pins(locked(conda, tomllib.loads(LOCK.read_text(encoding="utf-8")), name))
    assert {pin for pin in pins(conda) if "[" not in pin and "==" in pin} <= set(found)


@pytest.mark.parametrize(("group", "shared"), [("training", "3.0"), ("batch", "2.0")])
def test_image_gets_what_the_lock_has_for_linux_and_its_python(group, shared):
    found = locked(WANTED, LOCKED, group)
    assert pins(found) == [
        "direct-one==1.0",
        "direct-two==2.5",
        "for-linux==0.9",
        "optional==1.0",
        f"shared=={shared}",
    ]
    assert found["dependencies"][:2] == ["python=3.11", "pip"] and found["channels"] == WANTED["channels"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("direct-one==1.1", "uv.lock has direct-one 1.0, environments/ wants direct-one==1.1: run `uv lock`."),
        ("unknown==1.0", "uv.lock does not have the package unknown: run `uv lock`."),
    ],
)
def test_outdated_lock_is_refused(wanted, message):
    with pytest.raises(WrongInputError) as refused:
        locked(WANTED | {"dependencies": ["python=3.11", {"pip": [wanted]}]}, LOCKED, "training")
    assert str(refused.value) == message
