"""Checks Bicep files against the published schemas of the resource types they use (tests/reference/bicep).

A file is checked with its actual parameters: a main file with the parameter file, a module with its caller's values.
"""

import json
from pathlib import Path
from typing import Any

from bicep_values import ANY, Known, Scope, Typed, parse, resolve, settle, walk

SCHEMAS = Path(__file__).parent / "reference" / "bicep"
# Properties that Bicep allows in any resource, in addition to those of the resource type.
BICEP_PROPERTIES = {"dependsOn", "parent", "scope"}
PYTHON_TYPES = {str: "string", bool: "bool", int: "int", list: "array", dict: "object", type(None): "null"}


def check(path: Path, arguments: dict[str, Any]) -> list[str]:
    """Return the errors of a Bicep file and its modules when deployed with these arguments."""
    errors: list[str] = []
    empty = Scope(path, {}, errors)
    check_file(path, {name: Known(value, empty) for name, value in arguments.items()}, empty)
    return sorted(set(errors))


def check_file(path: Path, arguments: dict[str, Known | Typed], caller: Scope) -> dict[str, str]:
    """Check a file and return the types of its outputs."""
    content: Any = parse(path.read_text(encoding="utf-8"))
    scope = Scope(path, {}, caller.errors)
    for name in arguments.keys() - content.get("parameters", {}).keys():
        caller.report(path.name, f"there is no parameter {name}")
    for name, parameter in content.get("parameters", {}).items():
        scope.names[name] = bind(name, parameter, arguments, caller, scope)
    for name, variable in content.get("variables", {}).items():
        scope.names[name] = Known(variable["value"], scope)
    for name, resource in content.get("resources", {}).items():
        scope.names[name] = declare(name, resource, scope)
    modules = content.get("modules", {})
    scope.names |= {name: Typed("module") for name in modules}
    for name, module in modules.items():
        outputs = check_module(name, module, scope)
        entries = {"properties": {key: [kind, ""] for key, kind in outputs.items()}}
        scope.names[name] = Typed(
            "module", {"body": {"properties": {"outputs": ["outputs", ""]}}, "objects": {"outputs": entries}}
        )
    for name, variable in content.get("variables", {}).items():
        walk(variable["value"], scope, f"var {name}")
    for name, resource in content.get("resources", {}).items():
        check_resource(name, resource, scope)
    for name, output in content.get("outputs", {}).items():
        fits(resolve(output["value"], scope, f"output {name}"), output["type"], {}, scope, f"output {name}")
    return {name: output["type"] for name, output in content.get("outputs", {}).items()}


def bind(name: str, parameter: Any, arguments: dict[str, Any], caller: Scope, scope: Scope) -> Known | Typed:
    given = arguments.get(name)
    if given is None:
        if parameter["default"] is None:
            caller.report(scope.path.name, f"the parameter {name} has no value")
            return ANY
        given = Known(parameter["default"], scope)
    value = settle(given, caller, name)
    fits(value, parameter["type"], {}, caller, f"{scope.path.name} parameter {name}")
    for decorator in parameter["decorators"]:
        if decorator["type"] == "allowed" and isinstance(value, Known) and value.value not in decorator["argument"]:
            caller.report(scope.path.name, f"the parameter {name} cannot be {value.value!r}")
    return value


def declare(name: str, resource: Any, scope: Scope) -> Typed:
    file = SCHEMAS / f"{resource['type'].replace('/', '_')}.json"
    if not file.exists():
        return scope.report(name, f"there is no schema of {resource['type']} in {SCHEMAS.name}: run refresh.py")
    schema = json.loads(file.read_text(encoding="utf-8"))
    if resource["api_version"] != schema["version"]:
        scope.report(name, f"{resource['type']} has the API version {schema['version']}, not {resource['api_version']}")
    return Typed("resource", schema)


def unwrap(config: Any, scope: Scope, where: str) -> tuple[dict[str, Any], Scope]:
    """Return a declaration's body without the `if` or `for` around it."""
    if "loop_type" in config:
        detail = config["loop_type"]["detail"]
        items = resolve(detail["array_name"], scope, where)
        first = items.value[0] if isinstance(items, Known) and isinstance(items.value, list) else None
        item = settle(Known(first, items.scope), scope, where) if isinstance(items, Known) and first else ANY
        scope = Scope(scope.path, scope.names | {detail["item_name"]: item}, scope.errors)
    if "condition" in config and config["condition"] is not None:
        fits(resolve(config["condition"], scope, f"{where} if"), "bool", {}, scope, f"{where} if")
    return (config["config"], scope) if "condition" in config or "loop_type" in config else (config, scope)


