"""Long-running operations, with the SDK's own poller."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from azure.core.polling import LROPoller, PollingMethod

Result = TypeVar("Result")


class _Work(PollingMethod, Generic[Result]):
    """Work that the poller's thread does."""

    def __init__(self, work: Callable[[], Result]):
        self._work, self._status = work, "InProgress"
        self._result: Result | None = None

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        """Nothing has been sent yet."""

    def run(self) -> None:
        """Do the work."""
        try:
            self._result = self._work()
            self._status = "Succeeded"
        except BaseException:
            self._status = "Failed"
            raise

    def status(self) -> str:
        """Return how far the work is."""
        return self._status

    def finished(self) -> bool:
        """Return whether the work is done."""
        return self._status != "InProgress"

    def resource(self) -> Result | None:
        """Return what the work made."""
        return self._result

    def get_continuation_token(self) -> str:
        """Return nothing: the work does not outlive the command."""
        return ""


def begin(work: Callable[[], Result]) -> LROPoller[Result]:
    """Start work and return a poller; its `result()` waits, and raises what the work raised."""
    return LROPoller(None, None, lambda _: None, _Work(work))
