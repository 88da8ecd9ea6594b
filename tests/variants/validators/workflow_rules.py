"""This repository's rules for workflows: permissions, start and end, and the source of each value."""

import re
from collections.abc import Iterator
from typing import Any

LONGEST_JOB = 360
RUNNER = "ubuntu-24.04"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TEXT = re.compile(r"'[^']*'")
NAME = re.compile(r"(?<![\w.-])([A-Za-z_][\w-]*)((?:\.[\w-]+)*)(\s*\()?")
FUNCTIONS = {"toJSON", "toJson", "always"}
GITHUB = {"event", "ref", "repository", "token"}
# Variables of the shell script itself, and variables that GitHub sets in every step.
GIVEN = re.compile(r"GITHUB_[A-Z_]+|[a-z_]+|\d")
SHELL_VARIABLE = re.compile(r"\$\{?(\w+)")
# Variables that a program reads from its environment in addition to those in its command.
READ_BY = {
    "mlops triage retrain": {"EVENT_TYPE", "EVENT_PAYLOAD"},
    "mlops triage deploy": {"EVENT_TYPE", "EVENT_PAYLOAD", "MODEL_VERSION"},
    "mlops poll": {"GITHUB_TOKEN"},
    "mlops provision": {"GITHUB_PRINCIPAL_ID"},
    "gh issue": {"GH_TOKEN", "GH_REPO"},
}
# Actions that need a permission.
PERMISSIONS = {"actions/checkout@": ("contents", "read"), "gh issue create": ("issues", "write")}
PERMISSIONS["mlops poll"] = ("contents", "write")
WORKSPACE = {"AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"}
SIGN_IN = ({"client-id", "tenant-id", "subscription-id"}, {"creds"})
OF_AN_INPUT = {"description", "type", "required", "default", "options"}
# Minute, hour, day of the month, month, weekday.
NUMBERS = (range(60), range(24), range(1, 32), range(1, 13), range(7))


def broken_rules(workflow: dict[str, Any]) -> Iterator[str]:
    """Return the rules that a workflow breaks; `workflow` is parsed as YAML 1.2."""
    if workflow.get("permissions") != {}:
        yield "the workflow's own permissions are not empty"
    if not isinstance(workflow.get("concurrency", {}).get("cancel-in-progress"), bool):
        yield "cancel-in-progress is missing"
    for entry in (workflow.get("on") or {}).get("schedule") or []:
        if not _is_cron(entry["cron"]):
            yield f"{entry['cron']!r} is not a cron expression"
    for name, keys in (((workflow.get("on") or {}).get("workflow_dispatch") or {}).get("inputs") or {}).items():
        # GitHub's schema accepts any key, but GitHub only these.
        yield from (f"input {name} must not have {key}" for key in sorted(keys.keys() - OF_AN_INPUT))
        yield from (f"input {name} has no {key}" for key in ("description", "type") if key not in keys)
    for text in _expressions(workflow):
        yield from (f"${{{{{text}}}}}: {what}" for what in _unknown_names(text, workflow))
    for name, job in workflow.get("jobs", {}).items():
        yield from (f"job {name} {what}" for what in _of_job(job, workflow))


def _of_job(job: dict[str, Any], workflow: dict[str, Any]) -> Iterator[str]:
    steps, environment, permissions = job.get("steps", []), job.get("env", {}), job.get("permissions")
    if job.get("runs-on") != RUNNER:
        yield f"does not run on {RUNNER}"
    if not 0 < job.get("timeout-minutes", LONGEST_JOB) < LONGEST_JOB:
        yield "has no valid timeout-minutes"
    needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
    yield from (f"needs {other}, which does not exist" for other in needed if other not in workflow["jobs"])
    read = {text.split(".")[1] for text in re.findall(r"\bneeds\.[\w-]+", str(job))}
    yield from (f"reads {other} and does not need it" for other in sorted(read - set(needed)))
    if permissions is None:
        yield "has no permissions"
    signs_in = any(step.get("uses", "").startswith("azure/login@") for step in steps)
    if signs_in != (environment.get("MLOPS_TARGET") == "azure"):
        yield "signs in without MLOPS_TARGET: azure, or the reverse"
    if signs_in and not environment.keys() >= WORKSPACE:
        yield f"does not set the workspace: {', '.join(sorted(WORKSPACE - environment.keys()))}"
    if signs_in and workflow.get("concurrency", {}).get("cancel-in-progress") is not False:
        yield "could be cancelled while it changes Azure"
    if any("client-id" in step.get("with", {}) for step in steps) != ("id-token" in (permissions or {})):
        yield "has id-token: write without using it, or the reverse"
    for at, step in enumerate(steps):
        yield from _of_step(step, steps[:at], permissions or {}, workflow.get("env", {}) | environment)


