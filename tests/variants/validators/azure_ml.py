"""Azure ML's YAML, read by Azure's own SDK as before sending."""

import logging
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from azure.ai.ml import (
    load_batch_deployment,
    load_batch_endpoint,
    load_component,
    load_compute,
    load_data,
    load_environment,
    load_job,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml._schema.core.fields import UnionField
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY
from azure.ai.ml.entities import Component, Schedule
from azure.ai.ml.entities._load_functions import load_model_batch_deployment, load_schedule
from marshmallow import Schema, fields

# The loader for each published schema; a deployment with `type: model` has its own loader.
LOADERS: dict[str, Callable[..., Any]] = {
    "amlCompute": load_compute,
    "batchEndpoint": load_batch_endpoint,
    "commandComponent": load_component,
    "data": load_data,
    "environment": load_environment,
    "managedOnlineDeployment": load_online_deployment,
    "managedOnlineEndpoint": load_online_endpoint,
    "modelBatchDeployment": load_model_batch_deployment,
    "monitorSchedule": load_schedule,
    "pipelineJob": load_job,
    "sparkComponent": load_component,
}
SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
# The folders with YAML for Azure ML; conda's file and this project's settings are other YAML.
FOLDERS = ("components/", "endpoints/", "environments/", "pipelines/", "resources/")
OTHERS = ("environments/conda.yml", "environments/conda_batch.yml")
# The SDK accepts any value; the service does not.
MONITOR_INSTANCES = tuple(f"standard_e{cores}s_v3" for cores in (4, 8, 16, 32, 64))
REGION = "westeurope"
# For each class that may be experimental, the SDK inspects the whole call stack, which takes half of its time.
WARNS = "azure.ai.ml._utils._experimental._should_skip_warning"


def is_accepted(project: Path, paths: list[str]) -> list[str]:
    """The SDK loads the file, validates it, converts it for sending, and keeps every key."""
    found = []
    for path in paths:
        if path.startswith(FOLDERS) and path not in OTHERS:
            try:
                found += [f"{path}: {what}" for what in _refusals(project / path)]
            except Exception as error:  # any exception of the SDK counts as a rejection
                cause = error.__context__ if isinstance(error, NotImplementedError) else error
                found.append(f"{path}: {type(cause).__name__}: {' '.join(str(cause).split())[:500]}")
    return found


def _refusals(path: Path) -> Iterator[str]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    load = _by_schema().get(content.get("$schema", ""))
    if load is None:
        yield f"there is no loader for $schema {content.get('$schema')}"
        return
    if load is load_model_batch_deployment and content.get("type") != "model":
        load = load_batch_deployment  # Azure's command line also uses the type
    instance = content.get("create_monitor", {}).get("compute", {}).get("instance_type", MONITOR_INSTANCES[0])
    if instance not in MONITOR_INSTANCES:
        yield f"create_monitor.compute.instance_type: monitors run on {', '.join(MONITOR_INSTANCES)}, not on {instance}"
    with warnings.catch_warnings(), _silence(), patch(WARNS, lambda: True):
        warnings.simplefilter("ignore")
        entity = load(path)
        if isinstance(entity, Component):
            schema = entity._create_schema_for_validation(context={BASE_PATH_CONTEXT_KEY: path.parent})
            yield from (f"{'.'.join(key)}: components have no such key" for key in _unknown(schema, content))
        kept = set(_keys(entity._to_dict()))  # first, because the conversion for sending changes the object
        # For schedules the SDK does this only in the conversion.
        result = entity._validate() if hasattr(entity, "_validate") and not isinstance(entity, Schedule) else None
        if result is not None and not result.passed:
            yield str(result.error_messages)
        _to_rest(entity)
    for key in _keys({name: value for name, value in content.items() if name != "$schema"}):
        if key not in kept:
            yield f"{'.'.join(key)}: the SDK silently drops this key"


@cache
def _by_schema() -> dict[str, Callable[..., Any]]:
    return {SCHEMA.format(name): load for name, load in LOADERS.items()}


def _to_rest(entity: Any) -> None:
    for convert, arguments in [
        ("_to_rest_online_endpoint", [REGION]),
        ("_to_rest_batch_endpoint", [REGION]),
        ("_to_rest_object", [REGION] if "Deployment" in type(entity).__name__ else []),
    ]:
        if hasattr(entity, convert):
            getattr(entity, convert)(*arguments)
            return
    raise TypeError(f"{type(entity).__name__} cannot be converted for sending")


class _silence:
    """The SDK also logs the errors that it raises."""

    def __enter__(self) -> None:
        self._level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._level)


def _unknown(schema: Any, value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the keys that a marshmallow schema or field does not know; otherwise those of components are accepted."""
    if isinstance(schema, fields.Nested):
        schema = schema.schema
    if isinstance(schema, UnionField):
        yield from min((list(_unknown(one, value, path)) for one in schema.union_fields), key=len)
    elif isinstance(schema, fields.Dict) and isinstance(value, dict):
        for key, inner in value.items():
            yield from _unknown(schema.value_field, inner, (*path, key))
    elif isinstance(schema, Schema) and isinstance(value, dict):
        known = {field.data_key or name: field for name, field in schema.fields.items()}
        for key, inner in value.items():
            if key not in known:
                yield (*path, key)
            else:
                yield from _unknown(known[key], inner, (*path, key))


def _keys(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the path of every key of a mapping, at any depth; list items are numbered."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, inner in items:
        if isinstance(value, dict):
            yield (*path, str(key))
        yield from _keys(inner, (*path, str(key)))
