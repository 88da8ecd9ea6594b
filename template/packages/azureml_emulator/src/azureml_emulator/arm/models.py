"""Emulates registered models: jobs register them through MLflow, as in Azure ML's tracking server."""

import json
import shutil
from pathlib import Path
from typing import Any

from azureml_emulator.answers import Refused, answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.events.event_grid import model_registered
from azureml_emulator.mlflow_store import MlflowStore, Version
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import ARTIFACT_STORE


class Models(Kind):
    """`WORKSPACE/models/NAME/versions/VERSION`."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.store = MlflowStore(self.arm.state.absolute() / "mlruns")

    @routes("GET", "models/{name}/versions")
    def list(self, request: Request, name: str) -> Response:
        """Return a model's versions, the newest first."""
        found = [document for _, document in self.documents.all(f"models/{name}/versions")]
        if not found:
            raise not_found("Model container", name)
        return page(request, found[::-1])

    @routes("GET", "models/{name}/versions/{version}")
    def get(self, request: Request, name: str, version: str) -> Response:
        """Return a version."""
        return answer(200, self.find(name, version))

    @routes("PUT", "models/{name}/versions/{version}")
    def put(self, request: Request, name: str, version: str) -> Response:
        """Change a version's tags, in MLflow's registry too, in which the gate looks for its champion."""
        document = self.find(name, version)
        properties = json.loads(request.body)["properties"]
        if properties.get("modelUri", document["properties"]["modelUri"]) != document["properties"]["modelUri"]:
            raise Refused(409, "UserError", f"Model {name}:{version} exists already and cannot be changed.")
        for key in ("tags", "description"):
            document["properties"][key] = properties.get(key)
        self.documents.put(f"models/{name}/versions/{version}", document)
        for key, value in (properties.get("tags") or {}).items():
            self.store.tag(name, version, key, value)
        return answer(200, document)

    def find(self, name: str, version: str) -> Document:
        """Return a version.

        Raises:
            Refused: it was never registered.
        """
        document = self.documents.get(f"models/{name}/versions/{version}")
        if document is None:
            raise not_found("Model", f"{name}:{version}")
        return document

    def collect(self) -> None:
        """Import the models that jobs have registered, with their files, and raise the events; remove deleted ones."""
        folder = self.arm.storage.folder(self.workspace.artifact_container)
        for version in self.store.versions():
            if version.is_deleted:
                self.documents.delete(f"models/{version.name}/versions/{version.version}")
            elif self._take_over(version, folder):
                event = model_registered(self.workspace.id, version.name, version.version, version.tags)
                self.arm.events.put([event])

    def _take_over(self, version: Version, folder: Path) -> bool:
        path = f"models/{version.name}/versions/{version.version}"
        if self.documents.get(path):
            return False
        target = f"ExperimentRun/dcid.{version.run}/model"
        shutil.copytree(version.files, folder / target, dirs_exist_ok=True)
        properties = {
            "modelType": "mlflow_model",
            "modelUri": self.workspace.uri(target, ARTIFACT_STORE),
            "tags": version.tags,
            "jobName": version.run,
            "isArchived": False,
            "isAnonymous": False,
            "flavors": {},
            "properties": {},
        }
        return self.documents.create(path, self.named(path, version.version, properties))
