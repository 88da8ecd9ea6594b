"""Checks that the newest version of each environment holds what its use needs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlops.doctor.lines import Line, not_known, ok, problem
from mlops.paths import BATCH_ENVIRONMENT, SERVING_ENVIRONMENT, TRAINING_ENVIRONMENT, read_yaml
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

LOADING = (("mlflow-skinny", "mlflow"), ("scikit-learn",))
# What each use imports; one of the names in a group is enough.
NEEDED: dict[Path, tuple[tuple[str, ...], ...]] = {
    TRAINING_ENVIRONMENT: (*LOADING, ("azureml-mlflow",), ("mltable",)),
    SERVING_ENVIRONMENT: (*LOADING, ("azureml-inference-server-http",), ("azureml-ai-monitoring",)),
    # Azure's batch driver starts in this environment, imports the first two and pkg_resources, and calls pip.
    BATCH_ENVIRONMENT: (
        *LOADING,
        ("azureml-core", "azureml-defaults"),
        ("azureml-dataset-runtime", "azureml-defaults"),
        ("pip",),
    ),
}
VERBS = {TRAINING_ENVIRONMENT: "mlops train"}
# The first version without pkg_resources.
SETUPTOOLS = Version("82")


def look_at_environments(client: "MLClient") -> Iterator[Line]:
    """Yield a line for each environment of the project."""
    for definition in filter(Path.exists, NEEDED):
        yield _environment(client, definition)


def _environment(client: "MLClient", definition: Path) -> Line:
    name, verb = str(read_yaml(definition)["name"]), VERBS.get(definition, "mlops deploy")
    looked_at = f"environment {name}"
    newest = _newest(client, name)
    if newest is None:
        return ok(looked_at, f"not registered yet: `{verb}` registers it")
    if not newest.conda_file:
        return not_known(looked_at, f"version {newest.version} has no conda file", f"`{verb}` registers one that has")
    lacking = _lacking(packages(newest.conda_file), definition)
    if lacking:
        return problem(
            looked_at,
            f"version {newest.version} lacks {', '.join(lacking)}",
            f"`{verb}` registers the one in environments/{definition.name}; if that one lacks them too, add them to "
            "its conda file",
        )
    return ok(looked_at, f"version {newest.version} holds what it is used for")


def _newest(client: "MLClient", name: str) -> Any:
    try:
        versions: list[Any] = list(client.environments.list(name=name))
    except Exception as error:
        if is_missing(error):
            return None
        raise
    return max(versions, key=lambda known: known.creation_context.created_at, default=None)


def packages(conda: Any) -> dict[str, str]:
    """Return the packages of a conda file, with the text of their versions."""
    found: dict[str, str] = {}
    for entry in (conda or {}).get("dependencies") or []:
        if isinstance(entry, dict):
            found |= dict(_pip(str(text)) for text in entry.get("pip") or [])
        else:
            name, _, version = re.split(r"::", str(entry))[-1].partition("=")
            found[canonicalize_name(name.strip(" <>!~"))] = version
    return found


def _pip(text: str) -> tuple[str, str]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        # An option of pip, or an address.
        return text, ""
    return canonicalize_name(requirement.name), str(requirement.specifier)


def _lacking(known: dict[str, str], definition: Path) -> list[str]:
    lacking = [group[0] for group in NEEDED[definition] if not set(group) & set(known)]
    if definition == BATCH_ENVIRONMENT and _has_new_setuptools(known):
        lacking.append(f"setuptools<{SETUPTOOLS}")
    return lacking


def _has_new_setuptools(known: dict[str, str]) -> bool:
    """Return whether nothing keeps setuptools below the first version without pkg_resources."""
    limit = known.get("setuptools", "")
    exact = re.fullmatch(r"={1,2}([\d.]+)", limit)
    return Version(exact[1]) >= SETUPTOOLS if exact else SpecifierSet(limit).contains(SETUPTOOLS)
