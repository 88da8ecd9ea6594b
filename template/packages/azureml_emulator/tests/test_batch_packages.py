"""A batch job fails as on Azure if its environment lacks what Azure's batch driver imports."""

import pytest
from azure.ai.ml import Input
from azure.ai.ml.entities import BatchEndpoint, CodeConfiguration, Environment, ModelBatchDeployment
from mlflow import MlflowClient

from endpoints import MODEL, open_workspace, until

SCRIPT = """
def init():
    pass

def run(files):
    return ["scored" for _ in files]
"""
CORE, RUNTIME = "azureml-core==1.61.0.post4", "azureml-dataset-runtime[fuse]==1.62.0.post1"
REQUIRED = "The packages azureml-core and azureml-dataset-runtime[fuse] are required by batch deployments."


def conda(*packages: str) -> dict:
    return {"channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", {"pip": ["pandas==2.3.3", *packages]}]}


@pytest.fixture
def score(tmp_path):
    """Return a function that scores in an environment, and returns the job's status and the error of its record."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text("{}\n")
    registry = MlflowClient((tmp_path / "state" / "mlruns").as_uri())
    registry.create_registered_model(MODEL)
    registry.create_model_version(MODEL, (tmp_path / "model").as_uri(), run_id="training")
    local, client = open_workspace(tmp_path / "state")
    local.emulator.arm.models.collect()
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="stub-batch")).result()

    def score(conda_file: dict | None) -> tuple[str, str]:
        deployment = ModelBatchDeployment(
            name="model-1",
            endpoint_name="stub-batch",
            model=f"azureml:{MODEL}:1",
            environment=Environment(image="mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04", conda_file=conda_file),
            code_configuration=CodeConfiguration(code=str(tmp_path / "code"), scoring_script="score.py"),
            compute="cluster",
        )
        # Azure accepts the deployment, whatever its environment has.
        client.batch_deployments.begin_create_or_update(deployment).result()
        rows = Input(type="uri_folder", path=str(tmp_path / "rows"))
        name = client.batch_endpoints.invoke("stub-batch", deployment_name="model-1", input=rows).name
        until(lambda: client.jobs.get(name).status in ("Completed", "Failed"))
        return client.jobs.get(name).status, local.emulator.arm.jobs.failure(name)

    yield score
    local.close()


@pytest.mark.parametrize(
    ("packages", "module"),
    [((), "azureml.core"), ((RUNTIME,), "azureml.core"), ((CORE,), "azureml.dataprep")],
    ids=["neither", "no core", "no runtime"],
)
def test_job_fails_without_the_drivers_packages(score, packages, module):
    status, error = score(conda(*packages))
    assert status == "Failed"
    assert f"No module named '{module}'" in error and REQUIRED in error


@pytest.mark.parametrize(
    "conda_file",
    [conda(CORE, RUNTIME), conda("azureml-defaults"), None],
    ids=["both", "azureml-defaults", "only an image"],
)
def test_job_runs_with_them_or_in_an_image_whose_packages_are_not_known(score, conda_file):
    assert score(conda_file) == ("Completed", "")
