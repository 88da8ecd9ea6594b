"""Where the addresses of Azure ML lead on a laptop: assets, datastore paths, job outputs and components."""

from pathlib import Path
from typing import Any

from azure.ai.ml import load_component

from mlops.local.assets import DataOperations, local_path
from mlops.project import ROOT


class Datastore:
    """The workspace's storage, a folder."""

    def __init__(self, state: Path, data: DataOperations):
        self._state, self._data = state, data

    def resolve(self, address: str) -> Path:
        """Return the folder or file that an `azureml:` or `azureml://` address names.

        Raises:
            ResourceNotFoundError: there is no such asset.
        """
        if not address.startswith("azureml:") or address.startswith("azureml://"):
            return local_path(self._state, address)
        name, version = split_reference(address)
        return self._data.content(self._data.get(name, version, label=None if version else "latest"))

    def collected(self, endpoint: str, deployment: str, collection: str) -> Path:
        """Return the folder that a deployment's collection is written to."""
        return self.resolve(
            f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{endpoint}/{deployment}/{collection}"
        )

    def component(self, reference: str) -> Any:
        """Return the component of this project that a reference names."""
        name, _ = split_reference(reference)
        return load_component(ROOT / "components" / f"{name}.yml")


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return name and version of `azureml:name:version`, or no version for `@latest`."""
    name, _, version = reference.removeprefix("azureml:").replace("@latest", "").partition(":")
    return name, version or None
