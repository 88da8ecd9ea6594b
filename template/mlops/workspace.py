"""The one place that knows whether a command acts on the laptop or on a workspace."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.errors import WrongInputError
from mlops.paths import ROOT, STATE
from mlops.refusals.explain import explained, refusal_of

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.local.client import LocalClient

    Client = MLClient | LocalClient

WORKSPACE_SETTINGS = {
    "AZURE_SUBSCRIPTION_ID": "subscription_id",
    "AZURE_RESOURCE_GROUP": "resource_group",
    "AZUREML_WORKSPACE_NAME": "workspace_name",
}


class Target(StrEnum):
    """Where a command acts."""

    LOCAL = "local"
    AZURE = "azure"


def connect(target: Target | None = None) -> "Client":
    """Return a client of the laptop's emulator or of the Azure ML workspace: the two answer to the same calls.

    Args:
        target: where to act; without one, what the environment variable MLOPS_TARGET says, else the laptop.

    Raises:
        WrongInputError: the settings or the credentials are missing or wrong, or Azure refuses them.
    """
    if (target or current_target()) == Target.LOCAL:
        from mlops.local.client import LocalClient

        return LocalClient(STATE)
    return _connect_workspace()


def connect_laptop() -> "LocalClient":
    """Return the emulator's client, for what Azure does by itself and only a laptop has to be told to do.

    Raises:
        WrongInputError: MLOPS_TARGET says azure.
    """
    from mlops.local.client import LocalClient

    if current_target() is not Target.LOCAL:
        raise WrongInputError(
            "This runs on the laptop only: on Azure the schedule runs the monitor, "
            "and `az ml schedule trigger` runs it at once."
        )
    return LocalClient(STATE)


def is_laptop(client: "Client") -> bool:
    """Return whether a client is the emulator's, for what has no counterpart on Azure and for how long to wait."""
    from mlops.local.client import LocalClient

    return isinstance(client, LocalClient)


def current_target() -> Target:
    """Return what MLOPS_TARGET says, the laptop without it.

    Raises:
        WrongInputError: it says neither `local` nor `azure`.
    """
    said = os.environ.get("MLOPS_TARGET") or Target.LOCAL
    if said not in list(Target):
        raise WrongInputError(f"MLOPS_TARGET is '{said}'; it can be local or azure.")
    return Target(said)


def _connect_workspace() -> "MLClient":
    """Sign in and ask the workspace who it is: what is wrong with either is said here and not by some later call."""
    settings = _workspace_settings()
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    _hush_uploads()
    _forget_empty_settings()
    with _settings_tried():
        credential = DefaultAzureCredential()
        credential.get_token("https://management.azure.com/.default")
        # Without its progress bars the SDK never looks whether an upload failed, and waits for ever.
        client = MLClient(
            credential,
            subscription_id=settings["subscription_id"],
            resource_group_name=settings["resource_group"],
            workspace_name=settings["workspace_name"],
            enable_telemetry=False,
            show_progress=True,
        )
        client.workspaces.get(settings["workspace_name"])
    return client


def _forget_empty_settings() -> None:
    """Unset what a workflow passes on as an empty text because its secret is not set: azure-identity refuses that."""
    for name in [name for name, value in os.environ.items() if name.startswith("AZURE_") and not value]:
        del os.environ[name]


def _hush_uploads() -> None:
    """Keep the SDK from writing colour codes and empty lines after each upload."""
    with suppress(ImportError):
        from azure.ai.ml._artifacts import _blob_storage_helper

        setattr(_blob_storage_helper, "print", lambda *_, **__: None)  # noqa: B010


@contextmanager
def _settings_tried() -> Iterator[None]:
    """Turn what Azure refuses before anything was done into wrong input."""
    try:
        yield
    except Exception as error:
        if refusal_of(error) is None:
            raise
        raise WrongInputError(str(explained(error))) from error


def _workspace_settings() -> dict[str, str]:
    set_here = {key: os.environ.get(variable) for variable, key in WORKSPACE_SETTINGS.items()}
    known = {} if all(set_here.values()) else _configuration(ROOT / "config.json")
    settings = {key: value or known.get(key) for key, value in set_here.items()}
    missing = [variable for variable, key in WORKSPACE_SETTINGS.items() if not settings[key]]
    if missing:
        raise WrongInputError(
            f"MLOPS_TARGET is azure, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, and "
            "config.json (download it from the studio) does not name the workspace either."
        )
    return {key: str(value) for key, value in settings.items()}


def _configuration(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise WrongInputError(
            f"{file.name} cannot be read as JSON ({error}): download it again from the studio."
        ) from error
    if not isinstance(content, dict):
        raise WrongInputError(f"{file.name} holds no JSON object: download it again from the studio.")
    return content
