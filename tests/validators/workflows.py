"""GitHub's files: their published schemas, their security, the shell they run, and this house's own rules."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from ruamel.yaml import YAML, YAMLError

LONGEST_JOB = 360
# GitHub starts a step's script with `bash -e`.
SHELLCHECK = ["--shell=bash", "--format=json", "-"]


def is_workflow(project: Path, paths: list[str]) -> list[str]:
    """It keeps the schema that SchemaStore publishes."""
    return _by_schema("vendor.github-workflows", project, paths)


def is_dependabot(project: Path, paths: list[str]) -> list[str]:
    """It keeps the schema that SchemaStore publishes."""
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
    """YAML 1.2, in which the key `on` is no boolean; empty if it does not parse, which is said elsewhere."""
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
    """Shellcheck finds nothing in what its steps run."""
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
    """No permission it does not name, no job without an end, no answer or event in a shell line, actions pinned."""
    return [f"{path}: {what}" for path in paths for what in _broken_rules(_load(project / path))]


def _broken_rules(workflow: dict[str, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "the workflow's own permissions are not empty"
    if not isinstance(workflow.get("concurrency", {}).get("cancel-in-progress"), bool):
        yield "it does not say whether a newer run cancels it"
    for name, job in workflow.get("jobs", {}).items():
        if not 0 < job.get("timeout-minutes", LONGEST_JOB) < LONGEST_JOB:
            yield f"job {name} may run on for ever"
        needed = job.get("needs", [])
        for other in [needed] if isinstance(needed, str) else needed:
            if other not in workflow["jobs"]:
                yield f"job {name} needs {other}, which is not there"
        if "permissions" not in job:
            yield f"job {name} does not say what it may do"
        for step in job.get("steps", []):
            if "${{" in step.get("run", ""):
                yield f"job {name} puts an expression into a shell line"
            if "uses" in step and len(step["uses"].partition("@")[2]) != len("0" * 40):
                yield f"job {name} uses {step['uses']}, which is not pinned to a commit"
        signs_in = any(step.get("uses", "").startswith("azure/login@") for step in job.get("steps", []))
        if signs_in != (job.get("env", {}).get("MLOPS_TARGET") == "azure"):
            yield f"job {name} signs in and does not work there, or the other way round"
        with_token = any("client-id" in step.get("with", {}) for step in job.get("steps", []))
        if with_token != ("id-token" in job.get("permissions", {})):
            yield f"job {name} may ask for a token and does not, or the other way round"


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)
