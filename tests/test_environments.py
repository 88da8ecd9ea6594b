"""The environments of a project resolve, hold what Azure's programs import, and have the versions of the laptop."""

import re
import subprocess
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from azure_runs import run, verb
from mlops.training.environments import locked
from model.train import PACKAGES
from projects import ROOT

ALL = {"dataset": "flights", "endpoint_type": "online_and_batch", "monitor_type": "custom_data"}
CONDA = {"training": "conda.yml", "inference": "conda.yml", "batch": "conda_batch.yml"}
MODEL = {"mlflow-skinny", "numpy", "pandas", "pyarrow", "scikit-learn"}
# What a job's steps, the inference server with the collector, and Azure's batch driver import.
IMPORTS = {
    "training": "import mlflow, azureml.mlflow, mltable, sklearn, pandas, pyarrow, azureml.dataprep.rslex",
    "inference": "import azureml_inference_server_http.amlserver, azureml.ai.monitoring, mlflow, sklearn",
    "batch": (
        "import azureml.core, azureml.dataprep, azureml.dataprep.rslex, azureml.dataprep.fuse.dprepfuse, "
        "pkg_resources, mlflow, azureml.mlflow, mltable, sklearn; from azureml.core import Dataset, Run, Workspace"
    ),
}
REGISTER = """
from mlops.paths import BATCH_ENVIRONMENT, SERVING_ENVIRONMENT, TRAINING_ENVIRONMENT
from mlops.training.environments import register_environment
from mlops.workspace import connect
client = connect()
result = {}
for path in (BATCH_ENVIRONMENT, SERVING_ENVIRONMENT, TRAINING_ENVIRONMENT):
    name, version = register_environment(client, path).removeprefix("azureml:").split(":")
    result[path.stem] = {"version": version, "conda": client.environments.get(name, version=version).conda_file}
"""


def pins(project: Path, name: str, lock: Path) -> dict[str, str]:
    """Return the version of every package that Azure installs for an environment."""
    conda = yaml.safe_load((project / "environments" / CONDA[name]).read_text(encoding="utf-8"))
    return versions(locked(conda, tomllib.loads(lock.read_text(encoding="utf-8")), name))


def versions(conda: dict) -> dict[str, str]:
    (listed,) = (entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    return dict(pin.split("==") for pin in listed)


@pytest.fixture(scope="module")
def project(render):
    return render(**ALL)


def test_models_packages_have_one_version_in_every_environment_and_on_the_laptop(project):
    found = {name: pins(project, name, ROOT / "uv.lock") for name in CONDA}
    shared = {name: version(name) for name in MODEL | set(PACKAGES)}
    for name in CONDA:
        assert {package: found[name][package] for package in shared} == shared


def test_packages_of_packages_are_those_of_the_laptop(project):
    for name in ("training", "inference"):
        found = pins(project, name, ROOT / "uv.lock")
        assert len(found) > 50
        assert found == {package: version(package) for package in found}


def test_azure_gets_every_package_of_the_lock(project, tmp_path):
    (registered,) = run(project, tmp_path / "state", {"python": REGISTER})
    assert {name: versions(entry["conda"]) for name, entry in registered.result.items()} == {
        name: pins(project, name, ROOT / "uv.lock") for name in CONDA
    }
    # Another version of a package of packages is another environment.
    lock = (project / "uv.lock").read_text(encoding="utf-8")
    lock, count = re.subn(r'(name = "cloudpickle"\nversion = )"[^"]+"', r'\1"1.0"', lock)
    assert count == 1
    (project / "uv.lock").write_text(lock, encoding="utf-8")
    (again,) = run(project, tmp_path / "state", {"python": REGISTER}, is_locked=False)
    assert all(again.result[name]["version"] != registered.result[name]["version"] for name in CONDA)


def test_azure_gets_no_environment_without_a_lock(project, tmp_path):
    (project / "uv.lock").unlink(missing_ok=True)
    data, train = run(project, tmp_path / "state", verb("data"), verb("train"), is_locked=False)
    assert data.code == 0, data.output
    assert train.code == 2
    assert "There is no uv.lock, which says what Azure installs: run `uv lock` and commit uv.lock." in " ".join(
        train.output.split()
    )


def uv(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["uv", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_environments_resolve_install_and_import(python, render, tmp_path, record_property):
    if subprocess.run(["uv", "python", "find", "--no-python-downloads", python], check=False).returncode:
        pytest.skip(f"there is no Python {python} on this machine")
    project = render(**ALL, project_name="Late flights", python_version=python)
    started = time.perf_counter()
    uv(project, "lock", "--python", python)
    record_property("lock", f"{time.perf_counter() - started:.0f} s")
    for name in CONDA:
        found = pins(project, name, project / "uv.lock")
        listed, place = tmp_path / f"{name}.txt", tmp_path / name
        listed.write_text("".join(f"{package}=={number}\n" for package, number in found.items()), encoding="utf-8")
        # For Azure's machine: nothing but what is listed, and all of it.
        linux = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", python]
        resolved = uv(tmp_path, "pip", "compile", "-q", "--no-header", "--no-annotate", *linux, str(listed))
        assert dict(pin.split("==") for pin in resolved.split()) == found
        uv(tmp_path, "venv", "-q", "--python", python, str(place))
        started = time.perf_counter()
        uv(tmp_path, "pip", "install", "-q", "--python", str(place), "--no-deps", "-r", str(listed))
        uv(tmp_path, "pip", "check", "--python", str(place))
        record_property(name, f"{len(found)} packages, {time.perf_counter() - started:.0f} s")
        subprocess.run([place / "bin" / "python", "-W", "ignore", "-c", IMPORTS[name]], check=True)
    # uv's own export of the group has the same versions.
    plain = ["--no-hashes", "--no-annotate", "--no-header"]
    exported = uv(project, "export", "-q", "--frozen", "--only-group", "batch", *plain)
    batch = pins(project, "batch", project / "uv.lock")
    of_uv = dict(line.split("==") for line in exported.split("\n") if line and ";" not in line)
    assert of_uv.items() <= batch.items()
