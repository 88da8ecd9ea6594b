"""Reads from a refusal the missing right and its scope, and whether the workspace itself was not found. Pure."""

import re
from dataclasses import dataclass

SCIENTIST, BLOBS = "AzureML Data Scientist", "Storage Blob Data Contributor"
# By the start of the action; the first match counts.
ROLES = (
    (r"Microsoft\.MachineLearningServices/registries/", "AzureML Registry User"),
    (r"Microsoft\.MachineLearningServices/workspaces/computes/(write|delete|.*listKeys)", "AzureML Compute Operator"),
    (r"Microsoft\.MachineLearningServices/workspaces/(write|delete|listKeys/action)$", "Contributor"),
    (r"Microsoft\.MachineLearningServices/", SCIENTIST),
    (r"Microsoft\.Storage/storageAccounts/blobServices/", BLOBS),
    (r"Microsoft\.KeyVault/vaults/secrets/", "Key Vault Secrets User"),
    (r"Microsoft\.Authorization/roleAssignments/", "Role Based Access Control Administrator"),
    (r"Microsoft\.ManagedIdentity/", "Managed Identity Operator"),
    (r"Microsoft\.ContainerRegistry/registries/pull", "AcrPull"),
    (r"", "Contributor"),
)
ACTION = re.compile(r"(?:perform action(?:\(s\))?|linked action|permissions? for) '?([\w.*/-]+)'?", re.IGNORECASE)
LINKED = re.compile(
    r"does not have permission to perform action(?:\(s\))? '([^']+)' on the linked scope\(s\) '([^']+)'"
)
SCOPE = re.compile(r"(?:over|at|on) scope '([^']+)'", re.IGNORECASE)
CLIENT = re.compile(r"client '([^']+)'|object id:? '?([0-9a-fA-F-]{8,})'?")
STORAGE = re.compile(
    r"permission to alter this storage account|not authorized to perform this operation using this perm"
)
ACCOUNT = re.compile(r"https?://([a-z0-9]+)\.(?:blob|dfs|file|queue|table)\.")
WORKSPACE = re.compile(r"(.*/workspaces/[^/]+)/.*", re.IGNORECASE)
NO_PERMISSION = re.compile(r"does not have permissions? for ([\w./-]+)", re.IGNORECASE)
CODES = {
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    "LinkedAccessCheckFailed",
    "DenyAssignmentAuthorizationFailed",
    "AuthorizationPermissionMismatch",
    "AuthorizationError",
}
# A resource as Azure names it in a message, from the workspace on.
NAMED = re.compile(r"Microsoft\.MachineLearningServices/workspaces/([^/'\"\s]+)((?:/[^/'\"\s]+)*)", re.IGNORECASE)
PARENT = re.compile(r"parent resource '([^']+)'", re.IGNORECASE)
SUBJECT = re.compile(
    r"^(?:the )?(subscription|resource ?group|workspace|compute|datastore|storage account|container registry|key vault"
    r"|virtual network)\b(?!.*microsoft\.machinelearningservices/workspaces/)",
    re.IGNORECASE,
)
PLACES = {
    "SubscriptionNotFound": "subscription",
    "InvalidSubscriptionId": "subscription",
    "ResourceGroupNotFound": "group",
    "WorkspaceNotFound": "workspace",
}
SUBJECTS = {
    "subscription": "subscription",
    "resource group": "group",
    "resourcegroup": "group",
    "workspace": "workspace",
}
# Codes about a resource above or beside the requested one.
ELSEWHERE = ("InvalidResourceNamespace", "InvalidResourceType", "NoRegisteredProviderFound", "ContainerNotFound")


@dataclass(frozen=True)
class MissingRight:
    """A missing right: the identity, the action, and the role on a resource; empty fields are not in the refusal."""

    role: str
    scope: str
    action: str = ""
    client: str = ""
    denied: bool = False


def missing(status: int | None, codes: tuple[str, ...], message: str, asked: str) -> MissingRight | None:
    """Return the right that is missing, None if the refusal is of another kind."""
    found = CLIENT.search(message)
    client = next(filter(None, found.groups()), "") if found else ""
    if "AuthorizationPermissionMismatch" in codes or STORAGE.search(message):
        return MissingRight(
            BLOBS, owner(asked) if ACCOUNT.search(asked) else "the workspace's storage account", "", client
        )
    data_plane = NO_PERMISSION.search(message) if status in (401, 403) else None
    if not set(codes) & CODES and not data_plane:
        return None
    linked, action, scope = LINKED.search(message), ACTION.search(message), SCOPE.search(message)
    wanted = linked[1] if linked else data_plane[1] if data_plane else action[1] if action else ""
    where = linked[2] if linked else scope[1] if scope else ""
    fitting = (role for pattern, role in ROLES if re.match(pattern, wanted, re.IGNORECASE))
    role = next(fitting) if wanted else SCIENTIST
    if role in (SCIENTIST, BLOBS):
        where = WORKSPACE.sub(r"\1", where) if role == SCIENTIST else where.partition("/blobServices")[0]
    return MissingRight(role, where or owner(asked), wanted, client, "DenyAssignmentAuthorizationFailed" in codes)


def sentence(right: MissingRight) -> str:
    """Return a sentence with the missing right and the person who can assign it."""
    who = f"The identity {right.client}" if right.client else "This identity"
    does = f" {right.action}" if right.action else " that"
    if right.denied:
        return f"{who} may not do{does} on {right.scope}: a deny assignment forbids it, which only its owner can remove"
    return (
        f"{who} may not do{does}: it lacks the role {right.role} on {right.scope}, or there is no such resource. Have "
        "an owner assign the role (a new one takes some minutes to work), and check the names in the settings"
    )


def owner(asked: str) -> str:
    """Return the receiver of a request, for messages."""
    account = ACCOUNT.search(asked)
    if account:
        return f"the storage account {account[1]}"
    name = re.search(r"/workspaces/([^/?]+)", asked, re.IGNORECASE)
    return f"the workspace {name[1]}" if name else "the workspace"


def wrong_place(status: int | None, codes: tuple[str, ...], message: str, asked: str) -> str:
    """Return the one of `subscription`, `group` and `workspace` that was not found, or an empty text."""
    for code in codes:
        if code in PLACES:
            return PLACES[code]
    if status != 404:
        return ""
    named, parent = NAMED.search(message), PARENT.search(message)
    if named:
        return "" if named[2] else "workspace"
    if parent:
        name = re.search(r"/workspaces/([^/?]+)", asked, re.IGNORECASE)
        return "workspace" if name and parent[1].rpartition("/")[2].lower() == name[1].lower() else ""
    subject = SUBJECT.match(message)
    return SUBJECTS.get(subject[1].lower().replace(" ", ""), "") if subject else ""


def is_of_asked(codes: tuple[str, ...], message: str, asked: str) -> bool:
    """Return whether a 404 is about the requested resource, and not about another one above or beside it."""
    verb, _, address = asked.partition(" ")
    if verb not in ("GET", "HEAD", "DELETE", "") or set(codes) & set(ELSEWHERE) or not codes:
        return False
    if wrong_place(404, codes, message, asked):
        return False
    path = address.partition("?")[0].lower()
    named, parent, subject = NAMED.search(message), PARENT.search(message), SUBJECT.match(message)
    if named:
        return named[2].lower().rstrip("./") in path
    if parent:
        return f"/{parent[1].rpartition('/')[2].lower()}" in path
    return not subject or f"/{subject[1].lower().replace(' ', '')}s/" in path
