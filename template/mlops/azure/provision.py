"""Deploys the Bicep: first the workspace and its resources, then the bridge and its subscriptions."""

from datetime import UTC, datetime

from mlops.azure.commands import Command
from mlops.settings import Settings

# Compiled Python in the folder is of this machine.
ZIP = (
    "import shutil; shutil.rmtree('infra/bridge/function/__pycache__', ignore_errors=True); "
    "shutil.make_archive('.azureml-local/function', 'zip', 'infra/bridge/function')"
)
BUDGETS = "https://management.azure.com/subscriptions/{subscriptionId}/resourceGroups"


def provision(settings: Settings, principal: str = "") -> list[Command]:
    """Return the commands that deploy everything; a second run changes only what differs.

    Args:
        settings: the project's.
        principal: the object ID of the identity that workflows train and deploy with; without one no role is assigned.
    """
    return [*_base(settings, principal), *_bridge(settings)]


def _base(settings: Settings, principal: str) -> list[Command]:
    azure = settings.azure
    budget = f"{azure.resource_group}/providers/Microsoft.Consumption/budgets/budget-{azure.workspace_name}"
    this_month = f"{datetime.now(UTC):%Y-%m-01}"
    # An existing budget keeps its start date: Azure does not allow a change.
    query = f"join('', value[?name=='budget-{azure.workspace_name}'].properties.timePeriod.startDate) || '{this_month}'"
    url = f"{BUDGETS}/{budget.rsplit('/', 1)[0]}?api-version=2024-08-01"
    return [
        Command(
            "Read since when the budget runs",
            ("az", "rest", "--method", "get", "--url", url, "--query", query, "--output", "tsv"),
            saves="BUDGET_START",
        ),
        _deployment(
            settings,
            "base",
            "infra/main.bicep",
            "infra/main.parameters.json",
            "budgetStart=${BUDGET_START}",
            f"githubPrincipalId={principal}",
        ),
    ]


def _bridge(settings: Settings) -> list[Command]:
    if settings.trigger == "scheduled":
        return []
    template, parameters = f"infra/bridge/{settings.trigger}/main.bicep", "infra/bridge/main.parameters.json"
    if settings.trigger == "logic_app":
        return [_deployment(settings, "bridge", template, parameters)]
    azure = settings.azure
    return [
        _deployment(settings, "bridge", template, parameters, "withSubscriptions=false"),
        Command("Zip the function's code", ("uv", "run", "python", "-c", ZIP)),
        Command(
            "Publish the function's code",
            (
                *("az", "functionapp", "deployment", "source", "config-zip"),
                *("--resource-group", azure.resource_group, "--name", azure.function),
                *("--src", ".azureml-local/function.zip", "--build-remote", "true", "--output", "none"),
            ),
        ),
        _deployment(settings, "subscriptions", template, parameters, "withSubscriptions=true"),
    ]


def _deployment(settings: Settings, name: str, template: str, file: str, *parameters: str) -> Command:
    return Command(
        f"Deploy {template} ({name})",
        (
            *("az", "deployment", "group", "create", "--resource-group", settings.azure.resource_group),
            *("--name", name, "--template-file", template, "--parameters", file, *parameters, "--output", "none"),
        ),
    )
