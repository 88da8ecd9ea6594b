"""Builds, registers and reads the data assets, on the laptop and in the workspace."""

import copy
import hashlib
import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd

from mlops.data.mltables import read_folder
from mlops.data.partition import partition
from mlops.errors import RunFailedError, WrongInputError
from mlops.files import replace_folder
from mlops.paths import LABELLED_DATA, LABELS, PRODUCTION_DATA, ROOT, read_yaml
from mlops.refusals.explain import is_missing
from mlops.storage import container, place_of
from model.contract import ContractError, check_labelled, load_contract
from model.tables import write_mltable

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data

TRIES = 5
UPLOADS = 5
SECONDS_BETWEEN_UPLOADS = 0.5
PRODUCTION_TRUTH = ROOT / "data" / "production_truth"
NEXT_PERIOD = ROOT / "data" / "next_period"


@dataclass(frozen=True)
class BuiltAsset:
    """A registered version of a data asset."""

    name: str
    version: str
    rows: int
    is_new: bool


def build_data(client: "MLClient") -> list[BuiltAsset]:
    """Read, check, partition and register the source's rows; unchanged rows create no new version.

    Raises:
        WrongInputError: the rows do not match the contract. The previous data is unchanged.
    """
    from model.data import load_rows

    contract = load_contract()
    if not _is_there(contract.source):
        raise WrongInputError(f"The source {contract.source} in src/model/contract.yml does not exist.")
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
    # Kept out of the assets: the labels of production rows, and the rows of a later period.
    write_table(parts.production, PRODUCTION_TRUTH)
    write_table(parts.later, NEXT_PERIOD)
    return built


def _is_there(source: str) -> bool:
    """Return whether a function `module:name` exists; an error inside its module is raised unchanged."""
    module, _, name = source.partition(":")
    try:
        return hasattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            return False
        raise


def register_rows(
    client: "MLClient",
    definition: Path,
    rows: pd.DataFrame,
    metadata: dict[str, object] | None = None,
    tags: dict[str, str] | None = None,
) -> BuiltAsset:
    """Register rows and write them to the path in the asset's YAML; unchanged rows create no new version.

    Args:
        client: the workspace.
        definition: the asset's YAML.
        rows: the rows.
        metadata: further keys of the MLTable file.
        tags: further tags of a new version.
    """
    for _ in range(TRIES):
        built = _register_rows(client, definition, rows, metadata or {}, tags or {})
        if built:
            return built
    raise RunFailedError(
        f"Other commands registered {TRIES} versions of {read_yaml(definition)['name']} while this one ran: "
        "run it again when they have ended."
    )


def _register_rows(
    client: "MLClient", definition: Path, rows: pd.DataFrame, metadata: dict[str, object], tags: dict[str, str]
) -> BuiltAsset | None:
    """Register rows as the version after the newest; return None if another command took that version meanwhile."""
    from azure.ai.ml import load_data
    from azure.core.exceptions import ResourceExistsError

    asset = load_data(definition)
    name, folder = str(asset.name), (definition.parent / str(asset.path)).resolve()
    content = hashlib.sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()
    same = next((known for known in versions_of(client, name) if (known.tags or {}).get("content") == content), None)
    version = str(same.version if same else _newest(versions_of(client, name, archived=True)) + 1)
    with _written(rows, folder, {"name": name, "version": version} | metadata) as staging:
        if not same:
            asset.version, asset.tags = version, {"content": content, "rows": str(len(rows)), **tags}
            # Use a separate folder: another command may write to the asset's folder meanwhile.
            asset.path = str(staging)
            try:
                register(client, asset)
            except ResourceExistsError:
                if _newest(versions_of(client, name, archived=True)) < int(version):
                    raise  # the conflict is not about that version
                return None
        replace_folder(staging, folder)
    return BuiltAsset(name, version, len(rows), is_new=same is None)


def register(client: "MLClient", asset: "Data") -> None:
    """Register a version of a data asset, without downloading the schema with which the SDK checks an MLTable file.

    The schema is outside Azure: behind a firewall the SDK waits five seconds for it, then continues without it.
    """
    from azure.core.exceptions import ResourceExistsError

    # If another version of the SDK lacks this method, the copy behaves like the original.
    data: Any = copy.copy(client.data)
    data._try_get_mltable_metadata_jsonschema = lambda _: None
    # The SDK ends each upload with an empty line and colour codes.
    with redirect_stderr(io.StringIO()):
        for left in reversed(range(UPLOADS)):
            try:
                data.create_or_update(asset)
                return
            except ResourceExistsError as error:
                # Another command uploads the same content at this moment: the SDK then finds it there.
                if getattr(error, "error_code", None) != "BlobAlreadyExists" or not left:
                    raise
                time.sleep(SECONDS_BETWEEN_UPLOADS)


def versions_of(client: "MLClient", name: str, archived: bool = False) -> list["Data"]:
    """Return a data asset's numbered versions, none if it does not exist; versions with other names are left out.

    Args:
        client: the workspace, or the laptop's emulator of one.
        name: the asset's name.
        archived: whether to include archived versions, whose numbers remain taken.
    """
    from azure.ai.ml.constants import ListViewType

    view = ListViewType.ALL if archived else ListViewType.ACTIVE_ONLY
    try:
        return [known for known in client.data.list(name=name, list_view_type=view) if _is_number(str(known.version))]
    except Exception as error:
        if is_missing(error):
            return []
        raise


def newest_version(client: "MLClient", name: str) -> str | None:
    """Return a data asset's newest version."""
    newest = max(versions_of(client, name), key=lambda data: int(str(data.version)), default=None)
    return None if newest is None else str(newest.version)


def _newest(versions: list["Data"]) -> int:
    return max((int(str(known.version)) for known in versions), default=0)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


def read_asset(client: "MLClient", name: str, version: str) -> pd.DataFrame:
    """Download the files of an MLTable asset and read it.

    Outside a job `mltable` cannot open a datastore by itself: on a runner it waits for a person to enter a code.

    Raises:
        RunFailedError: there is no such version, or its files are missing or unreadable.
    """
    try:
        data = client.data.get(name, version=version)
    except Exception as error:
        if is_missing(error):
            raise RunFailedError(f"Version {version} of the data asset {name} no longer exists.") from error
        raise
    address = str(data.path)
    if "://" not in address:
        return read_folder(Path(str(data.base_path)) / address, f"{name}:{version}")
    place = place_of(address)
    store = container(client, place.store)
    with tempfile.TemporaryDirectory() as folder:
        # Some tools write an address as a URL, with %20 for a space.
        for path in dict.fromkeys((place.path, unquote(place.path))):
            store.download(path, Path(folder))
            if any(Path(folder).iterdir()):
                break
        return read_folder(Path(folder), f"{name}:{version}", address)


def write_table(rows: pd.DataFrame, folder: Path, metadata: dict[str, object] | None = None) -> None:
    """Replace a table's folder atomically; commands that write at the same time each write to a folder of their own."""
    with _written(rows, folder.resolve(), metadata or {}) as staging:
        replace_folder(staging, folder.resolve())


@contextmanager
def _written(rows: pd.DataFrame, target: Path, metadata: dict[str, object]) -> Iterator[Path]:
    """Write a table beside its target folder: a folder can only be moved within one file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as staging:
        write_mltable(rows, Path(staging) / target.name, metadata)
        yield Path(staging) / target.name
