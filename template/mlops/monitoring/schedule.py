"""The monitor: its YAML, its binding to the deployment, reference and labels in service, and its runs."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml.entities import MonitorSchedule

from mlops.console import warn
from mlops.data.assets import newest_version
from mlops.errors import RunFailedError, WrongInputError
from mlops.jobs.watching import ENDED, watch
from mlops.monitoring.components import bind_components
from mlops.paths import LABELS, REFERENCE_DATA, ROOT, model_name, read_yaml
from mlops.refusals.explain import is_missing
from mlops.workspace import failure_of, flush, last_monitor_run, monitor_run, now

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from azureml_metrics.results import MonitorRun
    from mlops.monitoring.calibrate import Calibration

COLLECTED = re.compile(r"^(azureml:.+)-model-[A-Za-z0-9]+-(model_inputs|model_outputs):1$")
ASSET = re.compile(r"azureml:(?P<name>[^:@/]+)(:(?P<version>[^:@/]+)|@latest)")


def monitor_file() -> Path:
    """Return the project's one monitor schedule."""
    return next(iter(sorted((ROOT / "endpoints").glob("*/monitor/*.yml"))))


def monitor_name() -> str:
    """Return the name of the monitor's schedule."""
    return str(read_yaml(monitor_file())["name"])


def is_quality(signal: str) -> bool:
    """Return whether a signal of the monitor measures data quality."""
    signals = read_yaml(monitor_file())["create_monitor"]["monitoring_signals"]
    return bool(signals.get(signal, {}).get("type") == "data_quality")


def bound_definition(client: "MLClient", deployment: str, version: str) -> dict[str, Any]:
    """Return the monitor's YAML, bound to a deployment, its collected rows and the reference of a model version.

    Components are registered and named by the version of their current content; labels by their newest version.
    """
    definition = read_yaml(monitor_file())
    definition["trigger"]["start_time"] = next_start(definition["trigger"], now(client)).isoformat()
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
    bind_components(client, definition)
    for signal in monitor["monitoring_signals"].values():
        # The SDK turns names into ids, except for those of a custom signal's data, which it sends unchanged.
        for port in (signal.get("input_data") or {}).values():
            port["input_data"]["path"] = _id_of(client, port["input_data"]["path"])
    return definition


def next_start(trigger: Mapping[str, Any], moment: datetime) -> datetime:
    """Return the next time at which a daily trigger runs, in UTC.

    Without a start time Azure runs a schedule as soon as it is bound. The deployment has then collected nothing, so
    that run fails and people get a mail.
    """
    times = trigger["schedule"]
    start = moment.replace(hour=times["hours"], minute=times["minutes"], second=0, microsecond=0, tzinfo=None)
    return start if start > moment.replace(tzinfo=None) else start + timedelta(days=1)


def bound_schedule(client: "MLClient", deployment: str, version: str) -> MonitorSchedule:
    """Return the SDK's schedule for the bound YAML."""
    schedule: MonitorSchedule = MonitorSchedule._load(
        data=bound_definition(client, deployment, version), yaml_path=monitor_file()
    )
    return schedule


def bind(client: "MLClient", deployment: str, version: str) -> str:
    """Create or re-bind the schedule and return its name; a second call changes nothing."""
    schedule = bound_schedule(client, deployment, version)
    client.schedules.begin_create_or_update(schedule).result()
    return str(schedule.name)


def rebind_labels(client: "MLClient") -> str | None:
    """Bind the monitor to the newest version of the labels, change nothing else, and return that version.

    A schedule keeps the data versions of its creation: later labels count only after this. Without a schedule, without
    labels, or if none of its signals reads labels, nothing changes and None is returned.
    """
    labels = str(read_yaml(LABELS)["name"])
    newest = newest_version(client, labels) if needs_labels() else None
    schedule: Any = None if newest is None else _existing_schedule(client)
    if newest is None or schedule is None:
        return None
    ports = [
        port.input_data
        for signal in schedule.create_monitor.monitoring_signals.values()
        for port in (getattr(signal, "input_data", None) or {}).values()
        if re.search(rf"(^|[/:]){re.escape(labels)}([:@]|/versions/)", str(port.input_data.path))
    ]
    target = schedule.create_monitor.monitoring_target
    if not ports or not (target.endpoint_deployment_id or target.model_id):
        # The SDK loses the model of a schedule that it reads: sending the schedule back would remove the model.
        return None
    wanted = str(client.data.get(labels, version=newest).id)
    if any(not str(port.path).endswith(wanted) for port in ports):
        for port in ports:
            port.path = wanted
        client.schedules.begin_create_or_update(schedule).result()
    return newest


