"""Follows a job to its end on the screen."""

from typing import TYPE_CHECKING

from mlops.errors import RunFailedError
from mlops.jobs.display import show_steps
from mlops.jobs.watching import COMPLETED, ending, watch

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def follow(client: "MLClient", name: str) -> None:
    """Show a job's steps until it ends.

    Raises:
        RunFailedError: it did not end as Completed; the message has the step and the link to the studio.
    """
    last = show_steps(watch(client, name))
    if last.status != COMPLETED:
        raise RunFailedError(ending(last))
