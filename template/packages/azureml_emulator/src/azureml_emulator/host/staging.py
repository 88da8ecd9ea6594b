"""Lays out the code and model of a deployment's container, and describes its server."""

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import isodate

from azureml_emulator.host.layout import host_folder


@dataclass(frozen=True)
class Contents:
    """The contents of a deployment: folders of code and model, and the model's name and version."""

    code: Path
    script: str
    model: Path
    model_name: str
    model_version: str


def staged(state: Path, document: dict[str, Any], contents: Contents, collected: Path) -> dict[str, Any]:
    """Copy a deployment's code and model for the host, and return the description for the host.

    Args:
        state: the emulator's folder.
        document: the deployment as the REST API shows it.
        contents: the contents of the deployment.
        collected: the folder for its collected records.
    """
    given = specification(document, contents)
    staging = host_folder(state) / "staging" / uuid.uuid4().hex
    shutil.copytree(contents.code, staging / "code", ignore=shutil.ignore_patterns(".emulator", "__pycache__"))
    shutil.copytree(contents.model, staging / given["model"] / contents.model.name)
    return {"resource": document, "specification": given, "staging": str(staging), "collected": str(collected)}


def specification(document: dict[str, Any], contents: Contents) -> dict[str, Any]:
    """Return the description of a deployment for the host, with Azure's default values."""
    properties = document["properties"]
    requests = properties.get("requestSettings") or {}
    probe = properties.get("readinessProbe") or {}
    collections = (properties.get("dataCollector") or {"collections": {}})["collections"]
    attempts, period = probe.get("failureThreshold", 30), seconds(probe.get("period", "PT10S"))
    return {
        "script": contents.script,
        "model": f"azureml-models/{contents.model_name}/{contents.model_version}",
        "variables": properties.get("environmentVariables") or {},
        "collections": {
            name: collection.get("samplingRate") or 1.0
            for name, collection in collections.items()
            if collection["dataCollectionMode"] == "Enabled"
        },
        "source": document["id"],
        "concurrency": requests.get("maxConcurrentRequestsPerInstance", 1) * document["sku"].get("capacity", 1),
        "timeout": seconds(requests.get("requestTimeout", "PT5S")),
        "startup_timeout": seconds(probe.get("initialDelay", "PT10S")) + attempts * period,
    }


def seconds(duration: str) -> float:
    """Return an ISO 8601 duration in seconds."""
    return float(isodate.parse_duration(duration).total_seconds())
