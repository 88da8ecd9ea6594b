"""Data assets, environments and components on the laptop: immutable versions, as in a workspace."""

import filecmp
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from azure.ai.ml import load_component, load_data, load_environment
from azure.ai.ml.entities import Component, Data, Environment
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from mlops.files import locked, replace_folder, write_text

# The emulator's workspace, as ids have it.
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/local"
)


class _Versions:
    """One folder for each name and version, with the entity's own YAML in it."""

    def __init__(self, folder: Path, kind: str, load: Callable[..., Any]):
        self._folder, self._kind, self._load = folder, kind, load

    def list(self, name: str | None = None, **_: Any) -> Iterator[Any]:
        names = [name] if name else sorted(path.name for path in self._folder.glob("[!.]*"))
        for known in names:
            # A name with a dot in front is of a version that is being replaced.
            versions = [path.parent.name for path in (self._folder / known).glob("[!.]*/entity.yml")]
            for version in sorted(versions, key=lambda text: (len(text), text), reverse=True):
                yield self.get(known, version)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Any:
        if label == "latest" or version is None:
            newest = next(self.list(name), None)
            if newest is None:
                raise ResourceNotFoundError(f"There is no {self._kind} {name}.")
            return newest
        file = self._folder / name / str(version) / "entity.yml"
        if not file.exists():
            raise ResourceNotFoundError(f"There is no {self._kind} {name} with version {version}.")
        entity = self._load(file)
        entity._id = f"{WORKSPACE}/{self._folder.name}/{name}/versions/{version}"
        return entity

    def _save(self, entity: Any, staging: Path, **changes: str) -> Any:
        """Check the entity as the SDK does before sending it, and file it."""
        entity._to_rest_object()
        definition = {key: value for key, value in entity._to_dict().items() if value is not None} | changes
        definition.pop("id", None)
        write_text(staging / "entity.yml", yaml.safe_dump(definition, sort_keys=False, allow_unicode=True))
        replace_folder(staging, self._folder / entity.name / str(entity.version))
        return self.get(entity.name, str(entity.version))

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """Make a folder for what is being registered: commands beside this one each have their own."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".staging-") as folder:
            staging = Path(folder) / "version"
            staging.mkdir()
            yield staging


class DataOperations(_Versions):
    """`ml_client.data`: an asset's content is copied, as an upload is, and never changes afterwards."""

    def __init__(self, state: Path):
        super().__init__(state / "data", "data asset", load_data)
        self._state = state

    def content(self, data: Data) -> Path:
        """Return where an asset's content is."""
        path = str(data.path)
        return local_path(self._state, path) if path.startswith("azureml://") else Path(data.base_path) / path

    def create_or_update(self, data: Data) -> Data:
        """Register a data asset.

        Raises:
            ResourceExistsError: the version exists with other content.
        """
        with self._staging() as staging, locked(self._folder):
            if str(data.path).startswith("azureml://datastores/"):
                # A folder that goes on filling, such as a deployment's collected rows, is named, not copied.
                return self._save(data, staging, path=str(data.path))
            return self._copy(data, self.content(data).resolve(), staging)

    def _copy(self, data: Data, source: Path, staging: Path) -> Data:
        existing = self._folder / str(data.name) / str(data.version)
        if existing.exists():
            if _same_files(source, existing / "content"):
                return self._with_tags(data, existing / "entity.yml")
            raise ResourceExistsError(f"The data asset {data.name}:{data.version} exists with other content.")
        if source.is_dir():
            shutil.copytree(source, staging / "content")
        else:
            (staging / "content").mkdir()
            shutil.copy(source, staging / "content")
        return self._save(data, staging, path="content" if source.is_dir() else f"content/{source.name}")

    def _with_tags(self, data: Data, file: Path) -> Data:
        """Give a version other tags: they are all that may change of one."""
        definition = yaml.safe_load(file.read_text(encoding="utf-8")) | {"tags": dict(data.tags or {})}
        write_text(file, yaml.safe_dump(definition, sort_keys=False, allow_unicode=True))
        return self.get(str(data.name), str(data.version))


class EnvironmentOperations(_Versions):
    """`ml_client.environments`; the laptop's own environment, pinned alike, is what runs."""

    def __init__(self, folder: Path):
        super().__init__(folder, "environment", load_environment)

    def create_or_update(self, environment: Environment) -> Environment:
        """Register an environment."""
        with self._staging() as staging:
            return self._save(environment, staging)


class ComponentOperations(_Versions):
    """`ml_client.components`: a version keeps the code that it was registered with."""

    def __init__(self, folder: Path):
        super().__init__(folder, "component", load_component)

    def create_or_update(self, component: Component) -> Component:
        """Register a component.

        Raises:
            ResourceExistsError: the version exists with another specification or other code.
        """
        content: Any = component
        code = (Path(content.base_path) / content.code).resolve()
        with self._staging() as staging:
            shutil.copytree(code, staging / "code", ignore=shutil.ignore_patterns("__pycache__"))
            existing = self._folder / str(component.name) / str(component.version)
            if existing.exists():
                if _same_files(staging / "code", existing / "code"):
                    return self.get(str(component.name), str(component.version))
                raise ResourceExistsError(f"The component {component.name}:{component.version} exists with other code.")
            return self._save(component, staging, code="code")


def local_path(state: Path, address: str) -> Path:
    """Return where a datastore path or a job's output is on the laptop; other paths are as they are."""
    if address.startswith("azureml://datastores/"):
        name, _, path = address.removeprefix("azureml://datastores/").partition("/paths/")
        return state / "datastores" / name / path
    if address.startswith("azureml://jobs/"):
        job, _, output = address.removeprefix("azureml://jobs/").partition("/outputs/")
        return state / "jobs" / job / "outputs" / output
    return Path(address)


def _same_files(left: Path, right: Path) -> bool:
    names = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    others = sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file())
    if names != others:
        return False
    _, mismatch, errors = filecmp.cmpfiles(left, right, [str(name) for name in names], shallow=False)
    return not mismatch and not errors
