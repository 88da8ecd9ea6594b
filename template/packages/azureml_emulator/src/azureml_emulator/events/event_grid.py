"""Builds the Event Grid events for model registrations and monitor breaches, and applies subscription filters."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azureml_emulator.errors import EmulatorError

PROVIDER = "Microsoft.MachineLearningServices"
BREACH_TAG = "azureml_modelmonitor_threshold_breached"

Event = dict[str, Any]


def model_registered(workspace: str, name: str, version: str, tags: Mapping[str, str] | None = None) -> Event:
    """Return the event of a registered model version; `workspace` is the workspace's ARM id."""
    data = {"modelName": name, "modelVersion": version, "modelTags": dict(tags or {}), "modelProperties": {}}
    return _event(workspace, "ModelRegistered", f"models/{name}:{version}", data)


def breaches(workspace: str, run: str, tags: Mapping[str, str], status: str = "Completed") -> Iterator[Event]:
    """Return the events of a monitor's run: one for each signal that alerts, on the run of that signal's own step.

    Args:
        workspace: the workspace's ARM id.
        run: the monitor run's name, the root of its steps' runs.
        tags: the tag text of each signal that alerts.
        status: the new status of the step.
    """
    for signal, text in tags.items():
        step = uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{signal}")
        data = {
            "experimentId": str(uuid.uuid5(uuid.NAMESPACE_URL, workspace)),
            "experimentName": run,
            "runId": str(step),
            "runType": "azureml.StepRun",
            "runTags": {"mlflow.rootRunId": run, BREACH_TAG: text},
            "runProperties": {},
            "runStatus": status,
        }
        yield _event(workspace, "RunStatusChanged", f"experiments/{data['experimentId']}/runs/{step}", data)


def _event(workspace: str, kind: str, subject: str, data: dict[str, Any]) -> Event:
    return {
        "topic": workspace,
        "subject": subject,
        "eventType": f"{PROVIDER}.{kind}",
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "id": str(uuid.uuid4()),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }


def subscriptions_to(event: Event, project_root: Path) -> list[str]:
    """Return the subscriptions whose filter an event passes; the Bicep loads the filters from the same file."""
    filters = json.loads((project_root / "infra" / "bridge" / "event-filters.json").read_text(encoding="utf-8"))
    return [name for name, wanted in filters.items() if passes(event, wanted)]


def passes(event: Event, wanted: Mapping[str, Any]) -> bool:
    """Apply a subscription's filter as Event Grid does: all conditions must hold, and case is ignored.

    Raises:
        EmulatorError: the filter has an operator that this project does not use.
    """
    types = [name.lower() for name in wanted.get("includedEventTypes", [])]
    if types and str(event.get("eventType")).lower() not in types:
        return False
    if not str(event.get("subject")).lower().startswith(wanted.get("subjectBeginsWith", "").lower()):
        return False
    for condition in wanted.get("advancedFilters", []):
        if condition["operatorType"] != "StringContains":
            known = "the emulator knows the operator StringContains"
            raise EmulatorError(f"infra/bridge/event-filters.json: {known}, not {condition['operatorType']}.")
        value = _look_up(event, condition["key"].split("."))
        # A missing key does not match.
        if not isinstance(value, str) or not any(part.lower() in value.lower() for part in condition["values"]):
            return False
    return True


def _look_up(value: Any, keys: list[str]) -> Any:
    for key in keys:
        found = {str(name).lower(): item for name, item in value.items()} if isinstance(value, dict) else {}
        value = found.get(key.lower())
    return value
