"""Reads and tags the model versions in MLflow's file store, without MLflow: its import takes seconds.

The store is the workspace's tracking server: the steps of jobs register models in it through MLflow. Its layout is that
of `mlflow.store.model_registry.file_store` in MLflow 2: `models/NAME/version-N/meta.yaml` and `tags/KEY`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml

from azureml_emulator.errors import EmulatorError
from azureml_emulator.files import write_text

# MLflow's file store keeps the folder of a deleted version, in this stage.
DELETED = "Deleted_Internal"


@dataclass(frozen=True)
class Version:
    """A registered model version: the folder of its files, the run that registered it, and its tags."""

    name: str
    version: str
    run: str
    files: Path
    tags: dict[str, str]
    is_deleted: bool = False


class MlflowStore:
    """MLflow's file store in a folder."""

    def __init__(self, root: Path):
        self._root = root

    @property
    def uri(self) -> str:
        """Return MLflow's address of the store."""
        return self._root.as_uri()

    def versions(self) -> Iterator[Version]:
        """Yield every registered version, deleted ones too, by model and number.

        Raises:
            EmulatorError: a file of the store is damaged.
        """
        found = self._root.glob("models/*/version-*/meta.yaml")
        for file in sorted(found, key=lambda file: (file.parts[-3], int(file.parent.name.partition("-")[2]))):
            yield self._read(file)

    def tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        write_text(self._root / "models" / name / f"version-{version}" / "tags" / key, value)

    def _read(self, file: Path) -> Version:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            source = Path(unquote(urlparse(content["source"]).path))
            tags = {tag.name: tag.read_text(encoding="utf-8") for tag in (file.parent / "tags").glob("[!.]*")}
            is_deleted = content.get("current_stage") == DELETED
            return Version(content["name"], str(content["version"]), content["run_id"], source, tags, is_deleted)
        except (KeyError, TypeError, yaml.YAMLError) as error:
            raise EmulatorError(
                f"{file} is damaged: {error}. Delete its folder and train again; `rm -r .azureml-local` starts anew."
            ) from error
