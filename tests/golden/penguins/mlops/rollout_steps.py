"""What a rollout does on each kind of endpoint: prepare the new deployment, switch to it, or take it back."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class TrafficChange:
    """The shares that deployments had from a moment on, in seconds since 1970."""

    at: float
    shares: dict[str, int]


class NotFitError(Exception):
    """A new deployment must not serve; the message says why."""


class Rollout(Protocol):
    """One endpoint's part in the rollout of a model version. Each step may be run again after a kill."""

    endpoint: str
    changes: list[TrafficChange]

    def unchanged(self) -> bool:
        """Return whether the version serves alone already."""

    def prepare(self, model: Any) -> None:
        """Bring the new deployment up and test it, without effect on who serves.

        Raises:
            NotFitError: it must not serve.
        """

    def switch(self) -> None:
        """Let it serve.

        Raises:
            NotFitError: it does not do so well enough.
        """

    def abandon(self) -> None:
        """Have the old deployment serve alone and remove the new one."""

    def retire(self) -> None:
        """Remove the old deployments."""
