"""The model registry on the laptop: MLflow's own file store, which the pipeline's steps register in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from azure.ai.ml.entities import Model
from azure.core.exceptions import ResourceNotFoundError


class ModelOperations:
    """`ml_client.models`."""

    def __init__(self, tracking_uri: str):
        self._tracking_uri = tracking_uri

    def list(self, name: str | None = None, **_: Any) -> Iterator[Model]:
        """Return every version of a model, the newest first."""
        found = self._client().search_model_versions(f"name='{name}'" if name else "")
        for version in sorted(found, key=lambda item: int(item.version), reverse=True):
            yield _entity(version)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        """Return one version.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        wanted = None if label == "latest" else version
        found = next((model for model in self.list(name) if wanted in (None, str(model.version))), None)
        if found is None:
            raise ResourceNotFoundError(f"There is no model {name}{f' with version {wanted}' if wanted else ''}.")
        return found

    def create_or_update(self, model: Model) -> Model:
        """Update the tags of a registered version."""
        model._to_rest_object()
        self.get(str(model.name), str(model.version))
        for key, value in (model.tags or {}).items():
            self._client().set_model_version_tag(model.name, str(model.version), key, value)
        return self.get(str(model.name), str(model.version))

    def download(self, name: str, version: str, download_path: Path | str = ".") -> None:
        """Copy a version's files to `<download_path>/<name>`."""
        import shutil

        source = Path(str(self.get(name, version).path))
        shutil.copytree(source, Path(download_path) / name / source.name, dirs_exist_ok=True)

    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self._tracking_uri)


def _entity(version: Any) -> Model:
    path = url2pathname(urlparse(version.source).path)
    return Model(
        name=version.name, version=str(version.version), path=path, type="mlflow_model", tags=dict(version.tags)
    )
