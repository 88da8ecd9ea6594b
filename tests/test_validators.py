"""Each validator finds the defects of its kind, each planted in a project without defects."""

from fnmatch import fnmatchcase

import pytest

from projects import contents
from variants.validators import VALIDATORS, problems

ANSWERS = {"dataset": "penguins", "monitor_type": "advanced", "trigger": "function", "compute_target": "cluster"}
ANSWERS |= {"endpoint_type": "online_and_batch"}

PIPELINE = "pipelines/ci_pipeline.yml"
MONITOR = "endpoints/online/monitor/advanced.yml"
DEPLOYMENT = "endpoints/online/deployment/deployment.yml"
BATCH = "endpoints/batch/deployment/deployment.yml"
TRAIN = "components/train.yml"
WORKFLOW = ".github/workflows/ci-triggered-by-aml.yml"
CONTAINER = ".devcontainer/devcontainer.json"
NOTEBOOK = "notebooks/01-data.ipynb"
SCORE = "src/score.py"
PERMISSIONS = """    permissions:
      contents: read # to check out the code
      id-token: write # to sign in to Azure
"""
OUTPUT = '{"output_type": "stream", "name": "stdout", "text": "1"}'
STORAGE, ACCESS = "infra/modules/storage.bicep", "infra/modules/access.bicep"
DEPLOY = ".github/workflows/cd-triggered-by-aml.yml"
SETUP_UV = "astral-sh/setup-uv@20cfd1bf945f4377ade1205e4dbc17946fc9a30d # v10.0.1"

