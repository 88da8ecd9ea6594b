"""Each relation finds a planted defect between the files that it covers."""

import pytest

from projects import questionnaire
from variants.relations import RELATIONS
from variants.renderer import Renderer

PIPELINE = "pipelines/ci_pipeline.yml"
MONITOR = "endpoints/online/monitor/advanced.yml"
DEPLOYMENT = "endpoints/online/deployment/deployment.yml"
RETRAIN = ".github/workflows/ci-triggered-by-aml.yml"
DEPLOY = ".github/workflows/cd-triggered-by-aml.yml"
NOTEBOOK = "notebooks/02-train-deploy-monitor.ipynb"
BATCH_PACKAGES = "batch_has_the_models_packages_and_the_drivers"
GONE = None
ON_NO_SIZE = "    resources:\n      instance_type: Standard_DS2v2\n"

DEFECTS = [
    ("references_point_at_what_is_defined", PIPELINE, "azureml:penguins-model-data@", "azureml:penguins-data@"),
    ("references_point_at_what_is_defined", PIPELINE, "azureml:penguins-cluster", "azureml:other-cluster"),
    ("references_point_at_what_is_defined", "components/train.yml", "azureml:mlops-training@", "azureml:mlops-train@"),
    (
        "references_point_at_what_is_defined",
        MONITOR,
        "model_performance:1.0.0",
        "model_performance:2",
    ),
    ("references_point_at_what_is_defined", MONITOR, "-model-reference:1", "-model-reference:one"),
    ("references_point_at_what_is_defined", MONITOR, "model_outputs:1", "model_output:1"),
    ("references_point_at_what_is_defined", DEPLOYMENT, "azureml:penguins-model@latest", "azureml:penguins-model"),
    ("references_point_at_what_is_defined", "resources/compute/cluster.yml", "name: penguins-", "name: other-"),
    ("steps_bind_what_their_components_declare", PIPELINE, "train.yml\n", f"train.yml\n{ON_NO_SIZE}"),
    ("steps_bind_what_their_components_declare", PIPELINE, "      holdout_share: $", "      holdout_shares: $"),
    ("steps_bind_what_their_components_declare", PIPELINE, "parent.inputs.margin", "parent.inputs.margins"),
    ("steps_bind_what_their_components_declare", PIPELINE, "split.outputs.holdout", "split.outputs.held_out"),
    ("steps_bind_what_their_components_declare", PIPELINE, "      margin: ${{parent.inputs.margin}}\n", ""),
    ("steps_bind_what_their_components_declare", PIPELINE, "margin: 0.01", "margin: much"),
    ("steps_bind_what_their_components_declare", PIPELINE, "components/train.yml", "components/training.yml"),
    ("steps_bind_what_their_components_declare", PIPELINE, "${{parent.outputs.gate}}", "${{parent.outputs.gates}}"),
    (
        "steps_bind_what_their_components_declare",
        PIPELINE,
        "  git_commit: unknown",
        "  unused: 1\n  git_commit: unknown",
    ),
    ("steps_bind_what_their_components_declare", "components/split.yml", "  holdout:\n", "  hold:\n"),
    ("steps_bind_what_their_components_declare", PIPELINE, "    type: command", "    kind: command"),
    ("steps_bind_what_their_components_declare", PIPELINE, "    type: command", "    type: spark"),
    ("steps_bind_what_their_components_declare", PIPELINE, "    outputs:\n", "    output:\n"),
    ("steps_bind_what_their_components_declare", PIPELINE, "${{parent.inputs.margin}}", "${{parent.inputs.margin}"),
    ("steps_bind_what_their_components_declare", PIPELINE, "split.outputs.holdout", "split.outputs.training"),
    ("components_call_python_with_its_options", "components/split.yml", "--seed", "--seeds"),
    ("components_call_python_with_its_options", "components/split.yml", "${{inputs.seed}}", "7"),
    ("components_call_python_with_its_options", "components/split.yml", "inputs.seed}}", "inputs.sead}}"),
    ("components_call_python_with_its_options", "components/train.yml", "model.train\n", "model.training\n"),
    ("components_call_python_with_its_options", "src/model/model_performance.py", GONE, GONE),
    ("components_call_python_with_its_options", "components/register.yml", "is_deterministic: false\n", ""),
    ("components_call_python_with_its_options", "components/model_performance.yml", "    mode: direct\n", ""),
    ("custom_signals_give_what_their_components_declare", MONITOR, "metric_name: error_rate", "metric_name: errors"),
    ("custom_signals_give_what_their_components_declare", MONITOR, "        ground_truth:\n", "        labels:\n"),
    (
        "custom_signals_give_what_their_components_declare",
        "components/model_performance.yml",
        "--metric error_",
        "--metric ",
    ),
    ("names_keep_azures_rules", "endpoints/online/endpoint/endpoint.yml", "name: ", "name: 1-"),
    ("names_keep_azures_rules", "infra/main.parameters.json", "stpenguins", "st-penguins"),
    ("names_keep_azures_rules", MONITOR, "    penguins_monitor_data_drift:", "    penguins monitor_data_drift:"),
    ("files_agree_on_names", DEPLOYMENT, "endpoint_name: penguins", "endpoint_name: penguin"),
    ("files_agree_on_names", PIPELINE, "model_name: penguins-model", "model_name: penguins"),
    ("files_agree_on_names", MONITOR, "    penguins_monitor_data_drift:", "    penguin_monitor_data_drift:"),
    ("files_agree_on_names", MONITOR, ":model-1\n", ":blue\n"),
    ("files_agree_on_names", "infra/bridge/event-filters.json", "models/penguins-model:", "models/penguins:"),
    ("files_agree_on_names", "infra/bridge/event-filters.json", "penguins_monitor_", "monitor_"),
    ("files_agree_on_names", "infra/project.yml", "workspace_name: ", "workspace_name: x"),
    ("files_agree_on_names", "infra/bridge/main.parameters.json", "stpenguins", "stpenguin"),
    ("files_agree_on_names", "resources/data/labels.yml", "penguins-model-labels", "penguins-labels"),
    ("files_agree_on_names", MONITOR, "    endpoint_deployment_id: azureml:penguins-", "    # "),
    ("files_agree_on_names", "resources/data/reference.yml", "-reference\n", "-references\n"),
    ("monitors_suit_the_contract", MONITOR, '        - "sex"\n', ""),
    ("monitors_suit_the_contract", MONITOR, 'target_column: "species"', 'target_column: "kind"'),
    ("monitors_suit_the_contract", MONITOR, "name: penguins-monitor", "name: penguin-monitor"),
    ("monitors_suit_the_contract", MONITOR, "_monitor_data_quality:", "_monitor_quality:"),
    ("monitors_suit_the_contract", MONITOR, "ml_task: classification", "ml_task: regression"),
    ("monitors_suit_the_contract", MONITOR, "alert_enabled: true", "alert_enabled: false"),
    ("monitors_suit_the_contract", MONITOR, "type: prediction_drift", "type: data_drift"),
    ("monitors_suit_the_contract", MONITOR, "data_context: training", "data_context: test"),
    ("monitors_suit_the_contract", MONITOR, "          null_value_rate: 0.0\n", ""),
    ("monitors_suit_the_contract", MONITOR, "categorical:\n          jensen", "numerical:\n          jensen"),
    ("monitors_suit_the_contract", MONITOR, "metric_name: error_rate", "metric_name: rmse"),
    ("monitors_suit_the_contract", MONITOR, "        ground_truth:", "        labels:"),
    ("monitors_suit_the_contract", MONITOR, "lookback_window_size: P7D", "lookback_window_size: 7D"),
    (
        "monitors_suit_the_contract",
        MONITOR,
        "          data_context: model_outputs\n",
        "          data_context: model_outputs\n          pre_processing_component: azureml:model_performance:1.0.0\n",
    ),
    ("monitors_suit_the_contract", MONITOR, "frequency: day", "frequency: month"),
    ("monitors_suit_the_contract", MONITOR, "lookback_window_offset: P0D", "lookback_window_offset: P9H"),
    ("monitors_suit_the_contract", MONITOR, "jensen_shannon_distance: 0.1", "jensen_shannon_distance: 99"),
    ("monitors_suit_the_contract", MONITOR, "create_monitor:", "create_monitors:"),
    ("monitors_suit_the_contract", MONITOR, GONE, GONE),
    ("pins_are_those_of_the_project", "environments/conda.yml", "pandas==2.3.3", "pandas==2.3.2"),
    ("pins_are_those_of_the_project", "environments/conda.yml", "pandas==2.3.3", "pandas>=2"),
    ("pins_are_those_of_the_project", "environments/conda.yml", "python=3.11", "python=3.12"),
    ("pins_are_those_of_the_project", "environments/training.yml", "conda.yml", "conda.yaml"),
    ("pins_are_those_of_the_project", "environments/conda_batch.yml", "azureml-core==1.61", "azureml-core==1.60"),
    ("pins_are_those_of_the_project", "environments/conda_batch.yml", "setuptools<82", "setuptools"),
    ("pins_are_those_of_the_project", "environments/conda_batch.yml", "python=3.11", "python=3.12"),
    (BATCH_PACKAGES, "environments/conda_batch.yml", "      - azureml-core==1.61.0.post4\n", ""),
    (BATCH_PACKAGES, "environments/conda_batch.yml", "[fuse]", ""),
    (BATCH_PACKAGES, "environments/conda_batch.yml", "      - setuptools<82\n", ""),
    (BATCH_PACKAGES, "environments/conda_batch.yml", "      - scikit-learn==1.9.1\n", ""),
    (BATCH_PACKAGES, "environments/batch.yml", "openmpi5.0", "openmpi4.1.0"),
    (BATCH_PACKAGES, "endpoints/batch/deployment/deployment.yml", "mlops-batch", "mlops-training"),
    ("pins_are_those_of_the_project", "infra/bridge/function/requirements.txt", "requests==2", "requests==1"),
    ("what_code_imports_is_installed", "environments/conda.yml", "      - scikit-learn==1.9.1\n", ""),
    ("what_code_imports_is_installed", "environments/conda.yml", "      - azureml-mlflow==1.62.0.post6\n", ""),
    ("what_code_imports_is_installed", "environments/conda.yml", "conda-forge", "defaults"),
    ("what_code_imports_is_installed", "src/model/split.py", "import pandas", "import polars"),
    ("imports_are_there", "src/model/collection.py", GONE, GONE),
    ("imports_are_there", "packages/azureml_metrics/src/azureml_metrics/drift.py", GONE, GONE),
    ("code_that_is_deployed_is_there", "src/score.py", GONE, GONE),
    ("documents_name_existing_files", "README.md", "`src/model/estimator.py`", "`src/model/estimators.py`"),
    ("documents_name_existing_files", "src/model/estimator.py", GONE, GONE),
    ("documents_name_existing_files", NOTEBOOK, "`pipelines/ci_pipeline.yml`", "`pipelines/cd_pipeline.yml`"),
    ("links_have_targets", "README.md", "## Test\n", "## Test\n\n[more](docs/nowhere.md)\n"),
    ("links_have_targets", "README.md", "## Test\n", "## Test\n\n[more](#nowhere)\n"),
    ("links_have_targets", "docs/costs.md", GONE, GONE),
    ("links_have_targets", NOTEBOOK, "(01-data.ipynb)", "(01-date.ipynb)"),
    ("commands_are_those_of_mlops", "README.md", "uv run mlops loop", "uv run mlops circle"),
    ("commands_are_those_of_mlops", RETRAIN, "uv run mlops triage", "uv run mlops decide"),
    ("commands_are_those_of_mlops", DEPLOY, "mlops triage deploy", "mlops triage deployed"),
    ("commands_are_those_of_mlops", RETRAIN, "mlops retrain --job", "mlops retrain --run"),
    ("documents_use_the_resources_names", "README.md", "-n penguins-monitor", "-n penguins-monitors"),
    ("documents_use_the_resources_names", "docs/costs.md", "--name penguins-monitor", "--name monitor"),
    ("documents_use_the_resources_names", "README.md", "--confirm my-organization", "--confirm our-organization"),
    ("documents_use_the_resources_names", "infra/project.yml", "resource_group: ", "resource_group: x"),
    ("variables_are_set_by_bootstrap", RETRAIN, "vars.AZURE_RESOURCE_GROUP", "vars.RESOURCE_GROUP"),
    ("variables_are_set_by_bootstrap", RETRAIN, "secrets.AZURE_CREDENTIALS", "secrets.AZURE_LOGIN"),
    ("outputs_come_from_jobs_and_steps_that_are_there", RETRAIN, "id: triage", "id: decide"),
    ("outputs_come_from_jobs_and_steps_that_are_there", DEPLOY, "      version: $", "      number: $"),
    ("events_that_are_sent_start_a_workflow", DEPLOY, "[model-registered]", "[model-added]"),
    ("workflows_start_when_they_should", RETRAIN, "  workflow_dispatch:\n", ""),
    ("workflows_start_when_they_should", ".github/workflows/ci.yml", "branches: [main]", "branches: [mian]"),
    ("workflows_start_when_they_should", ".github/workflows/infra.yml", "paths: [infra/**]", "paths: [infro/**]"),
    ("only_building_and_removing_wait_for_each_other", ".github/workflows/infra.yml", "group: infra", "group: infro"),
    ("only_building_and_removing_wait_for_each_other", RETRAIN, "group: retrain", "group: deploy"),
    ("workflows_do_what_was_decided_and_approved", RETRAIN, "== 'RETRAIN'", "== 'RETRAINED'"),
    ("workflows_do_what_was_decided_and_approved", DEPLOY, "    if: needs.triage.outputs.outcome == 'DEPLOY'\n", ""),
    ("workflows_do_what_was_decided_and_approved", DEPLOY, "environment: production", "environment: prod"),
    ("filters_look_at_the_monitors_tag", "infra/bridge/event-filters.json", "_threshold_breached", "_breached"),
    ("function_gets_the_settings_it_reads", "infra/bridge/function/main.bicep", "'GITHUB_TOKEN_URI'", "'GITHUB_TOKEN'"),
    ("dependabot_looks_where_something_is", ".github/dependabot.yml", "/infra/bridge/function", "/infra/functions"),
    ("dependabot_looks_where_something_is", ".github/dependabot.yml", "    cooldown:\n      default-days: 7\n", ""),
]


@pytest.fixture(scope="module")
def project():
    answers = {"dataset": "penguins", "monitor_type": "advanced", "trigger": "function", "compute_target": "cluster"}
    answers |= {"endpoint_type": "online_and_batch", "github_auth": "service_principal"}
    (values,) = questionnaire().variants(branching=(), **answers)
    return Renderer(questionnaire()).files(values)


def found(name, files):
    (relation,) = (relation for relation in RELATIONS if relation.name == name)
    names = frozenset(files)
    return relation.find({path: files[path] for path in relation.paths(names)}, names)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_a_rendered_project_has_no_error(relation, project):
    assert relation.paths(frozenset(project))
    assert found(relation.name, project) == []


@pytest.mark.parametrize(("relation", "path", "good", "bad"), DEFECTS)
def test_a_defect_is_found(relation, path, good, bad, project):
    defective = {name: content for name, content in project.items() if name != path}
    if good is not GONE:
        text = project[path].decode()
        assert good in text
        defective[path] = text.replace(good, bad).encode()
    assert found(relation, defective)


def test_every_relation_is_tested_with_a_defect():
    assert {relation.name for relation in RELATIONS} == {defect[0] for defect in DEFECTS}
