"""Sets a project up in Azure and on GitHub: identities, roles, workflow variables, the first deployment, the token."""

import json

from mlops.azure.commands import SECRET_FILE, Command
from mlops.azure.identities import identities, infrastructure_roles
from mlops.azure.provision import provision
from mlops.settings import Settings

TOKEN_SECRET = "github-dispatch-token"  # noqa: S105
PROVIDERS = {"logic_app": ["EventGrid", "Logic"], "function": ["EventGrid", "Web"], "scheduled": []}
NO_REVIEWERS = (
    "Required reviewers need a public repository or GitHub Enterprise. Make the repository public, or give up the "
    "approval with `uvx 'copier>=9.19' update --data approval=none`, and run this again."
)


def bootstrap(settings: Settings) -> list[Command]:
    """Return the commands that set the project up, in order."""
    return [
        *_start(settings),
        *identities(settings),
        *infrastructure_roles(settings),
        *_environments(settings),
        *_variables(settings),
        *provision(settings, "${GITHUB_PRINCIPAL}"),
        *_token(settings),
    ]


def _start(settings: Settings) -> list[Command]:
    azure = settings.azure
    show = ("az", "account", "show", "--output", "tsv", "--query")
    names = ["MachineLearningServices", *PROVIDERS[settings.trigger]]
    providers = [
        Command(
            f"Register Microsoft.{name}",
            ("az", "provider", "register", "--namespace", f"Microsoft.{name}", "--wait"),
            unless=(
                *("az", "provider", "show", "--namespace", f"Microsoft.{name}", "--output", "tsv"),
                *("--query", "registrationState == 'Registered' && 'yes' || ''"),
            ),
        )
        for name in names
    ]
    group = Command(
        f"Make the resource group {azure.resource_group}",
        ("az", "group", "create", "--name", azure.resource_group, "--location", azure.location, "--output", "none"),
        unless=("az", "group", "show", "--name", azure.resource_group, "--query", "id", "--output", "tsv"),
    )
    return [
        Command("Read the subscription", (*show, "id"), saves="SUBSCRIPTION", advice="Run `az login`."),
        Command("Read the tenant", (*show, "tenantId"), saves="TENANT"),
        *providers,
        *([group] if azure.workspace == "create" else []),
    ]


def _environments(settings: Settings) -> list[Command]:
    if not settings.github.needs_approval:
        return []
    body = json.dumps({"reviewers": [{"type": "User", "id": "REVIEWER"}]}).replace('"REVIEWER"', "${REVIEWER}")
    reviewer = Command(
        "Read who you are on GitHub: the first reviewer", ("gh", "api", "user", "--jq", ".id"), saves="REVIEWER"
    )
    commands = [reviewer]
    for name in ("production", "infrastructure"):
        path = f"repos/{settings.github.repository}/environments/{name}"
        rules = '.protection_rules[]? | select(.type == "required_reviewers").id'
        commands.append(
            Command(
                f"Make the GitHub environment {name} with you as reviewer",
                ("gh", "api", "--method", "PUT", path, "--silent", "--input", "-"),
                unless=("gh", "api", path, "--jq", rules),
                stdin=body,
                advice=NO_REVIEWERS,
            )
        )
    return commands


def _variables(settings: Settings) -> list[Command]:
    values = {
        "AZURE_TENANT_ID": "${TENANT}",
        "AZURE_SUBSCRIPTION_ID": "${SUBSCRIPTION}",
        "AZURE_RESOURCE_GROUP": settings.azure.resource_group,
        "AZUREML_WORKSPACE_NAME": settings.azure.workspace_name,
        "AZURE_PRINCIPAL_ID": "${GITHUB_PRINCIPAL}",
    }
    if settings.github.uses_oidc:
        values |= {"AZURE_CLIENT_ID": "${GITHUB_CLIENT}", "AZURE_INFRA_CLIENT_ID": "${INFRA_CLIENT}"}
    repository = settings.github.repository
    return [
        Command(
            f"Set the GitHub variable {name}",
            ("gh", "variable", "set", name, "--body", value, "--repo", repository),
            unless=(
                *("gh", "api", f"repos/{repository}/actions/variables/{name}"),
                *("--jq", f'select(.value == "{value}").value'),
            ),
        )
        for name, value in values.items()
    ]


def _token(settings: Settings) -> list[Command]:
    if settings.trigger == "scheduled":
        return []
    azure = settings.azure
    vault = f"/subscriptions/${{SUBSCRIPTION}}/resourceGroups/{azure.resource_group}/providers"
    which = ("--role", "Key Vault Secrets Officer", "--scope", f"{vault}/Microsoft.KeyVault/vaults/{azure.vault}")
    secret = ("--vault-name", azure.vault, "--name", TOKEN_SECRET)
    return [
        Command(
            "Read who you are in Azure",
            ("az", "ad", "signed-in-user", "show", "--query", "id", "--output", "tsv"),
            saves="ME",
        ),
        Command(
            f"Let you write secrets into {azure.vault}",
            (
                *("az", "role", "assignment", "create", "--assignee-object-id", "${ME}"),
                *("--assignee-principal-type", "User", *which, "--output", "none"),
            ),
            unless=("az", "role", "assignment", "list", "--assignee", "${ME}", *which, "--query", "[].id", "-o", "tsv"),
        ),
        Command(
            f"Keep the token for GitHub in {azure.vault}",
            ("az", "keyvault", "secret", "set", *secret, "--file", SECRET_FILE, "--output", "none"),
            unless=("az", "keyvault", "secret", "show", *secret, "--query", "id", "--output", "tsv"),
            secret=f"Fine-grained token for {settings.github.repository} with the permission Contents: read and write",
            advice="A new role takes up to five minutes to work: run this again.",
        ),
    ]