DEFECTS = {
    "a wrong field of a monitor": (MONITOR, "alert_notification:", "alert_notifications:"),
    "the documentation's wrong name of a field": (MONITOR, "  schedule:\n", "  pattern:\n"),
    "an unquoted runtime version": (MONITOR, 'runtime_version: "3.5"', "runtime_version: 3.5"),
    "an unknown runtime version": (MONITOR, 'runtime_version: "3.5"', 'runtime_version: "3.3"'),
    "an instance that monitors do not support": (MONITOR, "standard_e4s_v3", "standard_ds2_v2"),
    "a wrong metric": (MONITOR, "jensen_shannon_distance", "jensen_shanon_distance"),
    "a metric for another kind of column": (MONITOR, "normalized_wasserstein_distance", "pearsons_chi_squared_test"),
    "a wrong kind of signal": (MONITOR, "type: data_drift", "type: drift"),
    "a wrong context": (MONITOR, "data_context: training", "data_context: train"),
    "a wrong task": (MONITOR, "ml_task: classification", "ml_task: clasification"),
    "a threshold that is not a number": (MONITOR, "threshold: 0.1", "threshold: high"),
    "a wrong frequency": (MONITOR, "frequency: day", "frequency: daily"),
    "a misspelt input of a component": (PIPELINE, "      holdout_share: $", "      holdout_shares: $"),
    "a missing input of a component": (PIPELINE, "      margin: ${{parent.inputs.margin}}\n", ""),
    "a missing component": (PIPELINE, "../components/train.yml", "../components/training.yml"),
    "a wrong key of an input": ("components/split.yml", "    min: 0", "    mim: 0"),
    "a wrong key of a pipeline": (PIPELINE, "experiment_name:", "experiment:"),
    "a wrong setting of a pipeline": (PIPELINE, "continue_on_step_failure", "continue_on_failure"),
    "a wrong schema": (PIPELINE, "pipelineJob.schema.json", "pipeline.schema.json"),
    "a wrong type of component": (TRAIN, "type: command", "type: comand"),
    "a wrong type of output": (TRAIN, "type: mlflow_model", "type: mlflow-model"),
    "a wrong key of a component": (TRAIN, "display_name:", "displayname:"),
    "a component without a command": (TRAIN, "command: >-", "description: >-"),
    "an unknown mode of collection": (DEPLOYMENT, "rolling_rate: hour", "rolling_rate: hourly"),
    "no collection of inputs": (DEPLOYMENT, '    model_inputs:\n      enabled: "True"\n', ""),
    "rows that are not collected": (DEPLOYMENT, "sampling_rate: 1", "sampling_rate: 0.1"),
    "folders that no program reads": (DEPLOYMENT, "rolling_rate: hour", "rolling_rate: day"),
    "a size that Azure does not have": (DEPLOYMENT, "Standard_DS2_v2", "Standard_DS2v2"),
    "no liveness probe": (DEPLOYMENT, "liveness_probe:", "startup_probe:"),
    "no environment": (DEPLOYMENT, "environment: azureml:mlops-inference@latest\n", ""),
    "a wrong folder of code": (DEPLOYMENT, "../../../src", "../../src"),
    "a batch that ignores errors": (BATCH, "error_threshold: 0", "error_threshold: -1"),
    "an invalid address for alerts": (MONITOR, "ml-alerts@example.com", "ml-alerts"),
    "an image from another publisher": ("environments/inference.yml", "mcr.microsoft.com/", "docker.io/"),
    "an image that changes": ("environments/training.yml", ":20260901.v1", ":latest"),
    "an image without a tag": ("environments/training.yml", ":20260901.v1", ""),
    "a cut digest": ("environments/inference.yml", "@sha256:cfb7101d", "@sha256:"),
    "a cluster that does not scale to zero": ("resources/compute/cluster.yml", "min_instances: 0", "min_instances: 1"),
    "a pipeline that does not stop": (PIPELINE, "continue_on_step_failure: false", "continue_on_step_failure: true"),
    "a wrong setting of Spark": ("components/model_performance.yml", "spark.driver.memory", "spark.driver.mem"),
    "an invalid version": ("components/split.yml", 'version: "1.0.0"', 'version: "1"'),
    "YAML that does not parse": (WORKFLOW, "jobs:\n", "jobs: [\n"),
    "a collection that is enabled by a boolean": (DEPLOYMENT, 'enabled: "True"', "enabled: true"),
    "a version that is not a string": ("resources/data/labels.yml", 'version: "1"', "version: 1"),
    "a variable that is not a string": (DEPLOYMENT, 'WORKER_COUNT: "2"', "WORKER_COUNT: 2"),
    "a wrong key of a deployment": (DEPLOYMENT, "instance_count: 1", "instances: 1"),
    "a count that is not a number": (DEPLOYMENT, "instance_count: 1", "instance_count: one"),
    "a wrong key of a probe": (DEPLOYMENT, "initial_delay: 10", "initial_wait: 10"),
    "a batch deployment without a type": (BATCH, "type: model\n", ""),
    "an unknown action on outputs": (BATCH, "append_row", "append_rows"),
    "a wrong way to sign in": ("endpoints/online/endpoint/endpoint.yml", "auth_mode: key", "auth_mode: password"),
    "an environment without an image": ("environments/training.yml", "image:", "images:"),
    "a wrong type of data": ("resources/data/labels.yml", "type: mltable", "type: ml_table"),
    "a wrong tier of a cluster": ("resources/compute/cluster.yml", "tier: dedicated", "tier: spot"),
    "a repeated key": ("infra/project.yml", "trigger: function", "trigger: function\ntrigger: function"),
    "a tab in YAML": ("infra/project.yml", "  repository:", "\trepository:"),
    "an unrendered placeholder": ("README.md", "# ", "# {{ project_name }} "),
    "an unknown setting": ("infra/project.yml", "  branch: ", "  brunch: "),
    "a missing setting": ("infra/project.yml", "cool_down_hours: 24\n", ""),
    "a column without a name": ("src/model/contract.yml", 'id_column: "', 'id_column:  # "'),
    "a missing source of rows": ("src/model/contract.yml", "source: ", "source: model.datasets."),
    "a stray brace": ("infra/project.yml", "trigger: ", "trigger: {{ "),
    "trailing spaces": ("README.md", "## Test\n", "## Test  \n"),
    "line ends of Windows": ("ruff.toml", "\n", "\r\n"),
    "an extra empty line at the end": (".gitignore", "data/*/\n", "data/*/\n\n"),
    "an invalid diagram": ("README.md", "flowchart LR", "flowchart LX"),
    "an arrow without an end": ("README.md", "data[labelled rows] -->", "data[labelled rows -->"),
    "Python that does not compile": (SCORE, "def run(", "def run["),
    "an unused import": (SCORE, "import ", "import os\nimport ", 1),
    "a wrong format": (SCORE, "def run(", "def  run("),
    "a removed block of permissions": (WORKFLOW, "\npermissions: {}\n", "\n"),
    "a job without permissions": (WORKFLOW, PERMISSIONS, ""),
    "an action that is not pinned": (WORKFLOW, "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
    "an expression in a shell script": (WORKFLOW, "mlops triage retrain", "mlops triage ${{ github.event.action }}"),
    "a job that needs a missing job": (WORKFLOW, "    runs-on:", "    needs: nobody\n    runs-on:"),
    "a wrong key of a step": (WORKFLOW, "timeout-minutes: 350", "timeout: 350"),
    "a job without a time limit": (WORKFLOW, "    timeout-minutes: 350\n", ""),
    "a checkout with default credentials": (WORKFLOW, "        with:\n          persist-credentials: false\n", ""),
    "no concurrency": (WORKFLOW, "concurrency:\n  group: retrain\n  cancel-in-progress: false\n", ""),
    "an unquoted variable": (WORKFLOW, 'retrain --job "$JOB"', "retrain --job $JOB"),
    "a job that signs in for the laptop": (WORKFLOW, "MLOPS_TARGET: azure", "MLOPS_TARGET: local"),
    "a runner that changes": (WORKFLOW, "ubuntu-24.04", "ubuntu-latest"),
    "a checkout that keeps credentials": (WORKFLOW, "persist-credentials: false", "persist-credentials: true"),
    "an event that is not passed on": (WORKFLOW, "EVENT_PAYLOAD:", "EVENT_LOAD:"),
    "a variable that is not set": (WORKFLOW, "          JOB: ${{", "          RUN: ${{"),
    "text around an expression": (WORKFLOW, "outputs.job }}", "outputs.job }}-1"),
    "an undefined name": (WORKFLOW, "${{ vars.", "${{ var."),
    "an undefined input": (".github/workflows/teardown.yml", "inputs.confirm", "inputs.confirmed"),
    "a wrong key of an input of a workflow": (DEPLOY, "        type: string\n", "        typo: string\n"),
    "an input without a type": (DEPLOY, "        type: string\n", ""),
    "a result of a job that is not needed": (DEPLOY, "    needs: triage\n", ""),
    "an impossible time": (WORKFLOW, "30 4 1 * *", "30 24 1 * *"),
    "a retraining that can be cancelled": (WORKFLOW, "cancel-in-progress: false", "cancel-in-progress: true"),
    "no permission to check out": (WORKFLOW, "      contents: read # to check out the code\n", ""),
    "no permission to open an issue": (".github/workflows/template.yml", "issues: write", "issues: read"),
    "a missing uv": (WORKFLOW, f"      - uses: {SETUP_UV}\n", ""),
    "an unset workspace": (WORKFLOW, "      AZURE_RESOURCE_GROUP: ${{ vars.AZURE_RESOURCE_GROUP }}\n", ""),
    "a wrong way to sign in to Azure": (WORKFLOW, "          client-id:", "          client:"),
    "an ecosystem unknown to Dependabot": (".github/dependabot.yml", "github-actions", "github-action"),
    "a typo in Bicep": (STORAGE, "resource ", "resorce "),
    "a storage account with keys": (STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    "a container without a parent": (STORAGE, "  parent: blobs\n", ""),
    "a role without a principal type": (ACCESS, "    principalType: principalType\n", ""),
    "an unknown role": (ACCESS, "f6c7c914", "f6c7c915"),
    "a role without a scope": (ACCESS, "  scope: workspace\n", ""),
    "an address that is not secure": ("infra/bridge/events.bicep", "@secure()\n", ""),
    "events without a retry policy": ("infra/bridge/events.bicep", "    retryPolicy: retryPolicy\n", ""),
    "a resource without a name": ("infra/bridge/events.bicep", "  name: storageName\n", ""),
    "an unknown property": (STORAGE, "minimumTlsVersion:", "minimalTlsVersion:"),
    "an unknown parameter": ("infra/main.parameters.json", '"maxNodes"', '"maxNode"'),
    "a value that is not allowed": ("infra/main.parameters.json", '"create"', '"borrowed"'),
    "an unpublished image": (CONTAINER, "devcontainers/python:1-3.11", "devcontainers/python:1-3.10"),
    "an unpublished feature": (CONTAINER, "features/azure-cli:1", "features/azure-cly:1"),
    "JSON with an extra comma": ("infra/bridge/function/host.json", "\n}\n", ",\n}\n"),
    "TOML that does not parse": ("pyproject.toml", "[project]", "[project"),
    "an invalid requirement": ("infra/bridge/function/requirements.txt", "==", "="),
    "a notebook with an output": (NOTEBOOK, '"outputs": []', f'"outputs": [{OUTPUT}]', 1),
    "a notebook with a count": (NOTEBOOK, '"execution_count": null', '"execution_count": 3', 1),
    "a notebook without a valid format": (NOTEBOOK, '"nbformat": 4', '"nbformat": "four"'),
    "a cell that does not compile": (NOTEBOOK, '"from ', '"from from ', 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def project(render):
    return render(**ANSWERS)


@pytest.fixture
def write(project):
    """Return a function that writes a file of the project, which is restored afterwards."""
    before = {}

    def write(path, content):
        file = project / path
        before[file] = file.read_bytes() if file.exists() else None
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)

    yield write
    for file, content in before.items():
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)


def test_a_rendered_project_has_no_error(project):
    assert problems(project, contents(project)) == []


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_in_its_file(defect, project, write):
    path, good, bad, *count = DEFECTS[defect]
    text = (project / path).read_text(encoding="utf-8")
    assert good in text
    write(path, text.replace(good, bad, *count).encode())
    found = problems(project, [path])
    assert found and all(sentence.startswith(f"{path}: ") for sentence in found)


# Files that no project has: their content, and the expected error.
STRANGE = [
    ("src/aux.py", b"A = 1\n", "Windows does not allow that name"),
    ("src/a:b.py", b"A = 1\n", "Windows does not allow that name"),
    ("readme.md", b"# Twice\n", "differs only by case"),
    ("src/empty.py", b"", "it is empty"),
    ("src/latin.md", "größe\n".encode("latin-1"), "it is not UTF-8"),
    ("src/mark.md", "\ufeffText\n".encode(), "byte order mark"),
    ("src/model.pkl", b"A\n", "there is no validator for this file"),
    ("src/rows.csv", b"a,b\n1\n", "rows have [1, 2] cells"),
    ("mypy.ini", b"[mypy\n", "no section headers"),
    (".gitignore", b"!\n", "Invalid git pattern"),
    (".gitattributes", b"* te!xt=auto\n", "not a valid attribute name"),
    (".pre-commit-config.yaml", b"repos:\n  - repo: local\n", "Missing required key"),
]


@pytest.mark.parametrize(("path", "content", "what"), STRANGE)
def test_an_unexpected_file_is_found(path, content, what, project, write):
    write(path, content)
    assert any(what in sentence for sentence in problems(project, [path]))


def test_an_empty_folder_is_found(project):
    (project / "src" / "later").mkdir()
    found = problems(project, [SCORE])
    (project / "src" / "later").rmdir()
    assert found == [f"{SCORE}: the folder later is empty"]


ALL = sorted(
    {validator for validators in VALIDATORS.values() for validator in validators}, key=lambda one: one.__name__
)


@pytest.mark.parametrize("validator", ALL, ids=lambda validator: validator.__qualname__)
def test_every_validator_finds_a_defect_by_itself(validator, project, write):
    patterns = [pattern for pattern, validators in VALIDATORS.items() if validator in validators]
    assert any(finds(validator, *defect, project=project, write=write) for defect in of(patterns, project))


def of(patterns, project):
    """Return the defects in files of some patterns: path and new content."""
    for path, good, bad, *count in DEFECTS.values():
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            yield path, (project / path).read_text(encoding="utf-8").replace(good, bad, *count).encode()
    yield from ((path, content) for path, content, _ in STRANGE if any(fnmatchcase(path, one) for one in patterns))


def finds(validator, path, content, project, write):
    before = (project / path).read_bytes() if (project / path).exists() else None
    write(path, content)
    try:
        return bool(validator(project, [path]))
    except Exception:  # `problems` reports a file that a validator cannot read
        return True
    finally:
        if before is not None:
            (project / path).write_bytes(before)
