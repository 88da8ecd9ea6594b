"""Pipeline, components and their Python modules agree on inputs, outputs and options."""

import ast
import re
from functools import cache
from typing import Any

from variants.relations.relation import Files, beside, parsed, relation, under
from variants.validators.required_keys import SIZE, SPARK_SIZE

BINDING = re.compile(r"\$\{\{(?P<path>[\w.]+)\}\}")
USED = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
# The keys of a pipeline step.
STEP = {"type", "component", "inputs", "outputs", "compute", "resources", "identity", "display_name"}
OPTION = re.compile(r"(?<!\S)(--[\w-]+)")


@relation("pipelines/*.yml", "components/*.yml")
def steps_bind_what_their_components_declare(files: Files, names: frozenset[str]) -> list[str]:
    found = []
    for path, pipeline in under(files, "pipelines/").items():
        components = {
            step: parsed(files.get(beside(path, job["component"]), b"{}")) for step, job in pipeline["jobs"].items()
        }
        for step, job in pipeline["jobs"].items():
            found += [f"{path}: step {step} {what}" for what in _step(job, components[step], pipeline, components)]
        used = {
            text.split(".")[2] for text in BINDING.findall(files[path].decode()) if text.startswith("parent.inputs.")
        }
        found += [f"{path}: no step uses the input {name}" for name in pipeline["inputs"].keys() - used]
        bound = {
            value[len("${{parent.outputs.") : -2]
            for job in pipeline["jobs"].values()
            for value in job.get("outputs", {}).values()
        }
        found += [f"{path}: no step writes the output {name}" for name in pipeline["outputs"].keys() - bound]
    return found


def _step(
    job: dict[str, Any], component: dict[str, Any], pipeline: dict[str, Any], components: dict[str, Any]
) -> list[str]:
    if not component:
        return [f"runs {job['component']}, which is not a component of this project"]
    # The SDK silently keeps other keys, and Azure ignores them.
    found = [f"has the key {key}, which no step has" for key in job.keys() - STEP]
    if job.get("type") != component["type"]:
        found.append(f"is not of type {component['type']} as its component")
    size = job.get("resources", {}).get("instance_type", "")
    allowed = SPARK_SIZE if component["type"] == "spark" else SIZE
    if size and not re.fullmatch(allowed, size):
        found.append(f"runs on {size}, which is not {allowed}")
    declared = component.get("inputs", {})
    given = job.get("inputs", {})
    found += [f"gives no {name}" for name, of in declared.items() if name not in given and not of.get("optional")]
    found += [f"gives {name}, which its component does not take" for name in given.keys() - declared.keys()]
    for name in given.keys() & declared.keys():
        source = _source(given[name], pipeline, components)
        if source is None:
            found.append(f"binds {name} to {given[name]}, which does not exist")
        elif _is_crossed(given[name], name, components):
            found.append(f"binds {name} to {given[name]}, although an output {name} exists")
        elif not _fits(source, declared[name]["type"]):
            found.append(f"binds {name}, a {declared[name]['type']}, to {given[name]}, a {source}")
    for name, value in job.get("outputs", {}).items():
        target = value[len("${{parent.outputs.") : -2]
        if name not in component.get("outputs", {}):
            found.append(f"binds {name}, which its component does not write")
        elif pipeline["outputs"].get(target, {}).get("type") != component["outputs"][name]["type"]:
            found.append(f"writes {name} to {value}, which is not an output of that type")
    return found


def _source(value: Any, pipeline: dict[str, Any], components: dict[str, Any]) -> str | None:
    """Return the type of a bound value, or None if the value does not exist."""
    match = BINDING.fullmatch(str(value))
    if match is None and "${{" in str(value):
        return None
    if match is None:
        return {str: "string", float: "number", int: "integer", bool: "boolean"}.get(type(value))
    parts = match["path"].split(".")
    if parts[:2] == ["parent", "inputs"] and parts[2] in pipeline["inputs"]:
        given = pipeline["inputs"][parts[2]]
        return given["type"] if isinstance(given, dict) else _source(given, pipeline, components)
    if parts[:2] == ["parent", "jobs"] and parts[3] == "outputs":
        return components.get(parts[2], {}).get("outputs", {}).get(parts[4], {}).get("type")
    return None


