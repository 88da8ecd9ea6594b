"""Creates the identities of the workflows: one trains and deploys, the other may change infrastructure."""

from mlops.azure.commands import Command
from mlops.settings import Settings

ISSUER, AUDIENCE = "https://token.actions.githubusercontent.com", "api://AzureADTokenExchange"
# The roles that infra/ assigns. The identity that deploys it can assign no other roles.
ASSIGNED_ROLES = (
    "b24988ac-6180-42a0-ab88-20f7382dd24c",  # Contributor
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",  # Key Vault Administrator
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    "69566ab7-960f-475b-8e7c-b3118f30c6bd",  # Storage File Data Privileged Contributor
    "f6c7c914-8db3-469d-8ca1-694a8f32e121",  # AzureML Data Scientist
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05",  # Monitoring Reader
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",  # AcrPull
    "4633458b-17de-408a-b874-0445c86b69e6",  # Key Vault Secrets User
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
)


def identities(settings: Settings) -> list[Command]:
    """Return the commands that create both identities and let the repository's jobs sign in as them."""
    return _managed_identities(settings) if settings.github.uses_oidc else _service_principals(settings)


def _managed_identities(settings: Settings) -> list[Command]:
    commands = [
        Command(
            "Read GitHub's subject prefix",
            (
                *("gh", "api", f"repos/{settings.github.repository}/actions/oidc/customization/sub"),
                *("--jq", f'.sub_claim_prefix // "repo:{settings.github.repository}"'),
            ),
            saves="SUBJECT_PREFIX",
            advice="Run `gh auth login`, and make the repository if there is none yet.",
        ),
    ]
    environments = {"GITHUB": "production", "INFRA": "infrastructure"}
    for key, environment in environments.items():
        name, group = f"{settings.azure.identity}-{key.lower()}", settings.azure.resource_group
        which = ("--name", name, "--resource-group", group)
        show = ("az", "identity", "show", *which, "--output", "tsv", "--query")
        commands += [
            Command(
                f"Make the identity {name}",
                ("az", "identity", "create", *which, "--location", settings.azure.location, "--output", "none"),
                unless=(*show, "id"),
            ),
            Command(f"Read {name}'s client ID", (*show, "clientId"), saves=f"{key}_CLIENT"),
            Command(f"Read {name}'s object ID", (*show, "principalId"), saves=f"{key}_PRINCIPAL"),
        ]
        subjects = [f"ref:refs/heads/{settings.github.branch}"] if key == "GITHUB" else []
        if settings.github.needs_approval:
            subjects.append(f"environment:{environment}")
        elif not subjects:
            subjects = [f"ref:refs/heads/{settings.github.branch}"]
        commands += [_credential(name, group, subject) for subject in subjects]
    return commands


def _credential(identity: str, group: str, subject: str) -> Command:
    name = subject.split(":")[1].rsplit("/", 1)[-1]
    which = ("--name", name, "--identity-name", identity, "--resource-group", group)
    wanted = f"${{SUBJECT_PREFIX}}:{subject}"
    return Command(
        f"Let jobs of {subject} sign in as {identity}",
        (
            *("az", "identity", "federated-credential", "create", *which, "--issuer", ISSUER),
            *("--subject", wanted, "--audiences", AUDIENCE, "--output", "none"),
        ),
        # A renamed repository has another subject: then the credential is replaced.
        unless=(
            *("az", "identity", "federated-credential", "show", *which, "--output", "tsv"),
            *("--query", f"subject == '{wanted}' && 'yes' || ''"),
        ),
    )


def _service_principals(settings: Settings) -> list[Command]:
    commands = []
    for key, secret in {"GITHUB": "AZURE_CREDENTIALS", "INFRA": "AZURE_INFRA_CREDENTIALS"}.items():
        name = f"{settings.azure.identity}-{key.lower()}"
        show = ("az", "ad", "sp", "list", "--display-name", name, "--output", "tsv", "--query")
        repository = ("--repo", settings.github.repository)
        pipe = f"az ad sp create-for-rbac --name {name} --json-auth | gh secret set {secret} {' '.join(repository)}"
        listed = (
            "gh",
            "secret",
            "list",
            *repository,
            "--json",
            "name",
            "--jq",
            f'.[] | select(.name == "{secret}").name',
        )
        commands += [
            # A pipe passes the secret on, so it is shown nowhere.
            Command(f"Make the service principal {name}", ("bash", "-o", "pipefail", "-c", pipe), unless=listed),
            Command(f"Read {name}'s object ID", (*show, "[0].id"), saves=f"{key}_PRINCIPAL"),
        ]
    return commands


def infrastructure_roles(settings: Settings) -> list[Command]:
    """Return the commands that let the second identity change infrastructure and assign the roles of infra/."""
    scope = f"/subscriptions/${{SUBSCRIPTION}}/resourceGroups/{settings.azure.resource_group}"
    roles = ", ".join(ASSIGNED_ROLES)
    actions = {"write": "@Request", "delete": "@Resource"}
    condition = " AND ".join(
        f"((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/{action}'}})) OR "
        f"({where}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{roles}}}))"
        for action, where in actions.items()
    )
    limits = ("--condition", condition, "--condition-version", "2.0")
    commands = []
    for role, extra in {"Contributor": (), "Role Based Access Control Administrator": limits}.items():
        which = ("--role", role, "--scope", scope)
        commands.append(
            Command(
                f"Give {settings.azure.identity}-infra the role {role} in {settings.azure.resource_group}",
                (
                    *("az", "role", "assignment", "create", "--assignee-object-id", "${INFRA_PRINCIPAL}"),
                    *("--assignee-principal-type", "ServicePrincipal", *which, *extra, "--output", "none"),
                ),
                unless=(
                    *("az", "role", "assignment", "list", "--assignee", "${INFRA_PRINCIPAL}", *which),
                    *("--query", "[].id", "--output", "tsv"),
                ),
            )
        )
    return commands
