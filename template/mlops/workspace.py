"""Connects to the workspace. Only this file distinguishes the laptop from Azure and imports the emulator.

The client is `azure.ai.ml.MLClient` on both; on the laptop its requests are answered in this process. Other differences
are here too: the emulator's clock, waiting for collected rows, the results of a monitor, and the events that the
emulator delivers itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mlops.errors import RunFailedError, WrongInputError
from mlops.paths import ROOT, STATE
from mlops.refusals.explain import explained, refusal_of
from mlops.settings import load_settings
from mlops.workspace_settings import workspace_settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from azureml_emulator.events.bridge import Hop
    from azureml_emulator.local import LocalWorkspace
    from azureml_metrics.results import MonitorRun

# A loop takes minutes on the laptop and days in a workspace.
NO_LIMITS = {"MLOPS_COOL_DOWN_HOURS": "0", "MLOPS_NO_LIMITS": "1"}
# The commands of a workflow leave their events to the process that delivered the event of the workflow.
IN_WORKFLOW = {"MLOPS_TARGET": "local", "MLOPS_EVENTS": "later"}


class Target(StrEnum):
    """The target of a command."""

    LOCAL = "local"
    AZURE = "azure"


@dataclass(frozen=True)
class _Connection:
    """The identity of a client, and the emulator behind it on the laptop."""

    credential: Any
    local: "LocalWorkspace | None" = None


_CONNECTIONS: "WeakKeyDictionary[MLClient, _Connection]" = WeakKeyDictionary()


def connect(target: Target | None = None) -> "MLClient":
    """Return a client of the laptop's workspace or of the one on Azure: both are the SDK's own.

    Args:
        target: where to act; by default the environment variable MLOPS_TARGET, else the laptop.

    Raises:
        WrongInputError: the settings or the credentials are missing or wrong, or Azure refuses them.
    """
    if (target or current_target()) == Target.LOCAL:
        return _connect_local()
    return _connect_azure()


def connect_laptop() -> "MLClient":
    """Return the laptop's client, for operations that Azure starts by itself.

    Raises:
        WrongInputError: MLOPS_TARGET is azure.
    """
    if current_target() is not Target.LOCAL:
        raise WrongInputError(
            "This runs on the laptop only: on Azure the schedule runs the monitor, "
            "and `az ml schedule trigger` runs it at once."
        )
    return connect(Target.LOCAL)


def current_target() -> Target:
    """Return the target that MLOPS_TARGET names, by default the laptop.

    Raises:
        WrongInputError: it is neither `local` nor `azure`.
    """
    said = os.environ.get("MLOPS_TARGET") or Target.LOCAL
    if said not in list(Target):
        raise WrongInputError(f"MLOPS_TARGET is '{said}'; it can be local or azure.")
    return Target(said)


def is_local(client: "MLClient") -> bool:
    """Return whether a client is the laptop's, so that no operation takes minutes or needs another person."""
    return _local(client) is not None


def access(client: "MLClient") -> dict[str, Any]:
    """Return the arguments with which another Azure client signs in as this one: `credential`, perhaps `transport`."""
    connection = _CONNECTIONS.get(client)
    if connection is None:
        # A client from elsewhere. The SDK has no public name for its credential.
        return {"credential": client._credential}
    if connection.local:
        return {"credential": connection.credential, "transport": connection.local.transport}
    return {"credential": connection.credential}


def now(client: "MLClient") -> datetime:
    """Return the time: real, or that of the emulator's clock, which each monitor run advances."""
    local = _local(client)
    return local.now() if local else datetime.now(UTC)


def end_day(client: "MLClient") -> None:
    """End a simulated day on the laptop, which is one hour: advance the clock. On Azure do nothing."""
    local = _local(client)
    if local:
        local.end_hour()


def flush(client: "MLClient") -> bool:
    """Wait until all scored rows of the laptop are collected, and return whether they are; on Azure this is unknown."""
    local = _local(client)
    return local.flush() if local else True


def close(client: "MLClient") -> None:
    """Stop the laptop's serving process without losing a record; on Azure do nothing."""
    local = _local(client)
    if local:
        local.close()


def failure_of(client: "MLClient", job: str) -> str:
    """Return why a job failed, with the end of its log; empty on Azure, where the studio shows it."""
    local = _local(client)
    return local.failure(job) if local else ""


