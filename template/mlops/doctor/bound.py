"""Reads the monitor's schedule, and what it is bound to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.monitoring.schedule import monitor_name
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# The id of an asset or the short form of its name.
VERSION = re.compile(
    r"(?:azureml:)?(?:.*/(?:data|components)/)?(?P<name>[^/:]+)(?::|/versions/)(?P<version>[^/:]+)", re.DOTALL
)
DEPLOYMENT = re.compile(r".*/onlineEndpoints/(?P<endpoint>[^/]+)/deployments/(?P<name>[^/]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Asset:
    """A version of a data asset or a component."""

    name: str
    version: str

    def __str__(self) -> str:
        """Return name and version as YAML writes them."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Reading:
    """A data asset that a signal reads, and its role."""

    signal: str
    role: str
    asset: Asset


def bound_monitor(client: "MLClient") -> Any:
    """Return the monitor's schedule, None if there is none yet."""
    try:
        return client.schedules.get(monitor_name())
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def signals_of(schedule: Any) -> dict[str, Any]:
    """Return the signals of a schedule by name."""
    return dict(schedule.create_monitor.monitoring_signals or {})


def components_of(schedule: Any) -> dict[Asset, list[str]]:
    """Return the components of a schedule, each with the signals that name it."""
    found: dict[Asset, list[str]] = {}
    for name, signal in signals_of(schedule).items():
        references = [getattr(signal, "component_id", None)]
        references += [getattr(data, "pre_processing_component", None) for data in _inputs(signal)]
        for reference in filter(None, references):
            asset = asset_of(str(reference))
            if asset and name not in found.setdefault(asset, []):
                found[asset].append(name)
    return found


def readings_of(schedule: Any) -> Iterator[Reading]:
    """Yield the MLTable assets that signals compare production rows with: references and labels."""
    for name, signal in signals_of(schedule).items():
        for data in _inputs(signal):
            path, kind = getattr(data.input_data, "path", None), getattr(data.input_data, "type", None)
            asset = asset_of(str(path)) if str(kind) == "mltable" else None
            if asset:
                yield Reading(name, str(getattr(data, "data_context", None) or ""), asset)


def deployment_of(schedule: Any) -> tuple[str, str] | None:
    """Return endpoint and deployment that a schedule watches, None if it watches folders."""
    target = getattr(schedule.create_monitor, "monitoring_target", None)
    named = str(getattr(target, "endpoint_deployment_id", None) or "")
    found = DEPLOYMENT.fullmatch(named)
    if found:
        return found["endpoint"], found["name"]
    endpoint, _, deployment = named.removeprefix("azureml:").partition(":")
    return (endpoint, deployment) if deployment else None


def asset_of(reference: str) -> Asset | None:
    """Return the asset of an id or of `azureml:NAME:VERSION`, None if it is an address."""
    found = None if "://" in reference else VERSION.fullmatch(reference)
    return Asset(found["name"], found["version"]) if found else None


def _inputs(signal: Any) -> list[Any]:
    """Return every input of a signal that names data."""
    production = getattr(signal, "production_data", None)
    listed = production if isinstance(production, list) else [production]
    ports = getattr(signal, "input_data", None) or {}
    return [data for data in [*listed, getattr(signal, "reference_data", None), *ports.values()] if data is not None]
