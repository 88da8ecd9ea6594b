"""Registers environments with every package at the version in uv.lock, packages of packages included.

A conda file pins the packages that the code imports. Azure would choose the versions of their dependencies on the day
it builds the image, so the registered text lists those too. It is made from the lock at registration. A file of it in
the repository would be a second copy of the lock: the template cannot render it, and an update of the lock would leave
it behind. Azure gets only this text, so the text cannot name a requirements file.
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_environment
from azure.core.exceptions import ResourceNotFoundError
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlops.errors import WrongInputError
from mlops.paths import ROOT, read_yaml
from mlops.refusals.explain import is_missing
from mlops.workspace import is_local

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

LOCK = ROOT / "uv.lock"
# Azure's images, whatever machine the lock is read on.
LINUX = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
}


def register_environment(client: "MLClient", definition: Path) -> str:
    """Register an environment under a version that is the hash of its content, and return its reference.

    So a version always has the same packages, and a changed pin or lock is a new version.

    Raises:
        WrongInputError: Azure would build an image without a lock, or the lock does not have the conda file's packages.
    """
    path = definition.parent / read_yaml(definition)["conda_file"]
    conda = read_yaml(path)
    if LOCK.exists():
        conda = locked(conda, tomllib.loads(LOCK.read_text(encoding="utf-8")), definition.stem)
    elif not is_local(client):  # the laptop builds no image
        raise WrongInputError("There is no uv.lock, which says what Azure installs: run `uv lock` and commit uv.lock.")
    environment = load_environment(definition, params_override=[{"conda_file": conda}])
    content = json.dumps([conda, environment.image], sort_keys=True)
    environment.version = hashlib.sha256(content.encode()).hexdigest()[:12]
    try:
        client.environments.get(str(environment.name), version=environment.version)
    except ResourceNotFoundError as error:
        if not is_missing(error):
            raise
        client.environments.create_or_update(environment)
    return f"azureml:{environment.name}:{environment.version}"


def locked(conda: dict[str, Any], lock: dict[str, Any], group: str) -> dict[str, Any]:
    """Return a conda file whose pip part lists all that its packages need, at the versions of a lock.

    Args:
        conda: the content of the conda file.
        lock: the content of uv.lock.
        group: the dependency group of this environment, for whose packages the lock may have versions of their own.

    Raises:
        WrongInputError: the lock lacks a package, or has it in a version that the conda file excludes.
    """
    dependencies = conda["dependencies"]
    (python,) = (entry for entry in dependencies if isinstance(entry, str) and entry.startswith("python="))
    (wanted,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    pins = _Lock(lock, python.removeprefix("python="), group).all_that([Requirement(each) for each in wanted])
    return conda | {"dependencies": [entry if isinstance(entry, str) else {"pip": pins} for entry in dependencies]}


class _Lock:
    """The packages of a lock for Linux, one Python and one dependency group."""

    def __init__(self, content: dict[str, Any], python: str, group: str):
        (project,) = (package["name"] for package in content["package"] if "." in package["source"].values())
        # Conda installs the newest patch release of this Python.
        self._machine = LINUX | {"python_version": python, "python_full_version": f"{python}.99"}
        # uv's name for a group in the markers of a lock whose groups conflict.
        self._machine["extra"] = f"group-{len(project)}-{project}-{group}"
        self._packages = [package for package in content["package"] if self._fits(package.get("resolution-markers"))]

    def all_that(self, requirements: list[Requirement]) -> list[str]:
        """Return the pins of requirements and of all that they need, sorted by name."""
        left = [(self._chosen(requirement), frozenset(requirement.extras)) for requirement in requirements]
        pins: dict[str, str] = {}
        seen: set[tuple[str, frozenset[str]]] = set()
        while left:
            package, extras = left.pop()
            if (package["name"], extras) not in seen:
                seen.add((package["name"], extras))
                pins[package["name"]] = f"{package['name']}=={package['version']}"
                needed = self._needed(package, extras)
                left += [(self._find(each), frozenset(each.get("extra", ()))) for each in needed]
        return [pins[name] for name in sorted(pins)]

    def _chosen(self, requirement: Requirement) -> dict[str, Any]:
        package = self._find({"name": canonicalize_name(requirement.name)})
        if not requirement.specifier.contains(package["version"]):
            raise WrongInputError(
                f"uv.lock has {package['name']} {package['version']}, environments/ wants {requirement}: run `uv lock`."
            )
        return package

    def _find(self, wanted: dict[str, Any]) -> dict[str, Any]:
        for package in self._packages:
            if package["name"] == wanted["name"] and wanted.get("version") in (None, package["version"]):
                return package
        raise WrongInputError(f"uv.lock does not have the package {wanted['name']}: run `uv lock`.")

    def _needed(self, package: dict[str, Any], extras: frozenset[str]) -> list[dict[str, Any]]:
        optional = package.get("optional-dependencies", {})
        found = package.get("dependencies", []) + [each for extra in sorted(extras) for each in optional.get(extra, [])]
        return [each for each in found if self._fits([each["marker"]] if "marker" in each else None)]

    def _fits(self, markers: list[str] | None) -> bool:
        return markers is None or any(Marker(marker).evaluate(self._machine) for marker in markers)
