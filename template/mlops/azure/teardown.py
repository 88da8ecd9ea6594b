"""Removes the Azure resources of the project, so that they cost nothing any more. GitHub's settings remain."""

import json
from pathlib import Path
from shlex import quote

from mlops.azure.commands import Command
from mlops.paths import ROOT, read_yaml
from mlops.settings import Settings

MACHINE_LEARNING = "Microsoft.MachineLearningServices/workspaces"


def teardown(settings: Settings, root: Path = ROOT) -> list[Command]:
    """Return the commands that remove everything; in an existing workspace, only the resources that were added."""
    azure = settings.azure
    subscription = Command(
        "Read the subscription",
        ("az", "account", "show", "--query", "id", "--output", "tsv"),
        saves="SUBSCRIPTION",
        advice="Run `az login`.",
    )
    scope = f"/subscriptions/${{SUBSCRIPTION}}/resourceGroups/{azure.resource_group}/providers"
    workspace = f"{scope}/{MACHINE_LEARNING}/{azure.workspace_name}"
    added = [f"{workspace}/{name}" for name in _endpoints(root)]
    if azure.workspace == "create":
        # Without a purge the name of a deleted workspace stays taken for two weeks, and that of a vault for one.
        purge = f"https://management.azure.com{workspace}?api-version=2025-06-01&forceToPurge=true"
        group = quote(azure.resource_group)
        deleted = f"az keyvault list-deleted --resource-type vault --query \"[?name=='{azure.vault}'].id\" --output tsv"
        last = [
            Command(
                f"Delete the workspace {azure.workspace_name} for good",
                ("az", "rest", "--method", "delete", "--url", purge),
                unless=_if_empty(_shown(workspace)),
            ),
            Command(
                f"Delete the resource group {azure.resource_group} and everything in it",
                ("az", "group", "delete", "--name", azure.resource_group, "--yes"),
                unless=_if_empty(f"az group exists --name {group} | grep true"),
            ),
            Command(
                f"Purge the vault {azure.vault}",
                ("az", "keyvault", "purge", "--name", azure.vault),
                unless=_if_empty(deleted),
            ),
        ]
    else:
        added += _cluster(workspace, root) + _bridge(settings, scope, root)
        last = []
    return [subscription, *(_delete(resource) for resource in added), *last]


def _delete(resource: str) -> Command:
    return Command(
        f"Delete {resource.rsplit('/', 2)[-2]} {resource.rsplit('/', 1)[-1]}",
        ("az", "resource", "delete", "--ids", resource, "--output", "none"),
        unless=_if_empty(_shown(resource)),
    )


def _shown(resource: str) -> str:
    return f"az resource show --ids '{resource}' --query id --output tsv"


def _if_empty(line: str) -> tuple[str, ...]:
    """Return a command that prints something only if this one prints nothing: a missing resource counts as deleted."""
    return ("bash", "-c", f"{line} 2>/dev/null | grep -q . || echo gone")


def _endpoints(root: Path) -> list[str]:
    kinds = {"online": "onlineEndpoints", "batch": "batchEndpoints"}
    return [
        f"{kind}/{read_yaml(file)['name']}"
        for folder, kind in kinds.items()
        for file in sorted((root / "endpoints" / folder / "endpoint").glob("*.yml"))
    ]


def _cluster(workspace: str, root: Path) -> list[str]:
    files = sorted((root / "resources" / "compute").glob("*.yml"))
    return [f"{workspace}/computes/{read_yaml(file)['name']}" for file in files]


def _bridge(settings: Settings, scope: str, root: Path) -> list[str]:
    if settings.trigger == "scheduled":
        return []
    content = json.loads((root / "infra" / "bridge" / "main.parameters.json").read_text(encoding="utf-8"))
    values = {name: entry["value"] for name, entry in content["parameters"].items()}
    function = [f"Microsoft.Web/sites/{values['name']}", f"Microsoft.Web/serverfarms/plan-{values['name']}"]
    return [
        f"{scope}/{resource}"
        for resource in (
            f"Microsoft.EventGrid/systemTopics/evgt-{values['workspaceName']}",
            *(function if settings.trigger == "function" else [f"Microsoft.Logic/workflows/{values['name']}"]),
            f"Microsoft.KeyVault/vaults/{values['vaultName']}",
            f"Microsoft.Storage/storageAccounts/{values['storageName']}",
        )
    ]
