"""Batch endpoints and deployments, and the jobs that their scoring starts."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response
from azureml_emulator.workspace import BLOB_STORE

STEP = "batchscoring"


class BatchEndpoints(Kind):
    """`WORKSPACE/batchEndpoints/ENDPOINT/deployments/DEPLOYMENT`."""

    routes = Routes()

    @routes("GET", "batchEndpoints/{name}")
    def get(self, request: Request, name: str) -> Response:
        """Return an endpoint."""
        return answer(200, self._endpoint(name))

    @routes("PUT", "batchEndpoints/{name}")
    def put(self, request: Request, name: str) -> Response:
        """Create an endpoint or change its default deployment."""
        body = json.loads(request.body)
        default = (body["properties"].get("defaults") or {}).get("deploymentName")
        if default:
            self._deployment(name, default)
        address = f"https://{name}.{self.workspace.location}.inference.ml.azure.com/jobs"
        properties = body["properties"] | {"provisioningState": "Succeeded", "scoringUri": address}
        known = self.documents.get(f"batchEndpoints/{name}")
        document = self.named(f"batchEndpoints/{name}", name, properties, location=self.workspace.location, tags={})
        self.documents.put(f"batchEndpoints/{name}", document)
        return self.arm.operations.begun(200 if known else 201, document)

    @routes("GET", "batchEndpoints/{endpoint}/deployments")
    def deployments(self, request: Request, endpoint: str) -> Response:
        """Return the deployments of an endpoint."""
        self._endpoint(endpoint)
        return page(request, [found for _, found in self.documents.all(f"batchEndpoints/{endpoint}/deployments")])

    @routes("GET", "batchEndpoints/{endpoint}/deployments/{name}")
    def deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Return a deployment."""
        return answer(200, self._deployment(endpoint, name))

    @routes("PUT", "batchEndpoints/{endpoint}/deployments/{name}")
    def put_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Keep a deployment for the jobs to come."""
        self._endpoint(endpoint)
        body = json.loads(request.body)
        model = body["properties"]["model"]["assetId"]
        self.arm.models.find(*model.partition("/models/")[2].split("/versions/"))
        self.arm.assets.resolve(body["properties"]["environmentId"], "environments")
        self.arm.assets.resolve(body["properties"]["codeConfiguration"]["codeId"], "codes")
        path = f"batchEndpoints/{endpoint}/deployments/{name}"
        known = self.documents.get(path)
        properties = body["properties"] | {"provisioningState": "Succeeded"}
        document = self.named(path, name, properties, location=self.workspace.location, tags={})
        self.documents.put(path, document)
        return self.arm.operations.begun(200 if known else 201, document)

    @routes("DELETE", "batchEndpoints/{endpoint}/deployments/{name}")
    def delete_deployment(self, request: Request, endpoint: str, name: str) -> Response:
        """Delete a deployment that is not the default."""
        self._deployment(endpoint, name)
        if (self._endpoint(endpoint)["properties"].get("defaults") or {}).get("deploymentName") == name:
            message = f"The deployment {name} is the default of {endpoint}: make another one the default first."
            raise Refused(400, "UserError", message)
        self.documents.delete(f"batchEndpoints/{endpoint}/deployments/{name}")
        return answer(200)

    def invoke(self, request: Request, endpoint: str) -> Response:
        """Start a scoring job: what is posted to the endpoint's own host."""
        given = json.loads(request.body)["properties"]
        default = (self._endpoint(endpoint)["properties"].get("defaults") or {}).get("deploymentName")
        name = request.headers.get("azureml-model-deployment") or default
        if not name:
            raise Refused(404, "UserError", f"The batch endpoint {endpoint} has no default deployment.")
        deployment = self._deployment(endpoint, name)["properties"]
        job = f"batchjob-{uuid.uuid4()}"
        scoring = _Scoring(self, job, deployment, given)
        # As the service marks them: the SDK reads where the output lies from these.
        tags = {"azureml.batchrun": "true", "azureml.jobtype": "azureml.batchjob"}
        properties = {"jobType": "Pipeline", "displayName": job, "experimentName": endpoint, "tags": tags, "jobs": {}}
        properties |= {"inputs": {}, "outputs": {}, "properties": tags}
        self.arm.jobs.start(job, properties, [STEP], scoring.run)
        content = {"id": f"{self.workspace.id}/jobs/{job}", "name": job}
        return answer(201, content | {"properties": {"status": "Running", "inputData": {}, "outputData": {}}})

    def _endpoint(self, name: str) -> Document:
        document = self.documents.get(f"batchEndpoints/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The batch endpoint {name} was not found.")
        return document

    def _deployment(self, endpoint: str, name: str) -> Document:
        document = self.documents.get(f"batchEndpoints/{endpoint}/deployments/{name}")
        if not document:
            raise Refused(404, "ResourceNotFound", f"The deployment {name} of {endpoint} was not found.")
        return document


