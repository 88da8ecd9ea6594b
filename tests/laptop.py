"""The laptop's workspace in a test: the SDK's own client in front of the emulator, in a folder of the test."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azureml_emulator.local import LocalWorkspace
from mlops.workspace import client_of

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class Laptop:
    """A workspace in a folder, and its client."""

    local: LocalWorkspace
    client: "MLClient"


def laptop(state: Path) -> Laptop:
    """Open the workspace of a state folder, such as a project's `.azureml-local`."""
    local = LocalWorkspace(state, "mlw-diabetes", "rg-diabetes")
    return Laptop(local, client_of(local))
