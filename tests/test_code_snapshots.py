"""The code that the SDK uploads holds sources only, so that running Python in `src/` makes no new code."""

import subprocess
import sys
from zipfile import ZipFile

import pytest
from azure.ai.ml import load_component, load_environment, load_online_deployment
from azure.ai.ml.entities._load_functions import load_model_batch_deployment
from azure.core.exceptions import HttpResponseError

from laptop import laptop
from mlops.azure.provision import ZIP

# What Python, its tools, editors and the desktop leave behind.
JUNK = (
    "model/__pycache__/contract.cpython-311.pyc",
    "model/datasets/__pycache__/__init__.cpython-311.pyc",
    "old.pyc",
    ".ipynb_checkpoints/score-checkpoint.py",
    ".mypy_cache/3.11/cache.json",
    ".pytest_cache/v/lastfailed",
    ".ruff_cache/0.1/1",
    ".DS_Store",
    "model/.contract.py.swp",
    "model/contract.py~",
)


@pytest.fixture
def project(render):
    return render(endpoint_type="online_and_batch")


@pytest.fixture
def place(tmp_path, project):
    """Return a workspace with the environments, a model, and endpoints without room for an online deployment."""
    place = laptop(tmp_path / "state")
    arm = place.local.emulator.arm
    arm.deployments.quota = 0
    for file in ("training", "inference", "batch"):
        place.client.environments.create_or_update(load_environment(project / "environments" / f"{file}.yml"))
    arm.documents.put("models/m/versions/1", {"name": "1", "properties": {"modelUri": "none", "tags": {}}})
    arm.documents.put("batchEndpoints/e", {"name": "e", "properties": {}})
    arm.documents.put("onlineEndpoints/e", {"name": "e", "properties": {"authMode": "Key", "traffic": {}}})
    return place


def register(place, project):
    component = load_component(project / "components" / "split.yml")
    component.version = str(len(codes(place)) + 1)
    environment = next(place.client.environments.list("mlops-training"))
    component.environment = f"azureml:{environment.name}:{environment.version}"
    place.client.components.create_or_update(component)


def deploy_batch(place, project):
    deployment = load_model_batch_deployment(project / "endpoints" / "batch" / "deployment" / "deployment.yml")
    place.client.batch_deployments.begin_create_or_update(_pinned(place, deployment))


def deploy_online(place, project):
    deployment = load_online_deployment(project / "endpoints" / "online" / "deployment" / "deployment.yml")
    # The deployment is refused when its code is already there.
    with pytest.raises(HttpResponseError, match="OutOfQuota"):
        place.client.online_deployments.begin_create_or_update(_pinned(place, deployment))


def _pinned(place, deployment):
    name = deployment.environment.removeprefix("azureml:").partition("@")[0]
    environment = next(place.client.environments.list(name))
    deployment.endpoint_name, deployment.model = "e", "azureml:m:1"
    deployment.environment = f"azureml:{environment.name}:{environment.version}"
    return deployment


def codes(place):
    """Return the names of the files in each code that was uploaded."""
    arm = place.local.emulator.arm
    names = arm.documents.names("codes")
    uploaded = [code for name in names for _, code in arm.documents.all(f"codes/{name}/versions")]
    return [files(arm.storage.at(code["properties"]["codeUri"])) for code in uploaded]


def files(folder):
    found = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    # The emulator keeps the metadata of blobs beside them.
    return sorted(str(file) for file in found if file.parts[0] != ".emulator")


@pytest.mark.parametrize("upload", [register, deploy_batch, deploy_online])
def test_code_is_the_sources_and_stays_the_same(project, place, upload):
    source = project / "src"
    wanted = [name for name in files(source) if name != ".amlignore"]
    upload(place, project)
    for name in JUNK:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("junk", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "compileall", "-q", source], check=True)
    upload(place, project)
    assert codes(place) == [wanted]


def test_code_of_the_function_is_the_sources(render):
    project = render(trigger="function")
    folder = project / "infra" / "bridge" / "function"
    wanted = files(folder)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    subprocess.run([sys.executable, "-c", ZIP], cwd=project, check=True)
    with ZipFile(project / ".azureml-local" / "function.zip") as archive:
        assert sorted(archive.namelist()) == wanted
