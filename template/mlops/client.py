"""The one place that knows whether a command acts on the laptop or on a workspace."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.errors import WrongInputError
from mlops.project import ROOT, STATE, read_yaml

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
        WrongInputError: the workspace's settings or the credentials are missing.
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
    settings = _workspace_settings()
    from azure.ai.ml import MLClient
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    try:
        credential.get_token("https://management.azure.com/.default")
    except ClientAuthenticationError as error:
        raise WrongInputError(
            "There are no Azure credentials: run `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a "
            "federated token as the workflows do."
        ) from error
    return MLClient(credential, **settings)


def _workspace_settings() -> dict[str, str]:
    file = Path(ROOT / "config.json")
    known = read_yaml(file) if file.exists() else {}
    settings = {key: os.environ.get(variable) or known.get(key) for variable, key in WORKSPACE_SETTINGS.items()}
    missing = [variable for variable, key in WORKSPACE_SETTINGS.items() if not settings[key]]
    if missing:
        raise WrongInputError(
            f"MLOPS_TARGET is azure, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, and "
            "config.json (download it from the studio) does not name the workspace either."
        )
    return {key: str(value) for key, value in settings.items()}
