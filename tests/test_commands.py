"""Tests `mlops` with impossible requests: it prints one sentence on stderr and exits with code 2."""

import pytest

from mlops.errors import WrongInputError
from mlops.workspace import Target, connect
from projects import mlops

WORKSPACE = {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_RESOURCE_GROUP": "rg-churn",
    "AZUREML_WORKSPACE_NAME": "mlw-churn",
}


@pytest.fixture(scope="module")
def project(render):
    return render()


def assert_refused(done, sentence):
    assert done.code == 2, done.stdout + done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_training_without_data_names_the_remedy(project):
    assert_refused(mlops(project, "train"), "There is no data asset diabetes-model-data yet: run `mlops data` first.")


def test_unknown_target_in_the_environment_is_refused(project):
    assert_refused(
        mlops(project, "data", MLOPS_TARGET="nonsense"), "MLOPS_TARGET is 'nonsense'; it can be local or azure."
    )


def test_unknown_target_on_the_command_line_is_refused(project):
    assert_refused(mlops(project, "data", "--target", "nonsense"), "nonsense")


@pytest.mark.parametrize("verb", ["data", "train"])
def test_azure_without_settings_names_what_is_missing(project, verb):
    assert_refused(mlops(project, verb, MLOPS_TARGET="azure"), f"{', '.join(WORKSPACE)} are not set")


@pytest.mark.parametrize("missing", WORKSPACE)
def test_azure_without_one_setting_names_it(monkeypatch, missing):
    for name, value in WORKSPACE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(WrongInputError, match=f"{missing} is not set"):
        connect(Target.AZURE)


def test_azure_without_credentials_says_how_to_sign_in(project, tmp_path):
    nobody = {"HOME": str(tmp_path), "AZURE_CONFIG_DIR": str(tmp_path)}
    assert_refused(mlops(project, "train", MLOPS_TARGET="azure", **WORKSPACE, **nobody), "run `az login`")


def test_invalid_contract_is_wrong_input(render):
    project = render()
    contract = project / "src" / "model" / "contract.yml"
    contract.write_text(contract.read_text(encoding="utf-8").replace("task: ", "task: no"), encoding="utf-8")
    done = mlops(project, "data")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("mlops: src/model/contract.yml: task is 'noregression'")
    assert done.stderr.count("\n") == 1
