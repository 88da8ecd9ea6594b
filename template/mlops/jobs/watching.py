"""Polls a job and its steps until the job ends, and retries transient faults."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.console import warn
from mlops.errors import RunFailedError
from mlops.jobs.jobs import listed, status_of
from mlops.refusals.explain import explained, is_missing, is_passing, refusal_of
from mlops.workspace import failure_of, is_local

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

COMPLETED = "Completed"
# The SDK's own list of final states.
ENDED = (COMPLETED, "Failed", "Canceled", "NotResponding", "Paused")
# Maximum number of consecutive failures to read the job, each after the SDK's own retries.
MOST_FAILURES = 10
# A pipeline inside a pipeline inside a pipeline.
DEPTH = 3


@dataclass(frozen=True)
class Step:
    """A step of a job for display; steps of an inner pipeline are one level deeper."""

    name: str
    status: str
    seconds: float = 0.0
    depth: int = 0


@dataclass(frozen=True)
class Progress:
    """The state of a job; on the laptop `reason` explains a failure."""

    name: str
    status: str
    steps: tuple[Step, ...] = ()
    link: str = ""
    reason: str = ""


def watch(client: "MLClient", name: str) -> Iterator[Progress]:
    """Return a job's progress again and again until it ends.

    Raises:
        RunFailedError: Azure refuses to return the job, or has not answered for too long.
    """
    watcher = _Watcher(client, name)
    for pause in _pauses(is_local(client)):
        progress = watcher.look()
        if progress is not None:
            yield progress
            if progress.status in ENDED:
                return
        wait(pause)


def last_of(looks: Iterable[Progress]) -> Progress:
    """Wait for a job without showing it, and return the last look."""
    for progress in looks:
        last = progress
    return last


def ending(last: Progress) -> str:
    """Return a message about a job that did not complete."""
    steps = ", ".join(f"'{step.name}'" for step in last.steps if step.status == last.status)
    at = f" at the step {steps}" if steps and last.status != "Paused" else ""
    usual = {
        "Failed": f"The job {last.name} failed{at}.",
        "Canceled": f"The job {last.name} was cancelled{at}: by a person, or because its time limit was reached.",
        "NotResponding": f"The job {last.name} does not respond{at}: its machine has stopped reporting.",
    }.get(last.status, f"The job {last.name} ended as {last.status}{at}.")
    return " ".join(filter(None, (last.reason or usual, f"Look at {last.link}" if last.link else "")))


def wait(seconds: float) -> None:
    """Sleep between two looks."""
    time.sleep(seconds)


def _pauses(on_laptop: bool) -> Iterator[float]:
    pause = 0.2 if on_laptop else 5.0
    while True:
        yield pause
        pause = pause if on_laptop else min(1.2 * pause, 15.0)


class _Watcher:
    """Watches one job; keeps the failures to read it, the steps seen last, and the time when each was first seen."""

    def __init__(self, client: "MLClient", name: str):
        self._client, self._name = client, name
        self._attempts_left, self._warned = MOST_FAILURES, False
        self._seen: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._inner: dict[str, tuple[Step, ...]] = {}
        self._shown: tuple[Step, ...] = ()

    def look(self) -> Progress | None:
        """Return the job's progress, None if Azure does not answer this time.

        Raises:
            RunFailedError: Azure refuses to return it, or has not answered for too long.
        """
        try:
            job: Any = self._client.jobs.get(self._name)
        except Exception as error:
            self._tolerate(error)
            return None
        self._attempts_left = MOST_FAILURES
        self._read_steps()
        reason = failure_of(self._client, self._name)
        # Of the emulator's jobs the studio knows nothing.
        link = "" if is_local(self._client) else _link(job)
        return Progress(self._name, status_of(job), self._shown, link, reason)

    def _tolerate(self, error: Exception) -> None:
        if refusal_of(error) is None and not is_missing(error):
            raise error
        self._attempts_left -= 1
        if is_missing(error) or not is_passing(error) or not self._attempts_left:
            raise RunFailedError(
                f"The state of the job {self._name} is unknown, and it may still be running. {explained(error)}"
            ) from error
        self._warn_once(f"The job {self._name} continues; its state is read again after this error: {explained(error)}")

    def _read_steps(self) -> None:
        """Read the steps, or keep the last ones if run history does not answer, as in a closed network."""
        try:
            self._shown = tuple(self._steps(self._name, 0))
        except Exception as error:
            if refusal_of(error) is None:
                raise
            self._warn_once(f"The steps of the job {self._name} cannot be shown: {explained(error)}")

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            warn(text)
            self._warned = True

    def _steps(self, parent: str, depth: int) -> Iterator[Step]:
        for child in sorted(listed(self._client, parent), key=_created):
            status, name = status_of(child), str(child.name)
            yield Step(str(child.display_name or name), status, self._seconds(child, status), depth)
            # A child does not tell whether it is a pipeline. One that has ended gets no more children.
            if status == "Running" or (status in ENDED and name not in self._inner):
                self._inner[name] = self._inside(name, depth + 1)
            yield from self._inner.get(name, ())

    def _inside(self, child: str, depth: int) -> tuple[Step, ...]:
        if depth == DEPTH:
            return ()
        try:
            return tuple(self._steps(child, depth))
        except Exception:
            # Steps are for display only: an unreadable step must not stop the watch of the job.
            return ()

    def _seconds(self, child: Any, status: str) -> float:
        """Return the duration of a step since it was first seen running.

        The duration of a step that ran between two looks comes from its own times. These begin when its job was
        submitted, so they are not used otherwise.
        """
        name, moment = str(child.name), time.monotonic()
        if status == "NotStarted":
            return 0.0
        if status not in ENDED:
            return moment - self._seen.setdefault(name, moment)
        if name not in self._took:
            since = self._seen.get(name)
            self._took[name] = _between(child.creation_context) if since is None else moment - since
        return self._took[name]


def _between(context: Any) -> float:
    created, ended = (getattr(context, name, None) for name in ("created_at", "last_modified_at"))
    return max(0.0, float((ended - created).total_seconds())) if created and ended else 0.0


def _created(child: Any) -> float:
    created = getattr(child.creation_context, "created_at", None)
    return float(created.timestamp()) if created else float("inf")


def _link(job: Any) -> str:
    studio: Any = (getattr(job, "services", None) or {}).get("Studio")
    return str(getattr(job, "studio_url", None) or getattr(studio, "endpoint", None) or "")
