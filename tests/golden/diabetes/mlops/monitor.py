"""The monitor: its YAML, its binding to the deployment and reference in service, and its runs."""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml.entities import MonitorSchedule
from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import RunFailedError, WrongInputError
from mlops.project import REFERENCE_DATA, ROOT, model_name, read_yaml

if TYPE_CHECKING:
    from mlops.calibrate import Calibration
    from mlops.client import Client
    from mlops.local.client import LocalClient
    from mlops.local.monitoring import MonitorRun

COLLECTED = re.compile(r"^(azureml:.+)-model-[A-Za-z0-9]+-(model_inputs|model_outputs):1$")


def monitor_file() -> Path:
    """Return the project's one monitor schedule."""
    return next(iter(sorted((ROOT / "endpoints").glob("*/monitor/*.yml"))))


def bound_definition(deployment: str, version: str) -> dict[str, Any]:
    """Return the monitor's YAML, bound to a deployment, its collected rows and the reference of a model version."""
    definition = read_yaml(monitor_file())
    monitor = definition["create_monitor"]
    target = monitor["monitoring_target"]
    if "endpoint_deployment_id" in target:
        endpoint = target["endpoint_deployment_id"].split(":")[1]
        target["endpoint_deployment_id"] = f"azureml:{endpoint}:{deployment}"
    if "model_id" in target:
        target["model_id"] = f"azureml:{model_name()}:{version}"
    reference = f"azureml:{read_yaml(REFERENCE_DATA)['name']}"
    for data in _data_of(monitor["monitoring_signals"]):
        path = COLLECTED.sub(rf"\1-{deployment}-\2:1", data["path"])
        data["path"] = f"{reference}:{version}" if path.startswith(f"{reference}:") else path
    return definition


def bound_schedule(deployment: str, version: str) -> MonitorSchedule:
    """Return the schedule that the SDK makes of the bound YAML."""
    schedule: MonitorSchedule = MonitorSchedule._load(
        data=bound_definition(deployment, version), yaml_path=monitor_file()
    )
    return schedule


def bind(client: "Client", deployment: str, version: str) -> str:
    """Create or re-bind the schedule and return its name; a second call changes nothing."""
    schedule = bound_schedule(deployment, version)
    client.schedules.begin_create_or_update(schedule).result()
    return str(schedule.name)


def run_monitor(client: "LocalClient") -> "MonitorRun":
    """Run the monitor once over the rows since its last run.

    Raises:
        WrongInputError: no deployment is monitored yet.
        RunFailedError: a component of the monitor failed.
    """
    from azure.ai.ml.exceptions import JobException

    name = str(read_yaml(monitor_file())["name"])
    client.flush()
    try:
        return client.schedules.result(client.schedules.trigger(name).job_name)
    except ResourceNotFoundError as error:
        raise WrongInputError(f"There is no monitor {name} yet: run `mlops deploy` first. ({error})") from error
    except JobException as error:
        raise RunFailedError(str(error)) from error


def calibrate_monitor(client: "Client", version: str | None = None, runs_per_alarm: int = 20) -> "Calibration":
    """Calibrate the monitor to the reference of a model version, the champion's without one, and write its YAML.

    Raises:
        WrongInputError: there is no model yet, or its reference is too small.
    """
    from mlops.calibrate import calibrate, write_thresholds
    from mlops.deploy import version_to_deploy
    from mlops.local.columns import MetricsError
    from mlops.production import window_rows
    from mlops.reference import read_reference, register_reference
    from model.contract import load_contract

    model = version_to_deploy(client, version)
    register_reference(client, model)
    reference = read_reference(client, str(model.version))
    try:
        found = calibrate(
            read_yaml(monitor_file()),
            reference,
            load_contract().target,
            window_rows(client),
            runs_per_alarm,
        )
    except MetricsError as error:
        raise WrongInputError(str(error)) from error
    write_thresholds(monitor_file(), found.thresholds)
    return found


def needs_labels() -> bool:
    """Whether a signal of the monitor compares predictions with labels."""
    signals = read_yaml(monitor_file())["create_monitor"]["monitoring_signals"].values()
    return any("ground_truth" in (signal.get("input_data") or {}) for signal in signals)


def last_window(client: "Client") -> tuple[datetime, datetime] | None:
    """Return the window of the monitor's last run; on Azure it is not asked for, and the last day stands for it."""
    from mlops.local.client import LocalClient

    run = (
        client.schedules.last_result(str(read_yaml(monitor_file())["name"]))
        if isinstance(client, LocalClient)
        else None
    )
    return (datetime.fromisoformat(run.start), datetime.fromisoformat(run.end)) if run else None


def _data_of(signals: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every `input_data` that names an asset."""
    found = []
    for signal in signals.values():
        ports = list((signal.get("input_data") or {}).values())
        for data in [signal.get("reference_data"), signal.get("production_data"), *ports]:
            if data:
                found.append(data["input_data"])
    return found
