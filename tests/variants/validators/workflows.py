"""GitHub's files: published schemas, security, shell scripts, and this repository's own rules."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from ruamel.yaml import YAML, YAMLError

from variants.validators.workflow_rules import broken_rules, whole_values

# GitHub runs a step's script with `bash -e`.
SHELLCHECK = ["--shell=bash", "--format=json", "-"]


def is_workflow(project: Path, paths: list[str]) -> list[str]:
    """The file matches the schema that SchemaStore publishes."""
    return _by_schema("vendor.github-workflows", project, paths)


def is_dependabot(project: Path, paths: list[str]) -> list[str]:
    """The file matches the schema that SchemaStore publishes."""
    return _by_schema("vendor.dependabot", project, paths)


def _by_schema(schema: str, project: Path, paths: list[str]) -> list[str]:
    return [
        f"{path}: {error.json_path}: {error.message[:300]}"
        for path in paths
        for error in _validator(schema).iter_errors(_load(project / path))
    ]


@cache
def _validator(schema: str) -> Draft7Validator:
    return Draft7Validator(get_builtin_schema(schema))


def _load(path: Path) -> Any:
    """Parse as YAML 1.2, which does not read the key `on` as a boolean; return an empty mapping if that fails."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
    except YAMLError:
        return {}


def is_secure(project: Path, paths: list[str]) -> list[str]:
    """Zizmor finds nothing, in its strictest mode."""

    def run(*files: str) -> subprocess.CompletedProcess[str]:
        command = [_tool("zizmor"), "--pedantic", "--offline", "--quiet", "--no-progress", *files]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)

    if run(*paths).returncode == 0:
        return []
    done = {path: run(path) for path in paths}
    return [f"{path}: {(one.stdout + one.stderr).strip()}" for path, one in done.items() if one.returncode]


def runs_shell(project: Path, paths: list[str]) -> list[str]:
    """Shellcheck finds nothing in the scripts of the steps."""
    return [
        f"{path}: {comment}"
        for path in paths
        for job in _load(project / path).get("jobs", {}).values()
        for step in job.get("steps", [])
        if "run" in step
        for comment in _shellcheck(step["run"])
    ]


@cache
def _shellcheck(script: str) -> list[str]:
    done = subprocess.run(
        [_tool("shellcheck"), *SHELLCHECK], input=script, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return [f"line {found['line']} of a script: {found['message']}" for found in json.loads(done.stdout)]


def keeps_house_rules(project: Path, paths: list[str]) -> list[str]:
    """Jobs name their permissions and have a time limit, scripts contain no answer or event, and actions are pinned."""
    return [
        f"{path}: {what}"
        for path in paths
        for rules in (broken_rules, whole_values)
        for what in rules(_load(project / path))
    ]


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)
