"""Emulates Azure ML's data plane: discovery, run history, and the hosts of batch endpoints."""

import json
from typing import TYPE_CHECKING

from azureml_emulator.answers import Refused, answer
from azureml_emulator.transport import Request, Response

if TYPE_CHECKING:
    from azureml_emulator.arm.resource_manager import ResourceManager

INFERENCE = ".inference.ml.azure.com"


class DataPlane:
    """`REGION.api.azureml.ms` and `ENDPOINT.REGION.inference.ml.azure.com`."""

    def __init__(self, arm: "ResourceManager"):
        self._arm = arm

    def __call__(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            Refused: Azure would refuse the request.
        """
        if request.host.endswith(INFERENCE):
            return self._arm.batch.invoke(request, request.host.partition(".")[0])
        if request.path.startswith("/discovery"):
            base = f"https://{self._arm.workspace.location}.api.azureml.ms"
            names = ("api", "history", "experimentation", "catalog", "pipelines", "studio", "mlflow")
            return answer(200, dict.fromkeys(names, base))
        if request.path.endswith("/rundata"):
            run = self._run(json.loads(request.body)["runId"])
            return answer(200, {"runMetadata": run, "runDefinition": {}})
        _, _, below = request.path.partition("/runs/")
        name, _, what = below.partition("/")
        if request.path.startswith("/history/v1.0/") and what == "children":
            return self._children(name)
        if request.path.startswith("/history/v1.0/") and what in ("details", ""):
            return answer(200, self._run(name))
        raise Refused(501, "NotEmulated", f"The emulator does not know {request.method} {request.url}.")

    def _children(self, parent: str) -> Response:
        runs = [run for _, run in self._arm.documents.all("runs")]
        return answer(200, {"value": [run for run in runs if run.get("parentRunId") == parent]})

    def _run(self, name: str) -> dict:
        run = self._arm.documents.get(f"runs/{name}")
        if not run:
            raise Refused(404, "UserError", f"Run {name} was not found.")
        return run
