"""Emulates batch endpoints and deployments, and their scoring jobs."""

import json
import uuid

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.jobs.scoring import STEP, Scoring
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response


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
        """Store a deployment for later jobs."""
        self._endpoint(endpoint)
        body = json.loads(request.body)
        model = body["properties"]["model"]["assetId"]
        self.arm.models.find(*model.partition("/models/")[2].split("/versions/"))
        self.arm.assets.check(body["properties"]["environmentId"], "environments")
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
        """Start a scoring job: the request is posted to the endpoint's own host."""
        given = json.loads(request.body)["properties"]
        default = (self._endpoint(endpoint)["properties"].get("defaults") or {}).get("deploymentName")
        name = request.headers.get("azureml-model-deployment") or default
        if not name:
            raise Refused(404, "UserError", f"The batch endpoint {endpoint} has no default deployment.")
        deployment = self._deployment(endpoint, name)["properties"]
        job = f"batchjob-{uuid.uuid4()}"
        scoring = Scoring(self.arm, job, deployment, given)
        # The service sets these tags, and the SDK reads the location of the output from them.
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
