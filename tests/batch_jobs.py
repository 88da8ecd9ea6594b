"""A batch endpoint with a scoring script of the test, through the SDK's own client."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import Input, Output
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import (
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)

from azureml_emulator.local import LocalWorkspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PATHS = "azureml://datastores/workspaceblobstore/paths"
OUTPUT = f"{PATHS}/scored/predictions.jsonl"


class BatchJobs:
    """A workspace with an endpoint whose deployment scores with the script `batch.py` of a folder."""

    def __init__(self, state: Path, model: Path | None = None):
        self._local = LocalWorkspace(state, "mlw", "rg")
        self.client: MLClient = self._local.client(enable_telemetry=False, show_progress=False)
        self._arm = self._local.emulator.arm
        address = self._arm.workspace.uri("model", "workspaceblobstore")
        place = self._arm.path(address)
        place.mkdir(parents=True)
        for file in model.iterdir() if model else ():
            (place / file.name).write_bytes(file.read_bytes())
        self._arm.documents.put("models/m/versions/1", {"name": "1", "properties": {"modelUri": address, "tags": {}}})
        self.client.environments.create_or_update(Environment(name="e", version="1", image="mcr.microsoft.com/base:1"))
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="endpoint")).result()

    def deploy(self, code: Path, script: str = "batch.py", **settings: Any) -> None:
        """Make a deployment of the code the default."""
        usual: dict[str, Any] = {"mini_batch_size": 1, "error_threshold": 0, "output_action": "append_row"}
        usual |= {"retry_settings": BatchRetrySettings(max_retries=0, timeout=60)}
        deployment = ModelBatchDeployment(
            name="d",
            endpoint_name="endpoint",
            model="azureml:m:1",
            environment="azureml:e:1",
            compute="cluster",
            code_configuration=CodeConfiguration(code=str(code), scoring_script=script),
            settings=ModelBatchDeploymentSettings(**usual | settings),
        )
        self.client.batch_deployments.begin_create_or_update(deployment).result()
        endpoint = self.client.batch_endpoints.get("endpoint")
        endpoint.defaults = {"deployment_name": "d"}
        self.client.batch_endpoints.begin_create_or_update(endpoint).result()

    def score(self, rows: Path | str) -> tuple[str, str]:
        """Score a local folder or a datastore's path; return the job's status and error."""
        # The SDK sends the name of the deployment that an earlier caller in this process asked for.
        EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)
        job = self.client.batch_endpoints.invoke(
            endpoint_name="endpoint",
            input=Input(type="uri_folder", path=str(rows)),
            outputs={"score": Output(type="uri_file", path=OUTPUT)},
        )
        self._arm.jobs.wait(job.name)
        return self.client.jobs.get(job.name).status, self._arm.jobs.failure(job.name)

    def output(self) -> bytes:
        """Return what the jobs wrote."""
        return self._arm.path(OUTPUT).read_bytes()
