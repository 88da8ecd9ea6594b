"""The client for notebooks: the same as that of the commands, without what belongs on a terminal."""

import logging
import warnings
from typing import TYPE_CHECKING

from rich.console import Console

from mlops import display
from mlops import workspace as client
from mlops.workspace import Target

if TYPE_CHECKING:
    from mlops.workspace import Client


def connect(target: Target | None = None) -> "Client":
    """Return a client of the laptop's emulator or of the Azure ML workspace: the two answer to the same calls.

    Args:
        target: where to act; without one, what the environment variable MLOPS_TARGET says, else the laptop.

    Raises:
        WrongInputError: the workspace's settings or the credentials are missing.
    """
    # The SDK warns on every load which of its classes are experimental.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    # A notebook keeps every frame of an animation: only the last one is wanted there.
    display.console = Console(force_terminal=False, force_jupyter=False, width=100)
    return client.connect(target)