def check_module(name: str, module: Any, scope: Scope) -> dict[str, str]:
    body, inner = unwrap(module["config"], scope, name)
    for key in body.keys() - {"name", "params", "scope", "dependsOn"}:
        scope.report(name, f"a module has no {key}")
    walk(body, inner, name)
    path = scope.path.parent / module["detail"]["path"]
    if not path.exists():
        scope.report(name, f"there is no file {module['detail']['path']}")
        return {}
    return check_file(
        path, {key: settle(Known(value, inner), inner, name) for key, value in body.get("params", {}).items()}, inner
    )


def check_resource(name: str, resource: Any, scope: Scope) -> None:
    body, scope = unwrap(resource["config"], scope, name)
    walk(body, scope, name)
    schema = scope.names[name].schema if isinstance(scope.names[name], Typed) else {}
    if not schema:
        return
    if resource["existing"]:
        for key in body.keys() - {"name", "parent", "scope"}:
            scope.report(name, f"an existing resource has no {key}")
        return
    plain = {key: value for key, value in body.items() if key not in BICEP_PROPERTIES}
    check_object(Known(plain, scope), schema["body"], schema, scope, name)


def check_object(given: Known, kind: dict[str, Any], schema: dict[str, Any], scope: Scope, where: str) -> None:
    """Check an object's properties against their type."""
    properties = dict(kind.get("properties", {}))
    if "discriminator" in kind:
        chosen = settle(Known(given.value.get(kind["discriminator"]), given.scope), scope, where)
        element = kind["elements"].get(chosen.value if isinstance(chosen, Known) else None)
        if element is None:
            scope.report(where, f"{kind['discriminator']} is not one of {', '.join(kind['elements'])}")
            return
        properties |= element.get("properties", {})
    for key, value in given.value.items():
        if key not in properties and "additional" not in kind:
            scope.report(where, f"there is no property {key}; there are {', '.join(sorted(properties))}")
            continue
        type_name, flags = properties.get(key, [kind.get("additional"), ""])
        if "ReadOnly" in flags:
            scope.report(where, f"{key} is read-only")
        fits(settle(Known(value, given.scope), scope, where), type_name, schema, scope, f"{where}.{key}")
    for key, (_, flags) in properties.items():
        if "Required" in flags and key not in given.value:
            scope.report(where, f"{key} is missing")


def fits(value: Known | Typed, kind: str, schema: dict[str, Any], scope: Scope, where: str) -> None:
    """Check a value against a type in the schema's notation: `string`, `A | B | string`, `Name`, `Name[]`."""
    objects = schema.get("objects", {})
    if kind in objects and isinstance(value, Known) and isinstance(value.value, dict):
        check_object(value, objects[kind], schema, scope, where)
    elif kind.endswith("[]") and isinstance(value, Known) and isinstance(value.value, list):
        for index, item in enumerate(value.value):
            fits(settle(Known(item, value.scope), scope, where), kind[:-2], schema, scope, f"{where}[{index}]")
    elif kind != "any" and not (isinstance(value, Typed) and value.kind in ("any", kind)):
        check_plain(value, kind, objects, scope, where)


def check_plain(value: Known | Typed, kind: str, objects: dict[str, Any], scope: Scope, where: str) -> None:
    alternatives = kind.split(" | ")
    literals = [item for item in alternatives if item not in PYTHON_TYPES.values() and item not in objects]
    found = PYTHON_TYPES.get(type(value.value), "object") if isinstance(value, Known) else value.kind
    # If a type ends in `| string`, Azure accepts other values, but this project needs none of them.
    text = value.value if isinstance(value, Known) and isinstance(value.value, str) else None
    if kind.endswith("[]"):
        good = found == "array"
    elif literals and text is not None:
        good = text in literals
    else:
        good = found in alternatives or bool(literals and found == "string")
    if not good:
        scope.report(where, f"{text if text is not None else found!r} is not of type {kind}")
