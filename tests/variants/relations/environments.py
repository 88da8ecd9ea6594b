"""Jobs and endpoints use the same package versions that the project pins for the laptop."""

import re
import sys
import tomllib

from variants.relations.relation import Files, imported, parsed, relation

# Packages with a different import name; Spark includes its own Python package.
BROUGHT_BY = {
    "azureml": "azureml-ai-monitoring",
    "azureml_inference_server_http": "azureml-inference-server-http",
    "mlflow": "mlflow-skinny",
    "sklearn": "scikit-learn",
    "yaml": "mlflow-skinny",
}
# Packages that no code imports: MLflow's plug-in for Azure, and mltable's engine.
PLUGINS = {"azureml-mlflow", "azureml-dataprep-rslex"}
# Azure's Spark runtime has LightGBM (microsoft/synapse-spark-runtime, Synapse-Python311-CPU.yml).
GIVEN = {"model", "pyspark", "lightgbm"} | sys.stdlib_module_names
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==[^,;\s]+")
# An upper limit in place of a pin: the lock has the version.
LIMITS = {"setuptools<82"}
# Azure: "The packages azureml-core and azureml-dataset-runtime[fuse] are required by batch deployments".
DRIVER = {"azureml-core", "azureml-dataset-runtime[fuse]", "setuptools<82"}
CONDA, BATCH = "environments/conda.yml", "environments/conda_batch.yml"


@relation("environments/*.yml", "pyproject.toml", "infra/bridge/function/requirements.txt")
def pins_are_those_of_the_project(files: Files, names: frozenset[str]) -> list[str]:
    settings = tomllib.loads(files["pyproject.toml"].decode())
    project = settings["project"]
    pinned = project["dependencies"] + settings["dependency-groups"].get("batch", [])
    pins = {path: _pip(files[path]) for path in (CONDA, BATCH) if path in files}
    for path in files.keys() & {"infra/bridge/function/requirements.txt"}:
        pins[path] = [line for line in files[path].decode().splitlines() if line and not line.startswith("#")]
    found = [
        f"{path}: {pin} is pinned differently in pyproject.toml"
        for path, listed in pins.items()
        for pin in listed
        if not (PIN.fullmatch(pin) or pin in LIMITS) or pin not in pinned
    ]
    for path in files.keys() & {CONDA, BATCH}:
        entries = parsed(files[path])["dependencies"]
        (python,) = (entry for entry in entries if isinstance(entry, str) and entry.startswith("python="))
        if f">={python.removeprefix('python=')}," not in project["requires-python"]:
            found.append(f"{path}: {python} is not the Python of pyproject.toml")
    found += [
        f"{path}: conda_file: {content['conda_file']} does not exist"
        for path, content in ((path, parsed(text)) for path, text in files.items() if path.startswith("environments/"))
        if "conda_file" in content and f"environments/{content['conda_file']}" not in files
    ]
    return found


def _pip(content: bytes) -> list[str]:
    """Return the packages that a conda file installs with pip."""
    return [pin for entry in parsed(content)["dependencies"] if isinstance(entry, dict) for pin in entry["pip"]]


@relation("environments/*.yml", "endpoints/batch/deployment/*.yml")
def batch_has_the_models_packages_and_the_drivers(files: Files, names: frozenset[str]) -> list[str]:
    deployments = [path for path in files if path.startswith("endpoints/")]
    found = [
        f"{path}: environment: it is not that of environments/batch.yml"
        for path in deployments
        if parsed(files[path])["environment"] != f"azureml:{parsed(files['environments/batch.yml'])['name']}@latest"
    ]
    if deployments:
        pins = {re.split("==", pin)[0] if "==" in pin else pin for pin in _pip(files[BATCH])}
        found += [f"{BATCH}: {package} is missing" for package in sorted(DRIVER - pins)]
        found += [f"{BATCH}: {pin} is missing" for pin in sorted(set(_pip(files[CONDA])) - set(_pip(files[BATCH])))]
        if parsed(files["environments/batch.yml"])["image"] != parsed(files["environments/training.yml"])["image"]:
            found.append("environments/batch.yml: image: it is not that of environments/training.yml")
    return found


@relation("environments/conda.yml", "src/*.py")
def what_code_imports_is_installed(files: Files, names: frozenset[str]) -> list[str]:
    conda = parsed(files["environments/conda.yml"])
    pins = {
        pin.partition("==")[0] for entry in conda["dependencies"] if isinstance(entry, dict) for pin in entry["pip"]
    }
    found = [
        f"{path}: it imports {package}, which environments/conda.yml does not install"
        for path, content in files.items()
        if path.endswith(".py")
        for package in sorted({module.partition(".")[0] for module in imported(content)} - GIVEN)
        if BROUGHT_BY.get(package, package) not in pins
    ]
    found += [f"environments/conda.yml: {package} is missing" for package in sorted(PLUGINS - pins)]
    if conda["channels"] != ["conda-forge"] or "pip" not in conda["dependencies"]:
        found.append("environments/conda.yml: it does not get pip and Python from conda-forge")
    return found


RELATIONS = (
    pins_are_those_of_the_project,
    batch_has_the_models_packages_and_the_drivers,
    what_code_imports_is_installed,
)
