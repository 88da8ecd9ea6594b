"""Opens the workspace's blob storage by identity: it needs neither an account key nor a signed address.

Paths are those within a datastore, such as `modelDataCollector/ENDPOINT/DEPLOYMENT`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.errors import RunFailedError
from mlops.refusals.explain import is_missing
from mlops.workspace import access, flush

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

BLOB_STORE = "workspaceblobstore"
# Azure writes the long form into assets; people and YAML use the short one.
ADDRESS = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/"
    r"(?:providers/Microsoft\.MachineLearningServices/)?workspaces/[^/]+/)?datastores/(?P<store>[^/]+)/paths/(?P<path>.*)",
    re.IGNORECASE | re.DOTALL,
)
AT_ONCE = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A path in a datastore."""

    store: str
    path: str


def place_of(address: str) -> Place:
    """Return the datastore and the path that an `azureml://` address names, in its short or its long form.

    Raises:
        RunFailedError: the address is not that of a datastore.
    """
    found = ADDRESS.fullmatch(address)
    if not found:
        raise RunFailedError(f"{address} is not the address of a datastore: azureml://datastores/NAME/paths/PATH.")
    return Place(found["store"], found["path"].strip("/"))


def blob_path(address: str) -> str:
    """Return the path within its datastore that an `azureml://` address names.

    Raises:
        RunFailedError: the address is not that of a datastore.
    """
    return place_of(address).path


def container(client: "MLClient", store: str = BLOB_STORE) -> "Container":
    """Return a datastore's container, the workspace's default one without a name.

    Raises:
        RunFailedError: the workspace has no such datastore, or it does not hold blobs.
    """

    # The collector may still be writing rows that the laptop's endpoints have just scored.
    flush(client)
    try:
        # Read it without secrets: a workspace may forbid reading them.
        datastore = client.datastores.get(store)
    except Exception as error:
        if is_missing(error):
            raise RunFailedError(
                f"The workspace has no datastore {store}: look at its datastores in the studio."
            ) from error
        raise
    return Container(datastore, access(client))


class Container:
    """A container of Azure's blob storage.

    Args:
        store: the datastore; one of Data Lake Storage answers the same requests, but has another key for its container.
        access: the credential, and perhaps the transport, of requests.

    Raises:
        RunFailedError: the datastore does not hold blobs.
    """

    def __init__(self, store: Any, access: Mapping[str, Any]):
        from azure.storage.blob import ContainerClient

        container = getattr(store, "container_name", None) or getattr(store, "filesystem", None)
        if not container:
            raise RunFailedError(f"The datastore {store.name} is a {store.type}, which does not hold blobs.")
        address = f"{store.protocol or 'https'}://{store.account_name}.blob.{store.endpoint or 'core.windows.net'}"
        self._container = ContainerClient(address, container, **access)

    def names(self, prefix: str) -> list[str]:
        """Return the names of all blobs that start with a prefix, in order."""
        return list(self._container.list_blob_names(name_starts_with=prefix))

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below a prefix that ends with a slash."""
        found = self._container.walk_blobs(name_starts_with=prefix, delimiter="/")
        return [item.name.removeprefix(prefix).rstrip("/") for item in found if item.name.endswith("/")]

    def read(self, name: str) -> bytes:
        """Return a blob's content."""
        return bytes(self._container.download_blob(name).readall())

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Return the content of several blobs, in their order."""
        return _at_once(self.read, names)

    def download(self, prefix: str, folder: Path) -> None:
        """Download every blob below a folder's prefix into a local folder."""
        start = f"{prefix.rstrip('/')}/"
        files = files_among(self.names(start))

        def copy(name: str) -> None:
            target = _within(folder, name.removeprefix(start))
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                self._container.download_blob(name).readinto(stream)

        _at_once(copy, files)


def files_among(names: Sequence[str]) -> list[str]:
    """Return the blobs that are files: Data Lake Storage and some tools also keep a blob for each folder."""
    folders = {name[:end] for name in names for end in range(len(name)) if name[end] == "/"}
    return [name for name in names if not name.endswith("/") and name not in folders]


def _within(folder: Path, name: str) -> Path:
    """Return the local path of a blob.

    Raises:
        RunFailedError: its name leads out of the folder.
    """
    target = (folder / name.lstrip("/")).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise RunFailedError(f"The blob {name} has a name that leads out of its folder: it is not downloaded.")
    return target


def _at_once(work: Callable[[str], T], names: Sequence[str]) -> list[T]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(work, names))