def _of_step(
    step: dict[str, Any], before: list[dict[str, Any]], permissions: dict[str, str], environment: dict[str, str]
) -> Iterator[str]:
    script, action, given = step.get("run", ""), step.get("uses", ""), step.get("with", {})
    if "${{" in script:
        yield "has an expression in a shell script"
    if action and len(action.partition("@")[2]) != len("0" * 40):
        yield f"uses {action}, which is not pinned to a commit"
    if action.startswith("actions/checkout@") and given.get("persist-credentials") is not False:
        yield "checks out without persist-credentials: false"
    if action.startswith("azure/login@") and given.keys() not in SIGN_IN:
        yield f"signs in with {', '.join(given)}"
    if re.search(r"\buvx?\b", script) and not any("astral-sh/setup-uv@" in one.get("uses", "") for one in before):
        yield "uses uv before it is installed"
    for what, (scope, least) in PERMISSIONS.items():
        if (action.startswith(what) or what in script) and permissions.get(scope) not in (least, "write"):
            yield f"needs the permission {scope}: {least}"
    own = step.get("env", {})
    used = {name for name in SHELL_VARIABLE.findall(script) if not GIVEN.fullmatch(name)}
    read = set().union(*(names for call, names in READ_BY.items() if call in script))
    for name in sorted((used | read) - own.keys() - environment.keys()):
        yield f"runs a program that reads {name}, which is not set"
    for name in sorted(own.keys() - used - read - {"MLOPS_TARGET"}):
        yield f"sets {name}, which nothing reads"


def _expressions(value: Any, key: str = "") -> Iterator[str]:
    """Return the text between `${{` and `}}`, and every condition."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _expressions(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner, key)
    elif isinstance(value, str) and key != "run":
        yield from [value] if key == "if" else EXPRESSION.findall(value)


def _unknown_names(expression: str, workflow: dict[str, Any]) -> Iterator[str]:
    started = workflow.get("on") or {}
    inputs = (started.get("workflow_dispatch") or {}).get("inputs") or {}
    jobs = workflow.get("jobs", {}).values()
    steps = {step.get("id") for job in jobs for step in job.get("steps", [])}
    matrix = {
        key for job in jobs for row in job.get("strategy", {}).get("matrix", {}).get("include", []) for key in row
    }
    known = {"github": GITHUB, "inputs": inputs.keys(), "steps": steps, "matrix": matrix, "needs": workflow["jobs"]}
    for name, path, called in NAME.findall(TEXT.sub("", expression)):
        second = path.split(".")[1] if path else ""
        if called:
            if name not in FUNCTIONS:
                yield f"there is no function {name}"
        elif name not in known.keys() | {"vars", "secrets"}:
            yield f"{name} does not exist"
        elif second and name in known and second not in known[name]:
            yield f"{name} has no {second}"


def whole_values(workflow: dict[str, Any]) -> Iterator[str]:
    """Values that are passed on must be a single expression."""
    for name, job in workflow.get("jobs", {}).items():
        for part in [job, *job.get("steps", [])]:
            for key in ("env", "with", "outputs"):
                for setting, value in part.get(key, {}).items():
                    if "${{" in str(value) and not re.fullmatch(r"\$\{\{ [^{}]+ \}\}", str(value)):
                        yield f"job {name}: {key}.{setting} has text around its expression"


def _is_cron(line: Any) -> bool:
    fields = str(line).split(" ")
    return len(fields) == len(NUMBERS) and all(map(_is_field, fields, NUMBERS))


def _is_field(field: str, numbers: range) -> bool:
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
        if not match or any(int(number) not in numbers for number in match.groups()[:2] if number):
            return False
    return True
