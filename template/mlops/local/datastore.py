"""Where the addresses of Azure ML lead on a laptop: assets, datastore paths, job outputs and components."""

import re
from pathlib import Path
from typing import Any

from mlops.local.assets import ComponentOperations, DataOperations, local_path

ID = re.compile(r"/subscriptions/.*/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")


class Datastore:
    """The workspace's storage, a folder."""

    def __init__(self, state: Path, data: DataOperations, components: ComponentOperations):
        self._state, self._data, self._components = state, data, components

    def resolve(self, address: str) -> Path:
        """Return the folder or file that an asset's id or name, or an `azureml://` address, stands for.

        Raises:
            ResourceNotFoundError: there is no such asset.
        """
        if not is_asset(address):
            return local_path(self._state, address)
        name, version = split_reference(address)
        return self._data.content(self._data.get(name, version, label=None if version else "latest"))

    def collected(self, endpoint: str, deployment: str, collection: str) -> Path:
        """Return the folder that a deployment's collection is written to."""
        return self.resolve(
            f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{endpoint}/{deployment}/{collection}"
        )

    def frozen(self, reference: str) -> str:
        """Return a data asset's reference with the version that `@latest` means now; what is no asset stays as it is.

        Raises:
            ResourceNotFoundError: there is no such asset.
        """
        if not is_asset(reference):
            return reference
        name, version = split_reference(reference)
        data = self._data.get(name, version, label=None if version else "latest")
        return reference if version else f"azureml:{name}:{data.version}"

    def component(self, reference: str) -> Any:
        """Return a registered component.

        Raises:
            ResourceNotFoundError: it was never registered with that version.
        """
        name, version = split_reference(reference)
        return self._components.get(name, version)


def is_asset(address: str) -> bool:
    """Return whether an address is an asset's id, or its name with a version or a label."""
    return ID.fullmatch(address.removeprefix("azureml:")) is not None or (
        address.startswith("azureml:") and not address.startswith("azureml://")
    )


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return name and version of an id or of `azureml:name:version`, or no version for `@latest`."""
    found = ID.fullmatch(reference.removeprefix("azureml:"))
    if found:
        return found["name"], found["version"]
    name, _, version = reference.removeprefix("azureml:").replace("@latest", "").partition(":")
    return name, version or None
