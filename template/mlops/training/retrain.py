"""Creates the next training data from labelled production rows and trains on it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops.console import warn
from mlops.data.assets import newest_version, read_asset, register, register_rows
from mlops.data.collected import SCORED_AT, scored_rows
from mlops.data.production import deliver_labels
from mlops.errors import WrongInputError
from mlops.monitoring.schedule import last_window, rebind_labels
from mlops.paths import LABELLED_DATA, LABELS, read_yaml
from mlops.training.pipeline import TrainingResult, train
from mlops.workspace import is_local, now
from model.contract import Contract, ContractError, cast, check_labelled, load_contract

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

LOOKBACK = timedelta(days=30)
# The tag of a data version that a retraining created: the name of the job that completed on it.
TRAINED, NOT_YET = "trained", "not yet"


def retrain(client: "MLClient", job_name: str | None = None) -> TrainingResult:
    """Register the old rows and the newly labelled ones as the next data version, and train on it.

    Raises:
        WrongInputError: there are no labels of new rows; the same rows would give the same model.
        RunFailedError: a step of the pipeline failed.
    """
    contract, end = load_contract(), now(client)
    if is_local(client):
        # Simulated production keeps its labels in a folder of the checkout. On Azure your own system registers labels.
        deliver_labels(client)
    rebind_labels(client)
    window = last_window(client)
    start = window[0] if window else end - timedelta(days=1)
    name = str(read_yaml(LABELLED_DATA)["name"])
    version = newest_version(client, name)
    if version is None:
        raise WrongInputError(f"There is no data asset {name} yet: run `mlops data` first.")
    old = read_asset(client, name, version)
    new, newest = newly_labelled(client, contract, old, start, end)
    if new.empty and _is_untrained(client, name, version):
        warn(f"{name}:{version} is from a retraining that did not complete: training on it now.")
    elif new.empty:
        raise WrongInputError(
            "No new labels since the last training: retraining on the same rows would give the same model. "
            "Register the labels that have come in as the next version of the data asset "
            f"{read_yaml(LABELS)['name']}, then run `mlops retrain` again."
        )
    else:
        try:
            rows = check_labelled(pd.concat([old, new], ignore_index=True), contract)
        except ContractError as error:
            raise WrongInputError(f"The newly labelled rows do not match the contract. {error}") from error
        metadata: dict[str, object] = {"newest_rows": newest or len(new)}
        version = register_rows(client, LABELLED_DATA, rows, metadata, {TRAINED: NOT_YET}).version
    result = train(client, job_name)
    _mark_trained(client, name, version, result.job)
    return result


def _is_untrained(client: "MLClient", name: str, version: str) -> bool:
    """Return whether a data version is from a retraining that has not completed: it failed or was killed."""
    return (client.data.get(name, version=version).tags or {}).get(TRAINED) == NOT_YET


def _mark_trained(client: "MLClient", name: str, version: str, job: str) -> None:
    data: Any = client.data.get(name, version=version)
    if (data.tags or {}).get(TRAINED) == NOT_YET:
        data.tags = {**data.tags, TRAINED: job}
        register(client, data)


def newly_labelled(
    client: "MLClient", contract: Contract, old: pd.DataFrame, start: datetime, end: datetime
) -> tuple[pd.DataFrame, int]:
    """Return scored rows with new labels, the newest window's last, and their number.

    Raises:
        WrongInputError: no labels were ever registered.
    """
    labels = read_labels(client, contract)
    scored = scored_rows(client, contract, start - LOOKBACK, end).drop_duplicates(contract.id_column)
    rows = scored.merge(labels, on=contract.id_column)
    rows = rows[~rows[contract.id_column].isin(old[contract.id_column])]
    in_window = pd.to_datetime(rows[SCORED_AT], utc=True, format="ISO8601") >= start
    ordered = pd.concat([rows[~in_window], rows[in_window]])
    if contract.time_column:
        ordered = ordered.rename(columns={SCORED_AT: contract.time_column})
    return ordered[[name for name in old if name in ordered]], int(in_window.sum())


def read_labels(client: "MLClient", contract: Contract) -> pd.DataFrame:
    """Return the newest labels, one for each identifier: for a corrected label, the last one.

    Raises:
        WrongInputError: no labels were ever registered, or their newest version does not match the contract.
    """
    name = str(read_yaml(LABELS)["name"])
    newest = newest_version(client, name)
    if newest is None:
        raise WrongInputError(f"There is no data asset {name} yet: run `mlops data` first.")
    columns = [contract.id_column, contract.target]
    try:
        labels = cast(read_asset(client, name, newest), contract, columns)
    except ContractError as error:
        raise WrongInputError(f"The labels in {name}:{newest} do not match the contract. {error}") from error
    # The table may include rows whose label is not known yet.
    return labels.dropna(subset=columns).drop_duplicates(contract.id_column, keep="last")
