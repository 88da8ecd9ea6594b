"""Connects notebooks to the workspace, without output that is meant for a terminal."""

import logging
import warnings
from typing import TYPE_CHECKING

from rich.console import Console

from mlops import workspace
from mlops.console import console
from mlops.workspace import Target

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def connect(target: Target | None = None) -> "MLClient":
    """Return a client of the laptop's workspace or of the one on Azure: both are the SDK's own.

    Args:
        target: where to act; by default the environment variable MLOPS_TARGET, else the laptop.

    Raises:
        WrongInputError: the workspace's settings or the credentials are missing.
    """
    # The SDK warns about its experimental classes on every load.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    # A notebook keeps every frame of an animation: only the last one is wanted. Every module holds this one object.
    Console.__init__(console, force_terminal=False, force_jupyter=False, width=100)
    return workspace.connect(target)
