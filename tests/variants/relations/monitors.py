"""The monitor's signals match the contract, and each signal can alert."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from variants.relations.relation import Files, parsed, relation, under

# The signals of each monitor file.
SIGNALS = {
    "out_of_box": {"data_drift", "prediction_drift", "data_quality"},
    "advanced": {"data_drift", "prediction_drift", "data_quality", "attribution_drift", "performance"},
    "custom_data": {"data_drift", "data_quality"},
}
# The production_data of a monitor with its own data.
CONTEXTS = {"data_drift": "model_inputs", "data_quality": "model_inputs", "prediction_drift": "model_outputs"}
DAYS = re.compile(r"P\d{1,3}D")
RATES = {"null_value_rate", "data_type_error_rate", "out_of_bounds_rate"}


@relation("endpoints/*/monitor/*.yml", "src/model/contract.yml", "components/*.yml", "infra/project.yml")
def monitors_suit_the_contract(files: Files, names: frozenset[str]) -> list[str]:
    contract, prefix = parsed(files["src/model/contract.yml"]), parsed(files["infra/project.yml"])["signal_prefix"]
    monitors = under(files, "endpoints/")
    components = {content["name"]: content for content in under(files, "components/").values()}
    found = []
    if len(monitors) != 1:
        found.append(f"endpoints/: {len(monitors)} monitors, {', '.join(monitors)}, instead of one")
    for path, content in monitors.items():
        signals = content["create_monitor"]["monitoring_signals"]
        kinds = {_called(signal) for signal in signals.values()}
        if kinds != SIGNALS[PurePosixPath(path).stem]:
            found.append(f"{path}: its signals are {sorted(kinds)}, which does not match {PurePosixPath(path).stem}")
        if content["name"].replace("-", "_") + "_" != prefix:
            found.append(f"{path}: name: it does not start with {prefix} as its signals do")
        task = "regression" if contract["task"] == "regression" else "classification"
        if content["create_monitor"]["monitoring_target"].get("ml_task") != task:
            found.append(f"{path}: ml_task is not the contract's {task}")
        if content["trigger"]["frequency"] != "day" or content["trigger"]["interval"] != 1:
            found.append(f"{path}: trigger: it does not run once a day")
        for name, signal in signals.items():
            if PurePosixPath(path).stem == "custom_data" and "production_data" not in signal:
                found.append(f"{path}: {name}: production_data is missing")
            if signal.get("production_data", {}).get("data_context") not in (None, CONTEXTS.get(signal["type"])):
                found.append(f"{path}: {name}: its production_data has another type")
            check = _custom(signal, components) if signal["type"] == "custom" else _signal(signal, contract)
            found += [f"{path}: {name}: {what}" for what in check]
            if name != prefix + _called(signal):
                found.append(f"{path}: {name}: its name does not match its type {signal['type']}")
            if signal.get("alert_enabled") is not True:
                found.append(f"{path}: {name}: it raises no alert")
    return found


def _called(signal: dict[str, Any]) -> str:
    """Return the end of a signal's name: its type, or what the project's component measures."""
    return (
        str(signal.get("component_id", signal["type"]))
        .removeprefix("azureml:model_")
        .removeprefix("azureml:")
        .split(":")[0]
    )


def _signal(signal: dict[str, Any], contract: dict[str, Any]) -> Iterator[str]:
    """Return the errors of one of Azure's own signals."""
    reference = signal.get("reference_data", {})
    if reference.get("input_data", {}).keys() != {"type", "path"} or reference.get("data_context") != "training":
        yield "its reference_data are not the training data with type and path"
    if reference.get("data_column_names") != {"target_column": contract["target"]["column"]}:
        yield "its target_column is not the contract's"
    if signal["type"] in ("data_drift", "data_quality"):
        if signal.get("features") not in (
            "all_features",
            contract["numerical"] + contract["categorical"],
        ):
            yield "its features are not the contract's"
        columns = {kind: contract[kind] for kind in ("numerical", "categorical")}
    else:
        number = contract["task"] == "regression"
        columns = {"numerical": number, "categorical": not number}
    thresholds = signal.get("metric_thresholds", {})
    if thresholds.keys() != {kind for kind, present in columns.items() if present}:
        yield f"its thresholds are for {sorted(thresholds)}, its columns are not"
    for kind, metrics in thresholds.items():
        if any(not 0 <= threshold <= 1 for threshold in metrics.values()):
            yield f"its {kind} thresholds are not between 0 and 1"
        if metrics.keys() != RATES if signal["type"] == "data_quality" else len(metrics) != 1:
            yield f"its {kind} metrics are {sorted(metrics)}"
    if "production_data" in signal:
        yield from _production(signal["production_data"], days=("P1D",))


def _production(given: dict[str, Any], days: tuple[str, ...]) -> Iterator[str]:
    if given["input_data"].keys() != {"type", "path"} or "data_context" not in given:
        yield "its data have no type, path or data_context"
    window = given.get("data_window", {})
    if window.get("lookback_window_size") not in days or not DAYS.fullmatch(str(window.get("lookback_window_offset"))):
        yield f"its window is {window}"
    # Azure's own preprocessor reads collected rows; it alone reads append blobs.
    is_collected = re.search(r"-model_(in|out)puts:1$", given["input_data"]["path"])
    if bool(is_collected) == ("pre_processing_component" in given):
        yield "pre_processing_component is missing, or preprocesses collected rows"


def _custom(signal: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    """Return the errors of a signal that a component of the project computes."""
    inputs = components[signal["component_id"].split(":")[1]]["inputs"]
    metrics = {entry["metric_name"] for entry in signal["metric_thresholds"] if "threshold" in entry}
    wanted = signal.get("input_data", {}).keys() | {f"{metric}_threshold" for metric in metrics}
    if wanted != inputs.keys():
        yield f"its component takes {sorted(inputs)}, it gives {sorted(wanted)}"
    for name, given in signal.get("input_data", {}).items():
        if given.get("input_data", {}).keys() != {"type", "path"} or "data_context" not in given:
            yield f"{name} has no type, path or data_context"
    for name, given in signal["input_data"].items():
        if name.startswith("production"):
            yield from _production(given, days=("P7D",))


RELATIONS = (monitors_suit_the_contract,)
