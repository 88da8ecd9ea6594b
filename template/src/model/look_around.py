"""Looks around inside a job on Azure, for what cannot be seen from outside: data, MLflow and the model registry.

There are two steps, because what one writes another has to read. Each writes `lines.json`, one entry for each look.
People send these entries to others, so they hold no row, no name of a person or resource, and no message of an error:
the step's own log has the whole error.
"""

import argparse
import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FILE = "lines.json"
# `mlops doctor --job` sets this tag with Azure's own API while the job runs, and the second step waits for it.
TAG, SEEN = "look_around", "seen"
WAIT_SECONDS = 180
MISSING = "look-around-no-such-model"
WRITTEN = {"number": [0.5, 2.0], "code": ["1", "02"]}


class Lines:
    """The entries of one step. They are written after each look, so that a step that is killed leaves those it has."""

    def __init__(self, folder: Path):
        self._file = folder / FILE
        self._entries: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def look(self, name: str, question: Callable[[], str]) -> bool:
        """Ask a question, write its answer or the kind of its error, and return whether there was an answer."""
        started = time.perf_counter()
        try:
            found, is_ok = question(), True
        except Exception as error:  # whatever is wrong, the other questions are asked too
            traceback.print_exc()
            found, is_ok = kind_of(error), False
        seconds = round(time.perf_counter() - started, 1)
        self._entries.append({"look": name, "ok": is_ok, "found": found, "seconds": seconds})
        self._file.write_text(json.dumps(self._entries, indent=1), encoding="utf-8")
        return is_ok


class UnexpectedError(Exception):
    """An answer that this project does not expect; its message is made of this file's own words."""


def kind_of(error: Exception) -> str:
    """Return the class, the code and the status of an error; its message may name a person or hold a row."""
    if isinstance(error, UnexpectedError):
        return str(error)
    code = getattr(error, "error_code", None)
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return " ".join(str(part) for part in (type(error).__name__, code, status) if part)


def import_plugin() -> str:
    """Import the package that connects MLflow with Azure ML."""
    import azureml.mlflow
    import mlflow

    return f"azureml-mlflow {azureml.mlflow.__version__}, MLflow {mlflow.__version__}"


def tracking_scheme() -> str:
    """Return the kind of the tracking server; the rest of its address names the workspace."""
    import mlflow

    return str(mlflow.get_tracking_uri()).partition(":")[0]


def log_metric() -> str:
    """Log a metric and read it back."""
    import mlflow

    with mlflow.start_run() as run:
        mlflow.log_metric(TAG, 1.0)
    if mlflow.MlflowClient().get_run(run.info.run_id).data.metrics.get(TAG) != 1.0:
        raise UnexpectedError("the metric was logged, but it is not in the run")
    return "logged and read back"


def search_missing() -> str:
    """Search for a model that does not exist, and return what the registry says."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        found = len(MlflowClient().search_model_versions(f"name='{MISSING}'"))
    except MlflowException as error:
        return str(error.error_code)
    return f"{found} versions, no error"


def read_data(folder: Path) -> str:
    """Read the labelled rows as the training does."""
    from model.tables import read_mltable

    if read_mltable(folder).empty:
        raise UnexpectedError("the table has no rows")
    return "read"


def write_table(folder: Path) -> str:
    """Write a table for the second step."""
    import pandas as pd

    from model.tables import write_mltable

    write_mltable(pd.DataFrame(WRITTEN), folder, {})
    return "written"


def read_table(folder: Path) -> str:
    """Read the table of the first step."""
    from model.tables import read_mltable

    rows = read_mltable(folder)
    if rows.to_dict("list") != WRITTEN:
        raise UnexpectedError("the table has other values or types than those that were written")
    return "read, with the same values"


def register_model(name: str) -> str:
    """Register a model of two lines as the training does."""
    import mlflow
    import mlflow.sklearn
    from sklearn.dummy import DummyRegressor

    with TemporaryDirectory() as folder, mlflow.start_run() as run:
        files = Path(folder) / "model"
        model = DummyRegressor(strategy="constant", constant=1.0).fit([[0.0]], [1.0])
        mlflow.sklearn.save_model(model, files, pip_requirements=["scikit-learn"])
        mlflow.log_artifacts(str(files), "model")
        tags = {"job": os.environ.get("AZUREML_ROOT_RUN_ID", run.info.run_id)}
        version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name, tags=tags)
    return f"version {version.version}"


def find_version(name: str, found: list[str]) -> str:
    """Find the version that the first step of this job registered, and add it to a list."""
    from mlflow import MlflowClient

    job = os.environ.get("AZUREML_ROOT_RUN_ID")
    versions = MlflowClient().search_model_versions(f"name='{name}'")
    found += [str(version.version) for version in versions if version.tags.get("job") == job]
    if not found:
        raise UnexpectedError("no version has the tag that it was registered with")
    return "shows"


def wait_for_tag(name: str, version: str) -> str:
    """Wait until the tag that was set with Azure's own API shows in MLflow."""
    from mlflow import MlflowClient

    started = time.monotonic()
    while MlflowClient().get_model_version(name, version).tags.get(TAG) != SEEN:
        if time.monotonic() - started > WAIT_SECONDS:
            raise UnexpectedError(f"it did not show within {WAIT_SECONDS} seconds")
        time.sleep(1)
    return "shows"


def load_model(name: str, version: str) -> str:
    """Load the model and predict with it."""
    import mlflow.sklearn

    if mlflow.sklearn.load_model(f"models:/{name}/{version}").predict([[0.0]]).tolist() != [1.0]:
        raise UnexpectedError("it predicts something else")
    return "loaded"


def delete_model(name: str, version: str) -> str:
    """Delete the version."""
    from mlflow import MlflowClient

    MlflowClient().delete_model_version(name, version)
    return "deleted"


def first_step(lines: Lines, data: Path, table: Path, name: str) -> None:
    """Look at the packages, the tracking server, the data and the registry."""
    lines.look("plugin", import_plugin)
    lines.look("tracking", tracking_scheme)
    lines.look("metric", log_metric)
    lines.look("missing model", search_missing)
    lines.look("data", lambda: read_data(data))
    lines.look("table written", lambda: write_table(table))
    lines.look("registered", lambda: register_model(name))


def second_step(lines: Lines, table: Path, name: str) -> None:
    """Read what the first step wrote, and delete the model that it registered."""
    lines.look("table read", lambda: read_table(table))
    found: list[str] = []
    if lines.look("found", lambda: find_version(name, found)):
        lines.look("tag", lambda: wait_for_tag(name, found[0]))
        lines.look("loaded", lambda: load_model(name, found[0]))
        lines.look("deleted", lambda: delete_model(name, found[0]))


def main() -> None:
    """Run one of the steps: the first reads the labelled rows, the second has none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="MLTable of labelled rows; the second step has none")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--lines", type=Path, required=True)
    arguments = parser.parse_args()

    lines = Lines(arguments.lines)
    if arguments.data:
        first_step(lines, arguments.data, arguments.table, arguments.model_name)
    else:
        second_step(lines, arguments.table, arguments.model_name)


if __name__ == "__main__":
    main()