def run_monitor(client: "MLClient") -> "MonitorRun":
    """Run the monitor once over the rows since its last run.

    Raises:
        WrongInputError: no deployment is monitored yet.
        RunFailedError: a component of the monitor failed.
    """
    if not flush(client):
        warn("Not every row that was scored has been collected: this run measures those that have.")
    if _existing_schedule(client) is None:
        raise WrongInputError(f"There is no monitor {monitor_name()} yet: run `mlops deploy` first.")
    job = str(client.schedules.trigger(monitor_name()).job_name)
    for last in watch(client, job):
        if last.status in ENDED:
            break
    problem = failure_of(client, job)
    if problem:
        raise RunFailedError(problem)
    return monitor_run(client, job)


def raise_if_not_measured(run: "MonitorRun") -> None:
    """Raise an error if a run has measured nothing.

    Raises:
        RunFailedError: it measured nothing; the message gives each signal's reason.
    """
    from azureml_metrics.signals import State

    if run.state is State.NOT_MEASURED:
        reasons: dict[str, list[str]] = {}
        for signal in run.unmeasured:
            reasons.setdefault(signal.reason.rstrip("."), []).append(signal.name)
        listed = "; ".join(f"{reason} ({', '.join(names)})" for reason, names in reasons.items())
        raise RunFailedError(
            f"The window from {run.start[:16]} to {run.end[:16]} was not measured: {listed}. "
            "Send rows, then run it again. If rows were sent, check why they were not collected: does the endpoint run?"
        )


def calibrate_monitor(client: "MLClient", version: str | None = None, runs_per_alert: int = 20) -> "Calibration":
    """Calibrate the monitor to the reference of a model version, by default the champion's, and write its YAML.

    Raises:
        WrongInputError: there is no model yet, or its reference is too small.
    """
    from azureml_metrics.columns import MetricsError
    from mlops.data.production import window_rows
    from mlops.monitoring.calibrate import calibrate
    from mlops.monitoring.reference import read_reference, register_reference
    from mlops.monitoring.thresholds import write_thresholds
    from mlops.registry import version_to_deploy
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
            runs_per_alert,
        )
    except MetricsError as error:
        raise WrongInputError(str(error)) from error
    write_thresholds(monitor_file(), found.thresholds)
    return found


def needs_labels() -> bool:
    """Return whether a signal of the monitor compares predictions with labels."""
    signals = read_yaml(monitor_file())["create_monitor"]["monitoring_signals"].values()
    return any("ground_truth" in (signal.get("input_data") or {}) for signal in signals)


def last_window(client: "MLClient") -> tuple[datetime, datetime] | None:
    """Return the window of the monitor's last run; on Azure it is not read, and the last day is used."""
    run = last_monitor_run(client, monitor_name())
    return (datetime.fromisoformat(run.start), datetime.fromisoformat(run.end)) if run else None


def _existing_schedule(client: "MLClient") -> Any:
    try:
        return client.schedules.get(monitor_name())
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def _id_of(client: "MLClient", path: str) -> str:
    """Return the id of the data asset that a path names, the newest version for labels; other paths are unchanged.

    Raises:
        WrongInputError: there is no such data asset yet.
    """
    found = ASSET.fullmatch(path)
    if not found:
        return path
    goes_on = found["version"] is None or found["name"] == read_yaml(LABELS)["name"]
    version = newest_version(client, found["name"]) if goes_on else found["version"]
    if version is None:
        raise WrongInputError(f"There is no data asset {found['name']} yet: run `mlops data` first.")
    return f"azureml:{client.data.get(found['name'], version=version).id}"


def _data_of(signals: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every `input_data` that names an asset."""
    found = []
    for signal in signals.values():
        ports = list((signal.get("input_data") or {}).values())
        for data in [signal.get("reference_data"), signal.get("production_data"), *ports]:
            if data:
                found.append(data["input_data"])
    return found
