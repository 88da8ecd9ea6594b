"""Converts a monitor from its REST form to the form of its YAML, from which signals are computed."""

import re
from typing import Any

Signal = dict[str, Any]


def signals(action: dict[str, Any]) -> dict[str, Signal]:
    """Return the signals of a schedule's action by name."""
    given = action["monitorDefinition"].get("signals") or {}
    return {name: _signal(signal) for name, signal in given.items()}


def snake(name: str) -> str:
    """Return a name of the REST API, such as `twoSampleKolmogorovSmirnovTest`, as the YAML spells it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _signal(given: dict[str, Any]) -> Signal:
    kind = snake(given["signalType"])
    signal: Signal = {"type": kind, "alert_enabled": str(given.get("mode", "Disabled")).lower() == "enabled"}
    if given.get("referenceData"):
        signal["reference_data"] = _data(given["referenceData"])
    if given.get("productionData"):
        data = given["productionData"]
        signal["production_data"] = [_data(one) for one in data] if isinstance(data, list) else _data(data)
    if kind == "custom":
        signal["component_id"] = given["componentId"]
        signal["input_data"] = {port: _data(data) for port, data in (given.get("inputAssets") or {}).items()}
        signal["metric_thresholds"] = [
            {"metric_name": one["metric"], "threshold": one["threshold"]["value"]} for one in given["metricThresholds"]
        ]
        return signal
    if kind == "feature_attribution_drift":
        threshold = given["metricThreshold"]
        signal["metric_thresholds"] = {snake(threshold["metric"]): threshold["threshold"]["value"]}
        return signal
    thresholds: dict[str, dict[str, float]] = {}
    for one in given.get("metricThresholds") or []:
        if one.get("threshold"):
            group = thresholds.setdefault(snake(one["dataType"]), {})
            group[snake(one["metric"])] = one["threshold"]["value"]
    signal["metric_thresholds"] = thresholds
    signal["features"] = _features(given.get("features") or {})
    signal["feature_type_override"] = {
        name: snake(kind) for name, kind in (given.get("featureDataTypeOverride") or {}).items()
    }
    return signal


def _features(given: dict[str, Any]) -> Any:
    return given.get("features") or "all_features"


def _data(given: dict[str, Any]) -> dict[str, Any]:
    data = {
        "input_data": {"path": given["uri"], "type": given["jobInputType"]},
        "data_context": given.get("dataContext"),
        "data_column_names": given.get("columns") or {},
        "window": (given.get("windowSize"), given.get("windowOffset")),
    }
    if given.get("preprocessingComponentId"):
        data["pre_processing_component"] = given["preprocessingComponentId"]
    return data
