"""Tests the Bicep check and Azure's naming rules; test_variants.py checks the Bicep of every variant."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bicep_values import parse
from variants.validators.bicep import deploys

TEMPLATE_INFRA = Path(__file__).parents[1] / "template" / "infra"


def parameters(file: Path) -> dict:
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: entry["value"] for name, entry in content["parameters"].items()}


@pytest.fixture(scope="module")
def project(render):
    return render(trigger="function", compute_target="cluster")


def test_every_file_is_parsed():
    files = sorted(TEMPLATE_INFRA.rglob("*.bicep"))
    assert len(files) == 10
    for file in files:
        parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("file", "good", "bad", "message"),
    [
        ("modules/storage.bicep", "minimumTlsVersion:", "minimalTlsVersion:", "no property minimalTlsVersion"),
        ("modules/vault.bicep", "vaults@2024-11-01", "vaults@2022-07-01", "API version 2024-11-01, not 2022-07-01"),
        ("modules/storage.bicep", "'Standard_LRS'", "'Standard_SSD'", "'Standard_SSD' is no"),
        ("modules/vault.bicep", "softDeleteRetentionInDays: 7", "softDeleteRetentionInDays: '7'", "is not of type int"),
        ("modules/vault.bicep", "id string = vault.id", "id int = vault.id", "'string' is not of type int"),
        ("modules/vault.bicep", "id string = vault.id", "id string = vault.idd", "no property idd to read"),
        ("modules/vault.bicep", "location: location", "location: region", "region is not defined"),
        ("modules/budget.bicep", "amount: amount", "currentSpend: {}\n    amount: amount", "is read-only"),
        ("modules/budget.bicep", "    category: 'Cost'\n", "", "category is missing"),
        ("modules/cluster.bicep", "'AmlCompute'", "'AmlCluster'", "computeType is not one of"),
        ("main.bicep", "vmSize: vmSize", "vmSiz: vmSize", "no parameter vmSiz"),
        ("main.bicep", "    vmSize: vmSize\n", "", "the parameter vmSize has no value"),
        ("main.bicep", "maxNodes: maxNodes", "maxNodes: vmSize", "parameter maxNodes"),
        ("main.bicep", "principalType: 'ServicePrincipal'", "principalType: 'Robot'", "cannot be 'Robot'"),
        ("main.bicep", "modules/vault.bicep", "modules/safe.bicep", "no file modules/safe.bicep"),
        ("bridge/function/main.bicep", "maxEventsPerBatch", "maxEventPerBatch", "no property maxEventPerBatch"),
        ("bridge/function/main.bicep", "primaryEndpoints.blob", "primaryEndpoints.blobs", "no property blobs"),
        ("bridge/event-filters.json", "StringContains", "StringHolds", "operatorType is not one of"),
        ("bridge/event-filters.json", "subjectBeginsWith", "subjectStartsWith", "no property subjectStartsWith"),
    ],
)  # fmt: skip
def test_a_defect_is_found(project, tmp_path, file, good, bad, message):
    infra = shutil.copytree(project / "infra", tmp_path / "infra")
    text = (infra / file).read_text(encoding="utf-8")
    assert good in text
    (infra / file).write_text(text.replace(good, bad), encoding="utf-8")
    found = deploys(tmp_path, [file])
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    "project_name", ["ab", "Customer churn", "a-b-c-d", "An astonishingly long name for a project", "x" * 40]
)
def test_names_follow_azures_rules(render, project_name):
    project = render(project_name=project_name, trigger="function")
    base = parameters(project / "infra" / "main.parameters.json")
    bridge = parameters(project / "infra" / "bridge" / "main.parameters.json")
    assert re.fullmatch("[a-z0-9]{3,24}", base["storageName"])
    assert re.fullmatch("[a-z](?:[a-z0-9]|-(?!-)){1,22}[a-z0-9]", base["vaultName"])
    assert re.fullmatch("[a-z0-9]{5,50}", base["registryName"])
    assert re.fullmatch("[a-z0-9][a-z0-9-]{2,32}", base["workspaceName"])
    assert re.fullmatch("[a-z0-9][a-z0-9-]{1,31}", bridge["name"])
    assert re.fullmatch("[a-zA-Z][a-z0-9-]{0,30}[a-z0-9]", base["clusterName"])


def test_the_topic_listens_to_this_projects_model_and_monitor(render):
    filters = json.loads((render(project_name="Customer churn") / "infra/bridge/event-filters.json").read_text())
    assert filters["modelRegistered"]["subjectBeginsWith"] == "models/customer-churn-model:"
    assert filters["driftDetected"]["advancedFilters"][1]["values"] == ["customer_churn_monitor_"]