def monitor_run(client: "MLClient", job: str) -> "MonitorRun":
    """Return the results of a monitor's run on the laptop.

    Raises:
        RunFailedError: it measured nothing.
    """
    local = _local(client)
    try:
        if local:
            with _emulator_errors():
                return local.monitor_run(job)
    except FileNotFoundError:
        pass
    raise RunFailedError(f"The monitor's run {job} left no results. {failure_of(client, job)}".strip())


def last_monitor_run(client: "MLClient", monitor: str) -> "MonitorRun | None":
    """Return the results of a monitor's last run on the laptop, None on Azure and if it never ran."""
    local = _local(client)
    with _emulator_errors():
        return local.last_monitor_run(monitor) if local else None


def deliver_events(client: "MLClient", follow: Callable[["Hop"], None], about: str = "") -> Iterator[list["Hop"]]:
    """Deliver the events of the laptop's workspace, and yield the hops of each; Azure does so by itself.

    Args:
        client: the workspace.
        follow: receives each hop as it happens.
        about: deliver only the events of a run, or of `models/NAME:VERSION`.

    Raises:
        RunFailedError: a file that the event passes cannot be evaluated.
    """
    local = _local(client)
    if not local:
        return
    from azureml_emulator.events.bridge import Project

    settings = load_settings()
    project = Project(ROOT, settings.trigger, settings.github.repository, NO_LIMITS | IN_WORKFLOW)
    with _emulator_errors():
        yield from local.deliver(project, follow, about)


def repeat_registration(client: "MLClient", model: str, version: str) -> None:
    """Have the laptop's workspace raise the event of a registered model version again, unless it is still pending."""
    local = _local(client)
    if local:
        local.repeat_registration(model, version)


def _local(client: "MLClient") -> "LocalWorkspace | None":
    connection = _CONNECTIONS.get(client)
    return connection.local if connection else None


def client_of(local: "LocalWorkspace") -> "MLClient":
    """Return the client of a workspace of the emulator.

    Raises:
        RunFailedError: the emulator does not support this version of the SDK.
    """
    _hush_sdk()
    with _emulator_errors():
        client = local.client(enable_telemetry=False, show_progress=True)
    _CONNECTIONS[client] = _Connection(local.credential, local)
    return client


def _connect_local() -> "MLClient":
    from azureml_emulator.local import LocalWorkspace

    azure = load_settings().azure
    return client_of(LocalWorkspace(STATE, azure.workspace_name, azure.resource_group))


def _connect_azure() -> "MLClient":
    """Sign in and read the workspace, so that wrong settings or credentials fail here and not in a later call."""
    settings = workspace_settings()
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    _hush_sdk()
    _forget_empty_settings()
    with _settings_tried():
        credential = DefaultAzureCredential()
        credential.get_token("https://management.azure.com/.default")
        # Without progress bars the SDK never checks whether an upload failed, and waits for ever.
        client = MLClient(
            credential,
            subscription_id=settings["subscription_id"],
            resource_group_name=settings["resource_group"],
            workspace_name=settings["workspace_name"],
            enable_telemetry=False,
            show_progress=True,
        )
        client.workspaces.get(settings["workspace_name"])
    _CONNECTIONS[client] = _Connection(credential)
    return client


def _forget_empty_settings() -> None:
    """Unset variables that a workflow passes on empty because their secret is not set: azure-identity refuses them."""
    for name in [name for name, value in os.environ.items() if name.startswith("AZURE_") and not value]:
        del os.environ[name]


def _hush_sdk() -> None:
    """Keep the SDK from printing colour codes after each upload and a dot for each poll of an operation."""
    from azure.ai.ml._artifacts import _blob_storage_helper
    from azure.ai.ml._utils import _azureml_polling

    for module in (_blob_storage_helper, _azureml_polling):
        setattr(module, "print", lambda *_, **__: None)  # noqa: B010


@contextmanager
def _settings_tried() -> Iterator[None]:
    """Turn Azure's refusals before any change into wrong input."""
    try:
        yield
    except Exception as error:
        if refusal_of(error) is None:
            raise
        raise WrongInputError(str(explained(error))) from error


@contextmanager
def _emulator_errors() -> Iterator[None]:
    """Turn the emulator's errors into a failed run."""
    from azureml_emulator.errors import EmulatorError

    try:
        yield
    except EmulatorError as error:
        raise RunFailedError(str(error)) from error
