"""Checks the infrastructure as a whole: Bicep's types against the resource types that Azure publishes."""

import json
from pathlib import Path
from typing import Any

from lark.exceptions import LarkError

from bicep_check import check
from variants.validators.bicep_required import missing

# Parameters that `mlops provision` adds to the parameter files.
ADDED = {"budgetStart": "2026-11-01", "githubPrincipalId": "00000000-0000-0000-0000-000000000001"}


def deploys(project: Path, paths: list[str]) -> list[str]:
    """Every main file fits the project's parameters; all Bicep files of a project are checked together."""
    infra, found = project / "infra", []
    try:
        given = {name: _values(path) for name, path in _parameter_files(infra).items()}
        found = check(infra / "main.bicep", given["infra"] | ADDED)
        for main in sorted((infra / "bridge").glob("*/main.bicep")):
            extra = {"withSubscriptions": True} if main.parent.name == "function" else {}
            found += check(main, given["bridge"] | extra)
        files = sorted(infra.rglob("*.bicep"))
        found += [f"{path.relative_to(infra)}: {what}" for path in files for what in missing(path.read_text("utf-8"))]
    except (LarkError, json.JSONDecodeError, FileNotFoundError, KeyError, TypeError) as error:
        found = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
    return [f"{paths[0]}: {what}" for what in found]


def _parameter_files(infra: Path) -> dict[str, Path]:
    return {path.parent.name: path for path in [infra / "main.parameters.json", *infra.glob("*/main.parameters.json")]}


def _values(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: entry["value"] for name, entry in content["parameters"].items()}