class _Scoring:
    """One scoring job: the deployment's own script over a folder."""

    def __init__(self, endpoints: BatchEndpoints, job: str, deployment: dict[str, Any], given: dict[str, Any]):
        self._arm, self._job, self._deployment, self._given = endpoints.arm, job, deployment, given
        self._folder = endpoints.arm.state / "jobs" / job

    def run(self) -> str:
        """Score, and return how the job ends."""
        from mlops.local.batch_job import DRIVER

        arm, properties = self._arm, self._deployment
        step = f"{self._job}-{STEP}"
        arm.jobs.put_run(step, "Running")
        code = arm.assets.resolve(properties["codeConfiguration"]["codeId"], "codes")["properties"]["codeUri"]
        shutil.copytree(arm.storage.at(code), self._folder / "code", ignore=shutil.ignore_patterns(".emulator"))
        name, _, version = properties["model"]["assetId"].partition("/models/")[2].partition("/versions/")
        source = arm.path(arm.models.find(name, version)["properties"]["modelUri"])
        home = self._folder / "azureml-models" / name / version
        shutil.copytree(source, home / source.name)
        output = self._output(step)
        settings = {
            "script": str(self._folder / "code" / properties["codeConfiguration"]["scoringScript"]),
            "files": self._files(),
            "mini_batch_size": properties.get("miniBatchSize") or 10,
            "error_threshold": properties.get("errorThreshold", -1),
            "max_retries": 3,
            "timeout": 60.0,
            "append_row": properties.get("outputAction") != "SummaryOnly",
            "output": str(output),
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        (self._folder / "settings.json").write_text(json.dumps(settings))
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("AZURE", "MLOPS_", "PYTHON"))
        }
        with (self._folder / "log.txt").open("w") as log:
            code_of_process = subprocess.run(
                [sys.executable, "-P", str(DRIVER), str(self._folder / "settings.json")],
                env=environment | {"AZUREML_MODEL_DIR": str(home)},
                stdout=log,
                stderr=log,
                check=False,
            ).returncode
        ended = "Failed" if code_of_process else "Completed"
        arm.jobs.put_run(step, ended)
        return ended

    def _files(self) -> list[str]:
        (given,) = self._given["inputData"].values()
        address = given["uri"]
        if "/data/" in address and "/versions/" in address:
            address = self._arm.assets.resolve(address, "data")["properties"]["dataUri"]
        path = self._arm.path(address)
        return [str(path)] if path.is_file() else sorted(str(file) for file in path.rglob("*") if file.is_file())

    def _output(self, step: str) -> Path:
        """Return the file that the rows go to: the one that the caller names, or the service's own."""
        name = self._deployment.get("outputFileName") or "predictions.csv"
        for given in (self._given.get("outputData") or {}).values():
            path = self._arm.path(given["uri"])
            return path if given.get("jobOutputType", "").lower().replace("_", "") == "urifile" else path / name
        return self._arm.path(f"azureml://datastores/{BLOB_STORE}/paths/azureml/{step}/score") / name
