"""Submits jobs, finds them and reads their outputs, on the laptop and on Azure.

`jobs.stream` and `jobs.download` are not used: both fail in the pinned SDK if a datastore has no account key.
"""

import copy
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.errors import RunFailedError
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

OUTPUTS = "azureml://datastores/workspaceblobstore/paths/azureml"
NEWEST = 2000


def prepare(job: Any, name: str | None = None) -> None:
    """Set a pipeline job's name and the path of each of its outputs, below that name.

    Azure's default path of an output can be read only by calls that need an account key.
    """
    job.name = name or f"{job.experiment_name}-{uuid.uuid4().hex[:10]}"
    for output in job.outputs:
        job.outputs[output].path = output_path(job.name, output)


def output_path(job: str, output: str) -> str:
    """Return the address of a job's output."""
    return f"{OUTPUTS}/{job}/{output}"


def submit(client: "MLClient", job: Any, is_new: bool = True) -> str:
    """Start a job and return its name.

    Args:
        client: the workspace, or the laptop's emulator of one.
        job: the job, with a name.
        is_new: whether the name is new: then an existing job is ours, started by a request whose answer was lost.
    """
    from azure.core.exceptions import ResourceExistsError

    try:
        return str(client.jobs.create_or_update(job).name)
    except ResourceExistsError:
        if not is_new or find(client, str(job.name)) is None:
            raise
        return str(job.name)


def find(client: "MLClient", name: str) -> str | None:
    """Return the status of a job, None if there is no job of that name.

    A job of a type that the SDK cannot read has the status Unknown.
    """
    from azure.ai.ml.exceptions import JobException, JobParsingError

    try:
        return status_of(client.jobs.get(name))
    except (JobException, JobParsingError):
        return "Unknown"
    except Exception as error:
        if is_missing(error):
            return None
        raise


def status_of(job: Any) -> str:
    """Return a job's status as text: `str()` of the SDK's enumeration is `JobStatus.COMPLETED`."""
    return str(getattr(job.status, "value", job.status) or "NotStarted")


def listed(
    client: "MLClient", parent: str | None = None, limit: int = NEWEST, schedule: str | None = None
) -> Iterator[Any]:
    """Return the newest jobs of the workspace or of a schedule, or a job's children; unreadable jobs are left out."""
    if parent:
        found: Any = client.jobs.list(parent_job_name=parent)
    else:
        # The SDK reads a whole page: a single job of an unknown type, such as Labeling, raises, and the page is lost.
        # This copy reads job by job. If an SDK renames the method, the copy behaves like the original.
        jobs: Any = copy.copy(client.jobs)
        read = getattr(jobs, "_handle_rest_errors", None)
        jobs._handle_rest_errors = lambda job: _read(read, job)
        found = jobs.list(scheduled_job_name=schedule) if schedule else jobs.list()
    return islice((job for job in found if job is not None), limit)


def _read(read: Callable[[Any], Any] | None, job: Any) -> Any:
    try:
        return read(job) if read else job
    except Exception:
        return None


def download_output(client: "MLClient", job: str, output: str, folder: Path) -> Path:
    """Download an output of a job into a folder and return that folder.

    Raises:
        RunFailedError: the output is empty.
    """
    from mlops.storage import blob_path, container

    store, prefix = container(client), f"{blob_path(output_path(job, output))}/"
    if not store.names(prefix):
        raise RunFailedError(
            f"The job {job} left nothing at {output_path(job, output)}: look at its output '{output}' in the studio. "
            "A job that was submitted by hand or by an older version of this project has its outputs elsewhere: "
            "train again."
        )
    store.download(prefix, folder)
    return folder


def created_at(job: Any) -> datetime | None:
    """Return the creation time of a job, None if the job does not give it."""
    created: datetime | None = getattr(getattr(job, "creation_context", None), "created_at", None)
    return created.replace(tzinfo=UTC) if created and created.tzinfo is None else created
