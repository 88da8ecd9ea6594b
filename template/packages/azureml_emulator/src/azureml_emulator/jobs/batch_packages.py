"""Checks that the environment of a batch deployment has what Azure's driver imports before it calls the scoring script.

Azure accepts the deployment, and each of its jobs fails. Only a conda file tells which packages an environment has: an
image or a Dockerfile without one is not judged.
"""

import re
from typing import Any

import yaml

# What the driver needs, the packages that bring it, and the module that it cannot import without them.
# Source: Microsoft Learn, "Deploy models for scoring in batch endpoints" and "Troubleshooting batch endpoints".
NEEDED = {
    "azureml-core": ({"azureml-core", "azureml-defaults", "azureml-sdk"}, "azureml.core"),
    "azureml-dataset-runtime[fuse]": (
        {"azureml-dataset-runtime", "azureml-defaults", "azureml-sdk"},
        "azureml.dataprep",
    ),
}


def missing(environment: dict[str, Any]) -> str:
    """Return the log of a driver that lacks a package, empty if nothing is known to be missing."""
    if not environment.get("condaFile"):
        return ""
    names = _names(yaml.safe_load(environment["condaFile"]))
    lacking = {package: module for package, (ways, module) in NEEDED.items() if not ways & names}
    if not lacking:
        return ""
    return (
        f"No module named '{next(iter(lacking.values()))}'\nSystemExit: 42\n"
        f"The conda file of the deployment's environment does not have {', '.join(lacking)}. "
        "The packages azureml-core and azureml-dataset-runtime[fuse] are required by batch deployments.\n"
    )


def _names(conda: dict[str, Any]) -> set[str]:
    """Return the names of all packages in a conda file, those of its pip part too."""
    listed = [each for entry in conda.get("dependencies") or [] for each in (_pip(entry) or [entry])]
    return {re.split(r"[^A-Za-z0-9._-]", str(each).rpartition("::")[2], maxsplit=1)[0].lower() for each in listed}


def _pip(entry: Any) -> list[Any]:
    return entry.get("pip") or [] if isinstance(entry, dict) else []
