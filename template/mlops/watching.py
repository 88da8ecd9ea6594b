"""Watches a job until it ends, by asking for it and its steps again and again; faults that pass are waited out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.client import is_laptop
from mlops.errors import aside
from mlops.jobs import listed, status_of
from mlops.refusals import explained, is_passing

if TYPE_CHECKING:
    from mlops.client import Client

Answer = TypeVar("Answer")

COMPLETED = "Completed"
# As the SDK's own list of ends has it.
ENDED = (COMPLETED, "Failed", "Canceled", "NotResponding", "Paused")
# Times in a row that Azure may not answer, each after the SDK's own retries.
PATIENCE = 10
# A pipeline inside a pipeline inside a pipeline.
DEPTH = 3


@dataclass(frozen=True)
class Step:
    """A step of a job as it is shown; steps of an inner pipeline are one level deeper."""

    name: str
    status: str
    seconds: float = 0.0
    depth: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a job is; `reason` is what the laptop knows of a failure."""

    name: str
    status: str
    steps: tuple[Step, ...] = ()
    link: str = ""
    reason: str = ""


def watch(client: "Client", name: str) -> Iterator[Progress]:
    """Return a job's progress again and again until it ends.

    Raises:
        Exception: Azure refuses to tell, or has not answered for too long.
    """
    watcher, patience = _Watcher(client, name), _Patience(name)
    for pause in _pauses(is_laptop(client)):
        progress = patience.ask(watcher.look)
        if progress is not None:
            yield progress
            if progress.status in ENDED:
                return
        wait(pause)


def ending(last: Progress) -> str:
    """Say how a job ended that did not complete."""
    steps = ", ".join(f"'{step.name}'" for step in last.steps if step.status == last.status)
    at = f" at the step {steps}" if steps and last.status != "Paused" else ""
    said = {
        "Failed": f"The job {last.name} failed{at}.",
        "Canceled": f"The job {last.name} was cancelled{at}: by a person, or because its time limit was reached.",
        "NotResponding": f"The job {last.name} does not respond{at}: its machine has stopped reporting.",
    }.get(last.status, f"The job {last.name} ended as {last.status}{at}.")
    return " ".join(filter(None, (last.reason or said, f"Look at {last.link}" if last.link else "")))


def wait(seconds: float) -> None:
    """Let time pass between two looks."""
    time.sleep(seconds)


def _pauses(on_laptop: bool) -> Iterator[float]:
    pause = 1.0 if on_laptop else 5.0
    while True:
        yield pause
        pause = pause if on_laptop else min(1.2 * pause, 15.0)


class _Patience:
    """Bears a number of faults in a row that may pass, and tells of the first one."""

    def __init__(self, job: str) -> None:
        self._job, self._told, self._left = job, False, PATIENCE

    def ask(self, question: "Callable[[], Answer]") -> "Answer | None":
        """Return the answer, or None if there was none this time.

        Raises:
            Exception: what will not pass, or has not passed for too long.
        """
        try:
            answer = question()
        except Exception as error:
            self._left -= 1
            if not is_passing(error) or not self._left:
                raise
            if not self._told:
                aside(f"The job {self._job} goes on; its state is asked for again, after: {explained(error)}")
                self._told = True
            return None
        self._left = PATIENCE
        return answer


class _Watcher:
    """Looks at one job and remembers what it saw before: steps of inner pipelines, and when a step was seen first."""

    def __init__(self, client: "Client", name: str):
        self._client, self._name = client, name
        self._seen: dict[str, float] = {}
        self._inner: dict[str, tuple[Step, ...]] = {}

    def look(self) -> Progress:
        """Return how far the job is now."""
        job: Any = self._client.jobs.get(self._name)
        reason = str(getattr(job, "error", None) or "")
        return Progress(self._name, status_of(job), tuple(self._steps(self._name, 0)), _link(job), reason)

    def _steps(self, parent: str, depth: int) -> Iterator[Step]:
        for child in sorted(listed(self._client, parent), key=_created):
            status, name = status_of(child), str(child.name)
            yield Step(str(child.display_name or name), status, self._seconds(child, status), depth)
            # Children do not say whether they are pipelines. One that has ended gets no more children.
            if status == "Running" or (status in ENDED and name not in self._inner):
                self._inner[name] = self._inside(name, depth + 1)
            yield from self._inner.get(name, ())

    def _inside(self, child: str, depth: int) -> tuple[Step, ...]:
        if depth == DEPTH:
            return ()
        try:
            return tuple(self._steps(child, depth))
        except Exception:
            # Only for show: that a step says nothing of its inside is no reason to lose sight of the job.
            return ()

    def _seconds(self, child: Any, status: str) -> float:
        """Return how long a step has taken: by Azure's clock if it has ended, else since it was seen first."""
        if status == "NotStarted":
            return 0.0
        first = self._seen.setdefault(str(child.name), time.monotonic())
        created, ended = (getattr(child.creation_context, name, None) for name in ("created_at", "last_modified_at"))
        if status in ENDED and created and ended:
            return max(0.0, float((ended - created).total_seconds()))
        return time.monotonic() - first


def _created(child: Any) -> float:
    created = getattr(child.creation_context, "created_at", None)
    return float(created.timestamp()) if created else float("inf")


def _link(job: Any) -> str:
    studio: Any = (getattr(job, "services", None) or {}).get("Studio")
    return str(getattr(job, "studio_url", None) or getattr(studio, "endpoint", None) or "")
