"""Registered models: what the training jobs registered through MLflow, as Azure ML's tracking server keeps it."""

import json
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

from azureml_emulator.answers import answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import ARTIFACT_STORE


class Models(Kind):
    """`WORKSPACE/models/NAME/versions/VERSION`."""

    routes = Routes()

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
        """Change a version's tags, in MLflow's registry too: that is where the gate looks for its champion."""
        document = self.find(name, version)
        properties = json.loads(request.body)["properties"]
        for key in ("tags", "description"):
            document["properties"][key] = properties.get(key)
        self.documents.put(f"models/{name}/versions/{version}", document)
        for key, value in (properties.get("tags") or {}).items():
            self._registry().set_model_version_tag(name, version, key, value)
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
        """Take over what jobs have registered: the files go to the workspace's storage."""
        store = self.arm.storage.folder(self.workspace.account, self.workspace.artifact_container)
        for version in self._registry().search_model_versions():
            path = f"models/{version.name}/versions/{version.version}"
            if self.documents.get(path):
                continue
            source = Path(unquote(urlparse(version.source).path))
            target = f"ExperimentRun/dcid.{version.run_id}/model"
            shutil.copytree(source, store / target, dirs_exist_ok=True)
            properties = {
                "modelType": "mlflow_model",
                "modelUri": self.workspace.uri(target, ARTIFACT_STORE),
                "tags": dict(version.tags),
                "jobName": version.run_id,
                "isArchived": False,
                "isAnonymous": False,
                "flavors": {},
                "properties": {},
            }
            self.documents.put(path, self.named(path, str(version.version), properties))

    def _registry(self):  # type: ignore[no-untyped-def]
        from mlflow import MlflowClient

        return MlflowClient(self.tracking_uri)

    @property
    def tracking_uri(self) -> str:
        """Return the address of MLflow's store, which stands for the workspace's tracking server."""
        return (self.arm.state / "mlruns").as_uri()
