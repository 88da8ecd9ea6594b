"""Scores rows with the batch endpoint."""

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from azure.ai.ml import Input, Output
from azure.ai.ml.constants._endpoint import EndpointInvokeFields

from mlops.errors import RunFailedError
from mlops.jobs.following import follow

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

SCORED = "azureml://datastores/workspaceblobstore/paths/scored"


def score_folder(client: "MLClient", endpoint: str, rows: pd.DataFrame, hour: str) -> None:
    """Score rows and write the results to the scored folder's `hour`, which the monitor reads.

    Raises:
        RunFailedError: the scoring failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows.to_json(Path(folder) / "rows.jsonl", orient="records", lines=True, force_ascii=False)
        target = f"{SCORED}/{endpoint}/{hour}/{uuid.uuid4().hex}.jsonl"
        try:
            follow(client, invoke(client, endpoint, Path(folder), target))
        except RunFailedError as error:
            raise RunFailedError(f"The batch endpoint {endpoint} could not score the rows. {error}") from error


def invoke(client: "MLClient", endpoint: str, rows: Path, target: str, deployment: str | None = None) -> str:
    """Score a folder of rows into a file of the workspace's store and return the job's name.

    Raises:
        RunFailedError: the endpoint refused with an answer that the SDK cannot read.
    """
    try:
        job = client.batch_endpoints.invoke(
            endpoint_name=endpoint,
            deployment_name=deployment,
            input=Input(type="uri_folder", path=str(rows)),
            outputs={"score": Output(type="uri_file", path=target)},
        )
    except (AttributeError, TypeError) as error:
        # The SDK raises these for status 408 and for an error that is plain text.
        raise RunFailedError(f"The batch endpoint {endpoint} refused to start a job: {error}") from error
    finally:
        # The SDK would send the deployment's name with every later request of this process.
        EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)
    return str(job.name)


def default_deployment(endpoint: Any) -> str | None:
    """Return the name of a batch endpoint's default deployment, None without one."""
    defaults = endpoint.defaults or {}
    name = defaults.get("deployment_name") if isinstance(defaults, dict) else defaults.deployment_name
    return str(name) if name else None
