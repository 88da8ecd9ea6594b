"""Finds jobs, follows them to their end and reads what they wrote: the same way on the laptop and on Azure.

`jobs.stream` and `jobs.download` are not used: both fail in the pinned SDK where a datastore has no account key.
"""

import copy
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.client import is_laptop
from mlops.errors import RunFailedError, aside
from mlops.refusals import explained, is_missing, is_passing

if TYPE_CHECKING:
    from mlops.client import Client

Answer = TypeVar("Answer")

COMPLETED = "Completed"
# As the SDK's own list of ends has it.
ENDED = (COMPLETED, "Failed", "Canceled", "NotResponding", "Paused")
OUTPUTS = "azureml://datastores/workspaceblobstore/paths/azureml"
NEWEST = 2000
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
    """How far a job is."""

    name: str
    status: str
    steps: tuple[Step, ...] = ()
    link: str = ""
    reason: str = ""


def new_name(experiment: str) -> str:
    """Return a name for a job, so that the paths of its outputs are known before it is submitted."""
    return f"{experiment}-{uuid.uuid4().hex[:10]}"


def output_path(job: str, output: str) -> str:
    """Return the address of a job's output."""
    return f"{OUTPUTS}/{job}/{output}"


def find(client: "Client", name: str) -> str | None:
    """Return the status of a job, None if there is no job of that name.

    A job of a type that the SDK cannot read has the status Unknown.
    """
    from azure.ai.ml.exceptions import JobException

    try:
        return status_of(client.jobs.get(name))
    except JobException:
        return "Unknown"
    except Exception as error:
        if is_missing(error):
            return None
        raise


def status_of(job: Any) -> str:
    """Return a job's status as text: `str()` of the SDK's enumeration is `JobStatus.COMPLETED`."""
    return str(getattr(job.status, "value", job.status) or "NotStarted")


def listed(
    client: "Client", parent: str | None = None, limit: int = NEWEST, schedule: str | None = None
) -> Iterator[Any]:
    """Return the newest jobs of the workspace or of a schedule, or a job's children; unreadable ones are left out."""
    # The SDK reads a page at once, and one job of a type that it does not know (Labeling) raises and loses the page.
    # The copy reads one by one. If an SDK renames this method the copy does nothing, and tests fail.
    jobs: Any = copy.copy(client.jobs)
    read = getattr(jobs, "_handle_rest_errors", None)
    if read is not None and parent is None:
        jobs._handle_rest_errors = lambda job: _read(read, job)
    if parent:
        found = jobs.list(parent_job_name=parent)
    else:
        found = jobs.list(scheduled_job_name=schedule) if schedule else jobs.list()
    return islice((job for job in found if job is not None), limit)


def _read(read: Callable[[Any], Any], job: Any) -> Any:
    try:
        return read(job)
    except Exception:
        return None


def download_output(client: "Client", job: str, output: str, folder: Path) -> Path:
    """Copy what a job wrote to one of its outputs into a folder and return that folder.

    Raises:
        RunFailedError: there is nothing.
    """
    from mlops.storage import blob_path, container

    store, prefix = container(client), f"{blob_path(output_path(job, output))}/"
    if not store.names(prefix):
        raise RunFailedError(
            f"The job {job} left nothing at {output_path(job, output)}. Look at its output '{output}' in the studio; "
            "a job that an older version of this project submitted has its outputs elsewhere: run it again."
        )
    store.download(prefix, folder)
    return folder


def follow(client: "Client", name: str) -> None:
    """Show a job's steps until it ends.

    Raises:
        RunFailedError: it ended in another way than Completed, with the step and the link to the studio.
    """
    from mlops.display import show_steps

    last = show_steps(watch(client, name))
    if last.status != COMPLETED:
        raise RunFailedError(ending(last))


def ending(last: Progress) -> str:
    """Say how a job ended that did not complete."""
    steps = [step.name for step in last.steps if step.status == last.status]
    at = f" at the step {', '.join(steps)}" if steps else ""
    said = {
        "Failed": f"The job {last.name} failed{at}.",
        "Canceled": f"The job {last.name} was cancelled{at}: by a person, or because its time limit was over.",
        "NotResponding": f"The job {last.name} does not respond{at}: its machine has stopped reporting.",
    }.get(last.status, f"The job {last.name} ended as {last.status}{at}.")
    if last.reason:
        said = last.reason if last.name in last.reason else f"{said} {last.reason}"
    return f"{said} Look at {last.link}" if last.link else said


def watch(client: "Client", name: str) -> Iterator[Progress]:
    """Return a job's progress again and again until it ends; faults that pass are waited out."""
    seen: dict[str, float] = {}
    patience = _Patience()
    for pause in _pauses(is_laptop(client)):
        progress = patience.ask(lambda: _look(client, name, seen))
        if progress is not None:
            yield progress
            if progress.status in ENDED:
                return
        wait(pause)


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

    def __init__(self) -> None:
        self._told, self._left = False, PATIENCE

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
                aside(f"The job goes on, but for now its state is unknown: it will be asked again. {explained(error)}")
                self._told = True
            return None
        self._left = PATIENCE
        return answer


def _look(client: "Client", name: str, seen: dict[str, float]) -> Progress:
    job: Any = client.jobs.get(name)
    steps = tuple(_steps(client, name, seen, 0))
    return Progress(name, status_of(job), steps, _link(job), str(getattr(job, "error", None) or ""))


def _steps(client: "Client", parent: str, seen: dict[str, float], depth: int) -> Iterator[Step]:
    children = sorted(listed(client, parent), key=_created)
    for child in children:
        status = status_of(child)
        yield Step(str(child.display_name or child.name), status, _seconds(child, status, seen), depth)
        # Children do not say whether they are pipelines. One that has ended gets no more children.
        if depth + 1 < DEPTH and status == "Running":
            yield from _steps(client, str(child.name), seen, depth + 1)


def _created(child: Any) -> float:
    created = getattr(getattr(child, "creation_context", None), "created_at", None)
    return float(created.timestamp()) if created else float("inf")


def _seconds(child: Any, status: str, seen: dict[str, float]) -> float:
    """Return how long a step has taken: by Azure's clock if it has ended, else since it was seen first."""
    if status == "NotStarted":
        return 0.0
    context, first = getattr(child, "creation_context", None), seen.setdefault(str(child.name), time.monotonic())
    created, ended = getattr(context, "created_at", None), getattr(context, "last_modified_at", None)
    if status in ENDED and created and ended:
        return max(0.0, float((ended - created).total_seconds()))
    return time.monotonic() - first


def _link(job: Any) -> str:
    studio: Any = (getattr(job, "services", None) or {}).get("Studio")
    return str(getattr(job, "studio_url", None) or getattr(studio, "endpoint", None) or "")