def _is_crossed(value: Any, name: str, components: dict[str, Any]) -> bool:
    """Return whether a step uses another output although one has the input's name, such as holdout for training."""
    match = BINDING.fullmatch(str(value))
    parts = match["path"].split(".") if match else []
    return parts[:2] == ["parent", "jobs"] and parts[4] != name and name in components[parts[2]].get("outputs", {})


def _fits(source: str, declared: str) -> bool:
    return source == declared or (source, declared) == ("integer", "number")


@relation("components/*.yml", "src/*.py")
def components_call_python_with_its_options(files: Files, names: frozenset[str]) -> list[str]:
    return [
        f"{path}: {what}" for path, content in under(files, "components/").items() for what in _call(content, files)
    ]


def _call(component: dict[str, Any], files: Files) -> list[str]:
    command = component.get("command") or component["args"]
    used = {(kind, name) for kind, name in USED.findall(command)}
    declared = {(kind, name) for kind in ("inputs", "outputs") for name in component.get(kind, {})}
    found = [f"{kind}.{name} is used and not declared" for kind, name in sorted(used - declared)]
    found += [f"{kind}.{name} is declared and not used" for kind, name in sorted(declared - used)]
    found += [f"{kind}.{name} is copied, but Spark reads it directly" for kind, name in _copied(component)]
    # The registry can change while all inputs stay the same.
    if "model_name" in component.get("inputs", {}) and component.get("is_deterministic") is not False:
        found.append("it reads the registry: without is_deterministic: false an old result would be reused")
    module = re.search(r"python -m ([\w.]+)", command)
    file = "src/" + (module[1].replace(".", "/") + ".py" if module else component["entry"]["file"])
    if file not in files:
        return [*found, f"it runs {file}, which does not exist"]
    options, given = _options(files[file]), set(OPTION.findall(command))
    found += [f"{file} takes no {option}" for option in sorted(given - options.keys())]
    return found + [
        f"{file} needs {option}" for option, required in options.items() if required and option not in given
    ]


def _copied(component: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the folders that a Spark component copies instead of reading them directly."""
    return [
        (kind, name)
        for kind in ("inputs", "outputs")
        for name, port in component.get(kind, {}).items()
        if component["type"] == "spark" and port["type"] in ("uri_folder", "mltable") and port.get("mode") != "direct"
    ]


@relation("endpoints/*/monitor/*.yml", "components/*.yml")
def custom_signals_give_what_their_components_declare(files: Files, names: frozenset[str]) -> list[str]:
    components = {content["name"]: content for content in under(files, "components/").values()}
    return [
        f"{path}: {name} {what}"
        for path, content in under(files, "endpoints/").items()
        for name, signal in content["create_monitor"]["monitoring_signals"].items()
        if signal["type"] == "custom"
        for what in _custom(signal, components.get(signal["component_id"].split(":")[1], {}))
    ]


def _custom(signal: dict[str, Any], component: dict[str, Any]) -> list[str]:
    metrics = [threshold["metric_name"] for threshold in signal["metric_thresholds"]]
    # Azure passes each threshold to the component as an input with this name.
    given = {*signal["input_data"], *signal.get("inputs", {}), *(f"{metric}_threshold" for metric in metrics)}
    declared = component.get("inputs", {}).keys()
    found = [f"gives {name}, which its component does not take" for name in sorted(given - declared)]
    found += [f"does not give {name}" for name in sorted(declared - given)]
    # A component measures the metric that it is told, or the one of its own name.
    measured = re.findall(r"--metric (\S+)", component.get("args", "")) or [component.get("name")]
    return found + [
        f"has a threshold for {metric}, which is not measured" for metric in metrics if metric not in measured
    ]


@cache
def _options(source: bytes) -> dict[str, bool]:
    """Return the options that a module adds to its parser, and whether each is required."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[0]): any(
            word.arg == "required" and ast.literal_eval(word.value) for word in call.keywords
        )
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
    }


RELATIONS = (
    steps_bind_what_their_components_declare,
    components_call_python_with_its_options,
    custom_signals_give_what_their_components_declare,
)
