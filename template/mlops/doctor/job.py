"""Submits the job that looks around inside, and turns the entries that its steps wrote into lines."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_job

from mlops.data.assets import newest_version
from mlops.data.collected import FOLDER
from mlops.doctor.answers import Expected, lines_of
from mlops.doctor.deployment import newest_hour
from mlops.doctor.examination import Check
from mlops.doctor.lines import Line, not_known, ok, problem
from mlops.errors import RunFailedError, WrongInputError
from mlops.jobs.jobs import download_output, prepare, submit
from mlops.jobs.watching import COMPLETED, Progress, watch
from mlops.paths import BATCH_ENDPOINT, LABELLED_DATA, LOOK_AROUND, ONLINE_ENDPOINT, TRAINING_ENVIRONMENT, read_yaml
from mlops.refusals.explain import explained, is_missing, is_passing, refusal_of
from mlops.storage import BLOB_STORE, container
from mlops.training.environments import register_environment
from mlops.workspace import is_local

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FILE = "lines.json"
# The tag for which the second step waits: src/model/look_around.py has the same.
TAG = {"look_around": "seen"}
BY_AZURE = "tag by Azure's API"
LOG = "Open the log of the step in the studio (`Outputs + logs`), and search for its message in docs/troubleshooting.md"

Show = Callable[[Iterable[Progress]], Progress]


def inside(show: Show) -> Check:
    """Return the check that runs the job; `show` goes through the job's progress and returns the last look."""
    return Check("job that looks around", lambda client: look_around(client, show))


def look_around(client: "MLClient", show: Show) -> list[Line]:
    """Run the job, and return a line for each of its looks.

    Args:
        client: the workspace.
        show: goes through the job's progress, and returns the last look.

    Raises:
        WrongInputError: there is no data asset yet.
    """
    job, hour = _prepared(client)
    model = str(read_yaml(LOOK_AROUND)["inputs"]["model_name"])
    name = submit(client, job)
    tagging = _Tagging(client, model, name)
    last = show(tagging.during(watch(client, name)))
    expected = Expected("file" if is_local(client) else "azureml", has_rows=bool(hour), has_tag=tagging.is_set)
    lines = []
    for output in job.outputs:
        lines += _lines(client, name, output, last, expected)
    return [*lines, *tagging.lines(), *_left_over(client, model, name)]


def _prepared(client: "MLClient") -> tuple[Any, str]:
    """Return the job with the values of this run, and the folder of the newest hour of production rows, if any."""
    asset = str(read_yaml(LABELLED_DATA)["name"])
    newest = newest_version(client, asset)
    if newest is None:
        raise WrongInputError(f"There is no data asset {asset} yet: run `mlops data` first.")
    job: Any = load_job(LOOK_AROUND)
    prepare(job)
    job.inputs["data"].path = f"azureml:{asset}:{newest}"
    environment = register_environment(client, TRAINING_ENVIRONMENT)
    for step in job.jobs.values():
        if step.type == "command":
            step.component.environment = environment
    hour = _newest_folder(client) if "rows" in job.inputs else ""
    if hour:
        job.inputs["rows"].path = f"azureml://datastores/{BLOB_STORE}/paths/{hour}"
    return job, hour


def _newest_folder(client: "MLClient") -> str:
    """Return the folder of the newest hour with production rows, empty if there is none."""
    store = container(client)
    if ONLINE_ENDPOINT.exists():
        endpoint = f"{FOLDER}/{read_yaml(ONLINE_ENDPOINT)['name']}"
        folders = [f"{endpoint}/{deployment}/model_inputs" for deployment in store.folders(f"{endpoint}/")]
    else:
        folders = [f"scored/{read_yaml(BATCH_ENDPOINT)['name']}"]
    hours = {folder: hour for folder in folders if (hour := newest_hour(store, folder))}
    newest = max(hours, key=hours.__getitem__, default="")
    return f"{newest}/{hours[newest]:%Y/%m/%d/%H}" if newest else ""


def _lines(client: "MLClient", job: str, output: str, last: Progress, expected: Expected) -> list[Line]:
    """Return the lines of one step, or one line if it left no entries."""
    step = f"step of {output}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            entries = json.loads((download_output(client, job, output, Path(folder)) / FILE).read_text("utf-8"))
            return lines_of(entries, expected)
        except RunFailedError:
            found = f"it left no entries; the job {job} ended as {last.status}"
        except (OSError, ValueError, KeyError, TypeError):
            found = f"its entries cannot be read; the job {job} ended as {last.status}"
        except Exception as error:
            if refusal_of(error) is None:
                raise
            return [not_known(step, "its entries were not read", str(explained(error)))]
    if output != "first_lines" and last.status != COMPLETED:
        return [not_known(step, found, f"It may have waited for a step that failed. {LOG}")]
    return [
        problem(
            step,
            found,
            f"Its image was not built, or its data could not be mounted: the job's identity needs Storage Blob Data "
            f"Contributor on the workspace's storage. {LOG}",
        )
    ]


class _Tagging:
    """Sets a tag of the model that the job registers, as soon as Azure's API shows the model."""

    def __init__(self, client: "MLClient", model: str, job: str):
        self._client, self._model, self._job = client, model, job
        self._refusal: Exception | None = None
        self._ended = False
        self.is_set = False

    def during(self, looks: Iterable[Progress]) -> Iterator[Progress]:
        """Yield a job's progress, and look for its model at each look."""
        for progress in looks:
            if not self._ended:
                self._try()
            yield progress

    def lines(self) -> Iterator[Line]:
        """Yield whether the tag could be set."""
        if self.is_set:
            yield ok(BY_AZURE, "the model that MLflow registered shows, with its tags, and got another one")
        elif self._refusal:
            yield not_known(BY_AZURE, "it was not set", str(explained(self._refusal)))
        else:
            yield not_known(
                BY_AZURE, "it was not set: the model did not show", "Look at the line about its registration"
            )

    def _try(self) -> None:
        try:
            registered = _registered(self._client, self._model, self._job)
            if registered is not None:
                registered.tags = {**registered.tags, **TAG}
                self._client.models.create_or_update(registered)
                self._ended = self.is_set = True
        except Exception as error:
            if refusal_of(error) is None:
                raise
            self._refusal, self._ended = error, not is_passing(error)


def _registered(client: "MLClient", model: str, job: str) -> Any:
    """Return the version that a job registered, None if there is none."""
    try:
        versions: list[Any] = list(client.models.list(name=model))
    except Exception as error:
        if not is_missing(error):
            raise
        return None
    return next((version for version in versions if (version.tags or {}).get("job") == job), None)


def _left_over(client: "MLClient", model: str, job: str) -> Iterator[Line]:
    """Yield a line if the model is still registered."""
    try:
        version = _registered(client, model, job)
    except Exception as error:
        if refusal_of(error) is None:
            raise
        return
    if version is not None:
        yield problem(
            f"model {model}",
            f"version {version.version} was not deleted",
            f"Archive it: `az ml model archive -n {model} -v {version.version}`",
        )
