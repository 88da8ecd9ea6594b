"""Checks requests to Azure ML against Azure's published API: addresses, names, verbs, parameters and bodies.

`tests/reference/openapi/` stores the API's documents by version. `unknown.yml` there lists the requests that they do
not describe, each with a reason. An entry that no request needs any more is an error too.
"""

import json
import re
from collections import Counter
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from azureml_emulator.transport import Request
from projects import ROOT

DOCUMENTS = ROOT / "tests" / "reference" / "openapi"
HOST = "management.azure.com"
BELOW = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/(?P<path>workspaces/.+)",
    re.IGNORECASE,
)
OPERATION = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.MachineLearningServices/locations/[^/]+/mfe\w+/[^/]+"
)
METRICS = re.compile(r"(?P<resource>.+)/providers/Microsoft\.Insights/metrics", re.IGNORECASE)


class Checker:
    """Checks requests one by one, and counts the checked requests by operation and API version."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self._used: set[str] = set()

    def problems(self, request: Request) -> list[str]:
        """Return the errors of a request. Requests to services other than Resource Manager are not checked."""
        if request.host != HOST or OPERATION.fullmatch(request.path):
            return []
        operation, found = self._check(request)
        self.checked[operation] += 1
        return [f"{operation}: {problem}" for problem in found if not self._is_known(f"{operation}: {problem}")]

    def unneeded(self) -> list[str]:
        """Return the entries of `unknown.yml` that no request has needed."""
        return [pattern for pattern in known_exceptions() if pattern not in self._used]

    def _is_known(self, problem: str) -> bool:
        matching = {pattern for pattern in known_exceptions() if re.search(pattern, problem)}
        self._used |= matching
        return bool(matching)

    def _check(self, request: Request) -> tuple[str, list[str]]:
        version = request.query.get("api-version", "")
        metrics = METRICS.fullmatch(request.path)
        if metrics:
            return f"{request.method} metrics {version}", _metrics(metrics["resource"], version, request)
        found = BELOW.fullmatch(request.path.rstrip("/"))
        if not found:
            return f"{request.method} {request.path}", ["is not an address of Azure ML"]
        parts = found["path"].split("/")
        kinds, names = parts[::2], parts[1::2]
        operation = f"{request.method} {'/'.join(kinds)} {version}"
        if not (DOCUMENTS / f"{version}.json").exists():
            return operation, ["the API version is not known"]
        document = load(version)
        is_resource = len(kinds) == len(names)
        resource = "/".join(kinds if is_resource or request.method != "POST" else kinds[:-1])
        known = {name.lower(): name for name in document["resources"]}.get(resource.lower())
        if known is None:
            return operation, [f"there is no resource {resource}"]
        problems = _names(document, known.split("/"), names) + _parameters(known, is_resource, request)
        if request.method == "POST":
            problems += self._action(document, version, f"{known}/{kinds[-1]}", request)
        elif not is_resource and request.method != "GET":
            problems.append("a collection supports GET only")
        elif request.method in ("PUT", "PATCH"):
            problems += _body(document, document["resources"][known]["body"], request)
        elif request.method not in ("GET", "DELETE"):
            problems.append("the verb is not supported")
        return operation, problems

    def _action(self, document: dict[str, Any], version: str, action: str, request: Request) -> list[str]:
        more = {name: told["body"] for name, told in by_hand()["actions"].items() if told["since"] <= version}
        bodies = {name.lower(): body for name, body in (document["actions"] | more).items()}
        if action.lower() not in bodies:
            return [f"there is no action {action}"]
        body = bodies[action.lower()]
        if not body:
            return ["the action takes no body"] if request.body else []
        return _body(document, body, request)


def _parameters(resource: str, is_resource: bool, request: Request) -> list[str]:
    listing = request.method == "GET" and not is_resource
    known = {"$skip", *by_hand()["parameters"].get(resource, ())} if listing else set()
    return [f"there is no parameter {name}" for name in request.query if name not in known | {"api-version"}]


def _metrics(resource: str, version: str, request: Request) -> list[str]:
    file = DOCUMENTS / f"metrics-{version}.json"
    if request.method != "GET" or not file.exists() or not BELOW.fullmatch(resource):
        return ["there is no such request"]
    return [f"there is no parameter {name}" for name in request.query if name not in load(file.stem)["query"]]


@cache
def load(version: str) -> dict[str, Any]:
    """Return the stored documents of an API version."""
    content: dict[str, Any] = json.loads((DOCUMENTS / f"{version}.json").read_text(encoding="utf-8"))
    return content


@cache
def by_hand() -> dict[str, Any]:
    """Return definitions that the types lack: parameters of lists, and additional actions."""
    content: dict[str, Any] = yaml.safe_load((DOCUMENTS / "by_hand.yml").read_text(encoding="utf-8"))
    return content


@cache
def known_exceptions() -> dict[str, str]:
    """Return patterns of errors in the documents, each with its reason."""
    content: dict[str, str] = yaml.safe_load((DOCUMENTS / "unknown.yml").read_text(encoding="utf-8")) or {}
    return content


def _names(document: dict[str, Any], kinds: list[str], names: list[str]) -> list[str]:
    problems = []
    for depth, name in enumerate(names, 1):
        resource = document["resources"].get("/".join(kinds[:depth]))
        if resource and not _validator(document, resource["name"]).is_valid(name):
            problems.append(f"the name {name!r} is not {json.dumps(resource['name'])}")
    return problems


def _body(document: dict[str, Any], schema: dict[str, Any], request: Request) -> list[str]:
    try:
        body = json.loads(request.body)
    except ValueError:
        return ["the body is not JSON"]
    problems = []
    for error in _validator(document, schema).iter_errors(body):
        cause = _cause(error)
        problems.append(f"{'.'.join(map(str, cause.absolute_path)) or 'body'}: {cause.message[:300]}")
    return problems


def _cause(error: ValidationError) -> ValidationError:
    """Return the innermost cause of an error, ignoring the alternative that a property is null."""
    while others := [inner for inner in error.context or () if inner.validator_value != "null"]:
        error = max(others, key=lambda inner: len(inner.absolute_path))
    return error


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema | {"$defs": document["$defs"]})
