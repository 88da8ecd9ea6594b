"""Interfaces between the kinds of resources and the work of jobs, so that none of them imports another."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from azureml_emulator.clock import Clock
from azureml_emulator.events.queue import EventQueue
from azureml_emulator.mlflow_store import MlflowStore
from azureml_emulator.operations import Operations
from azureml_emulator.state import Document, Documents
from azureml_emulator.storage import BlobStorage
from azureml_emulator.workspace import Workspace


class AssetService(Protocol):
    """Data, environments, components and code."""

    def find(self, kind: str, name: str, version: str) -> Document:
        """Return a version, or refuse."""

    def check(self, reference: str, kind: str) -> None:
        """Check that the asset of a reference exists, in the workspace or in a registry, or refuse."""

    def resolve(self, reference: str, kind: str) -> Document:
        """Return the asset of an ARM id or a short reference, or refuse."""

    def environment(self, reference: str) -> dict[str, Any]:
        """Return the properties of a registered environment; of a registry's own nothing is known."""


class ModelService(Protocol):
    """Registered models."""

    store: MlflowStore

    def find(self, name: str, version: str) -> Document:
        """Return a version, or refuse."""

    def collect(self) -> None:
        """Import the models that jobs have registered."""


class JobService(Protocol):
    """Jobs and their runs."""

    def start(self, name: str, properties: dict[str, Any], steps: Sequence[str], work: Callable[[], str]) -> None:
        """Store a job and do its work in a thread."""

    def put_run(self, name: str, status: str, **facts: Any) -> None:
        """Store a run's status and further facts."""


class OnlineService(Protocol):
    """Online endpoints and their host."""

    @property
    def host(self) -> Any:
        """Return the host."""

    def find(self, name: str) -> Document:
        """Return an endpoint, or refuse."""

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request to the host, or refuse."""

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all scored rows are collected."""


class Services(Protocol):
    """The services of one workspace."""

    @property
    def state(self) -> Path:
        """Return the emulator's folder."""

    @property
    def workspace(self) -> Workspace:
        """Return the workspace's identity."""

    @property
    def documents(self) -> Documents:
        """Return the resources as REST documents."""

    @property
    def storage(self) -> BlobStorage:
        """Return the workspace's storage."""

    @property
    def clock(self) -> Clock:
        """Return the emulator's clock."""

    @property
    def events(self) -> EventQueue:
        """Return the events that the workspace has raised."""

    @property
    def operations(self) -> Operations:
        """Return the long-running operations."""

    @property
    def assets(self) -> AssetService:
        """Return data, environments, components and code."""

    @property
    def models(self) -> ModelService:
        """Return the registered models."""

    @property
    def jobs(self) -> JobService:
        """Return the jobs."""

    @property
    def online(self) -> OnlineService:
        """Return the online endpoints."""

    def path(self, address: str) -> Path:
        """Return the folder or file of a datastore's address, or refuse."""

    def path_of(self, reference: str) -> Path:
        """Return the folder or file of a data asset's id or of a datastore's address, or refuse."""
