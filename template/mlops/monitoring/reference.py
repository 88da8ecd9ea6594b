"""The reference data of a model version, with which its monitor compares."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from azure.ai.ml import load_data

from mlops.data.assets import read_asset, register
from mlops.errors import WrongInputError
from mlops.jobs.jobs import output_path
from mlops.paths import REFERENCE_DATA, read_yaml
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def register_reference(client: "MLClient", model: Any) -> None:
    """Register the reference that a model version's training job wrote, under the model's version.

    Raises:
        WrongInputError: the version was not registered by the training pipeline.
    """
    name, version = str(read_yaml(REFERENCE_DATA)["name"]), str(model.version)
    try:
        client.data.get(name, version=version)
    except Exception as error:
        if not is_missing(error):
            raise
        job = (model.tags or {}).get("job")
        if not job:
            raise WrongInputError(
                f"Version {version} of {model.name} has no tag `job`, which names the job that wrote its reference: "
                "a version that the training pipeline did not register cannot be monitored."
            ) from None
        data = load_data(REFERENCE_DATA)
        data.version = version
        data.path = output_path(job, "reference")
        register(client, data)


def read_reference(client: "MLClient", version: str) -> pd.DataFrame:
    """Return the rows that the monitor of a model version compares with."""
    return read_asset(client, str(read_yaml(REFERENCE_DATA)["name"]), version)
