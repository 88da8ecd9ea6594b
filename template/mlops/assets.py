"""Builds the data assets: labelled rows, the production rows held out from them, and the drift to come."""

import hashlib
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mlops.errors import RunFailedError, WrongInputError
from mlops.files import replace_folder
from mlops.project import LABELLED_DATA, LABELS, PRODUCTION_DATA, ROOT
from mlops.refusals import is_missing
from mlops.storage import container, place_of
from model.contract import Contract, ContractError, check_labelled, load_contract
from model.split import split
from model.tables import read_mltable, write_mltable

if TYPE_CHECKING:
    from azure.ai.ml.entities import Data

    from mlops.client import Client

PRODUCTION_SHARE = 0.3
TO_COME = ROOT / "data" / "to_come"
LATER = ROOT / "data" / "later"


@dataclass(frozen=True)
class Partition:
    """The source's rows by when the project meets them; all carry labels, which production learns only later."""

    labelled: pd.DataFrame
    production: pd.DataFrame
    later: pd.DataFrame


@dataclass(frozen=True)
class BuiltAsset:
    """A data asset as it stands in the registry."""

    name: str
    version: str
    rows: int
    is_new: bool


def build_data(client: "Client") -> list[BuiltAsset]:
    """Read, check and partition the source's rows and register them; the same rows make no second version.

    Raises:
        WrongInputError: the rows do not keep the contract. The previous data stays as it was.
    """
    from model.data import load_rows

    contract = load_contract()
    if not _is_there(contract.source):
        raise WrongInputError(f"There is no {contract.source}, which src/model/contract.yml names as the rows' source.")
    try:
        parts = partition(check_labelled(load_rows(contract), contract), contract)
    except ContractError as error:
        raise WrongInputError(str(error)) from error
    without_labels = [contract.id_column, *([contract.time_column] if contract.time_column else []), *contract.features]
    labels = parts.labelled[[contract.id_column, contract.target]]
    built = [
        register_rows(client, LABELLED_DATA, parts.labelled),
        register_rows(client, LABELS, labels),
        register_rows(client, PRODUCTION_DATA, parts.production[without_labels]),
    ]
    # What nobody knows yet: the labels of production rows, and the rows of a later period.
    write_table(parts.production, TO_COME)
    write_table(parts.later, LATER)
    return built


def _is_there(source: str) -> bool:
    """Tell whether a function `module:name` can be found; a fault inside its module is raised as it is."""
    module, _, name = source.partition(":")
    try:
        return hasattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            return False
        raise


def partition(rows: pd.DataFrame, contract: Contract) -> Partition:
    """Keep later rows apart and hold production rows out of the rest at random, by a hash of the identifier.

    Raises:
        ContractError: a time that is none, or too few rows for every part to have some.
    """
    later = _is_later(rows, contract)
    labelled, production = split(rows[~later], rows.loc[~later, contract.id_column], PRODUCTION_SHARE, "production")
    if labelled.empty or production.empty:
        raise ContractError(f"{len(rows)} rows are too few to keep some of them apart as production.")
    return Partition(labelled, production, rows[later])


def _is_later(rows: pd.DataFrame, contract: Contract) -> pd.Series:
    if not contract.time_column:
        return pd.Series(False, index=rows.index)
    times = pd.to_datetime(rows[contract.time_column], utc=True, errors="coerce", format="ISO8601")
    if times.isna().any():
        first = rows.loc[times.isna(), contract.time_column].iloc[0]
        raise ContractError(
            f"The column '{contract.time_column}' has {first!r}, which is no date or time such as 2026-11-23T09:00."
        )
    if not contract.training_until:
        return pd.Series(False, index=rows.index)
    return times >= pd.Timestamp(contract.training_until, tz="UTC") + pd.Timedelta(days=1)


def register_rows(
    client: "Client",
    definition: Path,
    rows: pd.DataFrame,
    metadata: dict[str, object] | None = None,
    tags: dict[str, str] | None = None,
) -> BuiltAsset:
    """Write rows where the asset's YAML points and register them: a new version unless one holds the same rows.

    Args:
        client: the workspace.
        definition: the asset's YAML.
        rows: its content.
        metadata: what the MLTable file says besides.
        tags: what a new version is tagged with besides.
    """
    from azure.ai.ml import load_data

    asset = load_data(definition)
    name = str(asset.name)
    content = hashlib.sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()
    versions = versions_of(client, name)
    same = next((known for known in versions if (known.tags or {}).get("content") == content), None)
    newest = max((int(str(known.version)) for known in versions), default=0)
    version = str(same.version if same else newest + 1)
    asset.version = version
    asset.tags = {"content": content, "rows": str(len(rows)), **(tags or {})}
    folder = definition.parent / str(asset.path)
    write_table(rows, folder, {"name": name, "version": version} | (metadata or {}))
    if not same:
        client.data.create_or_update(asset)
    return BuiltAsset(name, version, len(rows), is_new=same is None)


def versions_of(client: "Client", name: str) -> list["Data"]:
    """Return a data asset's numbered versions, none if it does not exist yet; other versions are somebody else's."""
    try:
        return [known for known in client.data.list(name=name) if str(known.version).isdecimal()]
    except Exception as error:
        if is_missing(error):
            return []
        raise


def newest_version(client: "Client", name: str) -> str | None:
    """Return a data asset's newest version."""
    newest = max((int(str(data.version)) for data in versions_of(client, name)), default=None)
    return None if newest is None else str(newest)


def read_asset(client: "Client", name: str, version: str) -> pd.DataFrame:
    """Read an MLTable asset: its files are copied here first.

    `mltable` cannot open a datastore by itself outside of a job: on a runner it waits for a person to type a code.

    Raises:
        RunFailedError: the asset's files are gone, or there is no MLTable file among them.
    """
    data = client.data.get(name, version=version)
    address = str(data.path)
    if not address.startswith("azureml:"):
        return read_mltable(Path(str(data.base_path)) / address)
    place = place_of(address)
    with tempfile.TemporaryDirectory() as folder:
        container(client, place.store).download(place.path, Path(folder))
        if not (Path(folder) / "MLTable").exists():
            raise RunFailedError(
                f"The data asset {name}:{version} has no MLTable file in {address}: its files were deleted or moved. "
                "Register the next version with `mlops data` or a retraining."
            )
        return read_mltable(Path(folder))


def write_table(rows: pd.DataFrame, folder: Path, metadata: dict[str, object] | None = None) -> None:
    """Replace a table's folder at once; commands that write at the same time each have a folder to write in."""
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as staging:
        write_mltable(rows, Path(staging) / target.name, metadata or {})
        replace_folder(Path(staging) / target.name, target)
