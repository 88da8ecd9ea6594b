"""Evaluates expressions in Bicep files to a known value, or to a type if Azure decides the value at deployment."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser
from pycep.models import BicepElement

FUNCTIONS = {
    "empty": "bool",
    "guid": "string",
    "listCallbackUrl": "any",
    "resource_id": "string",
    "subscription": "any",
    "subscription_resource_id": "string",
}


@cache
def parse(text: str) -> Any:
    """The declarations of a Bicep file. Treat it as immutable: it is shared."""
    return BicepParser().parse(text=text)


@dataclass(frozen=True)
class Typed:
    """A value of which only the type is known."""

    kind: str
    schema: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """An unevaluated value, with its file."""

    value: Any
    scope: "Scope"


ANY = Typed("any")


@dataclass
class Scope:
    """The names that a file declares."""

    path: Path
    names: dict[str, Any]
    errors: list[str]

    def report(self, where: str, problem: str) -> Typed:
        self.errors.append(f"{self.path.name}: {where}: {problem}")
        return ANY


def settle(value: Known | Typed, scope: Scope, where: str) -> Known | Typed:
    return resolve(value.value, value.scope, where) if isinstance(value, Known) else value


def resolve(value: Any, scope: Scope, where: str) -> Known | Typed:
    """Resolve names, functions and operators to a value, or to a type if Azure decides the value."""
    if isinstance(value, BicepElement):
        if str(value) not in scope.names:
            return scope.report(where, f"{value} is not defined")
        return settle(scope.names[str(value)], scope, where)
    if isinstance(value, str):
        for inner in re.findall(r"\$\{([^}]+)\}", value):
            resolve(parse(f"var x = {inner}\n")["variables"]["x"]["value"], scope, where)
        return Typed("string") if "${" in value else Known(value, scope)
    if isinstance(value, dict) and set(value) == {"function"}:
        return call(value["function"], scope, where)
    if isinstance(value, dict) and set(value) == {"operator"}:
        return operate(value["operator"], scope, where)
    return Known(value, scope)


def call(function: Any, scope: Scope, where: str) -> Known | Typed:
    for argument in function["parameters"].values():
        walk(argument, scope, where)
    if function["type"] == "load_json_content":
        file = scope.path.parent / function["parameters"]["file_path"]
        if not file.exists():
            return scope.report(where, f"there is no file {file.name}")
        return Known(json.loads(file.read_text(encoding="utf-8")), Scope(file, {}, scope.errors))
    if function["type"] not in FUNCTIONS:
        return scope.report(where, f"there is no function {function['type']}")
    return Typed(FUNCTIONS[function["type"]])


def operate(operator: Any, scope: Scope, where: str) -> Known | Typed:
    operands = operator["operands"]
    if operator["type"] == "conditional":
        walk(operands["condition"], scope, where)
        branches = [resolve(operands[key], scope, where) for key in ("true_value", "false_value")]
        return branches[0]
    if operator["type"] == "property_accessor":
        return access(operands["operand_1"], operands["operand_2"], scope, where)
    for operand in operands.values():
        walk(operand, scope, where)
    return Typed("bool")


def access(start: Any, rest: Any, scope: Scope, where: str) -> Known | Typed:
    """Resolve `resource.properties.x` or `object.x`."""
    value = resolve(start, scope, where)
    for key in path_of(rest):
        if isinstance(value, Known) and isinstance(value.value, dict):
            if key not in value.value:
                return scope.report(where, f"there is no property {key}")
            value = settle(Known(value.value[key], value.scope), scope, where)
        elif isinstance(value, Typed) and value.schema:
            value = step(value, key, scope, where)
        else:
            return ANY
    return value


def step(value: Typed, key: str, scope: Scope, where: str) -> Typed:
    kind = value.schema["objects"].get(value.kind, value.schema["body"])
    if key not in kind["properties"]:
        return scope.report(
            where, f"there is no property {key} to read; there are {', '.join(sorted(kind['properties']))}"
        )
    name = kind["properties"][key][0]
    return Typed(name, value.schema) if name in value.schema["objects"] else Typed("string" if " | " in name else name)


def path_of(rest: Any) -> Iterator[str]:
    if isinstance(rest, dict):
        operands = rest["operator"]["operands"]
        yield from path_of(operands["operand_1"])
        yield from path_of(operands["operand_2"])
    else:
        yield str(rest)


def walk(value: Any, scope: Scope, where: str) -> None:
    """Resolve every part of an expression, so that each undefined name is found."""
    if isinstance(value, dict) and set(value) not in ({"function"}, {"operator"}):
        for key, item in value.items():
            walk(item, scope, f"{where}.{key}")
            if "${" in str(key):
                resolve(str(key), scope, where)
    elif isinstance(value, list):
        for item in value:
            walk(item, scope, where)
    else:
        resolve(value, scope, where)
