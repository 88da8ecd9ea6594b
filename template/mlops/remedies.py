"""Says in one sentence what a refusal of Azure means and what to do about it. Pure: it asks nobody."""

import re
from dataclasses import dataclass
from enum import StrEnum

from mlops import rights

SHOWN = 300
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
HTML = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[/!?a-z][^>]*>", re.IGNORECASE | re.DOTALL)
SEGMENT = {
    "subscription": re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE),
    "group": re.compile(r"/resourceGroups/([^/?]+)", re.IGNORECASE),
    "workspace": re.compile(r"/workspaces/([^/?]+)", re.IGNORECASE),
}
BELOW = re.compile(r"/workspaces/[^/?]+/([^?]+)", re.IGNORECASE)
CLOSED = re.compile(
    r"private (link|endpoint)|public (network )?access|firewall|virtual network|\bvnet\b|network security perimeter"
    r"|(client|ip) address .*not (allowed|authorized)",
    re.IGNORECASE,
)
CLOSED_CODES = ("AuthorizationFailure", "ForbiddenByFirewall", "ForbiddenByConnection", "PublicNetworkAccessDisabled")
UNRESOLVED = re.compile(r"resolve|getaddrinfo|name or service not known|nodename nor servname", re.IGNORECASE)
TIMEOUT = re.compile(r"timed?[ -]?out", re.IGNORECASE)
CERTIFICATE = re.compile(r"certificate|\bssl\b", re.IGNORECASE)
HOST = re.compile(r"host='([^']+)'|https?://([^/:'\s]+)")
ENTRA = re.compile(r"AADSTS(\d+)")
QUOTA = re.compile(r"quota", re.IGNORECASE)
AGAIN = "Nothing is wrong here: run the command again in some minutes"

# What Entra says, by its number.
LOGINS = {
    "700082 70043 70008 50173 50078 50079 50076 700084 50132 50133": (
        "The Azure login has expired or has to be confirmed: run `az login`"
    ),
    "700024": "The workflow's sign-in has expired: run the workflow again",
    "700213 700211 70021 7002138 700223 700212": (
        "Entra does not trust this repository, branch or environment: `mlops bootstrap` registers the subject that "
        "GitHub sends"
    ),
    "7000215 7000222": "The client secret is wrong or has expired: make a new one and store it where the old one was",
    "700016 90002 900023 90013": "Entra does not know this application or tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    "53003 53000 50158 530032": "A policy of your organisation blocks this sign-in: ask who administers Entra",
}
# What is plain from the code alone, whatever the status.
CODES = {
    "RequestDisallowedByPolicy": "A policy of your organisation forbids it: ask who administers the subscription",
    "ScopeLocked": "A lock on the resource forbids it: have its owner remove the lock",
    "ReadOnlyDisabledSubscription": "The subscription is disabled: have its owner enable it",
    "MissingSubscriptionRegistration": "The subscription does not know the service yet: run `mlops bootstrap`",
    "SubscriptionNotRegistered": "The subscription does not know the service yet: run `mlops bootstrap`",
    "KeyBasedAuthenticationNotPermitted": (
        "The storage account takes no keys, and the datastore is made with one: run `mlops provision`, which makes "
        "datastores that use identities"
    ),
    "InvalidAuthenticationTokenTenant": (
        "The login belongs to another tenant than the subscription: run `az login --tenant` with the subscription's "
        "tenant, or check AZURE_SUBSCRIPTION_ID"
    ),
    "ContainerNotFound": "The workspace's storage container does not exist: check the datastore in the studio",
}


class Kind(StrEnum):
    """Where a refusal comes from."""

    ANSWER = "answer"
    CONNECTION = "connection"
    LOGIN = "login"
    SDK = "sdk"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Refusal:
    """What is known of a refusal; `asked` is the request's verb and address, `codes` are the code and its inner ones."""

    kind: Kind
    message: str
    status: int | None = None
    codes: tuple[str, ...] = ()
    asked: str = ""
    request: str = ""
    retry_after: str = ""

    @property
    def code(self) -> str:
        """Return the outermost code, empty without one."""
        return self.codes[0] if self.codes else ""

    def part(self, name: str) -> str:
        """Return the subscription, group or workspace that was asked."""
        found = SEGMENT[name].search(self.asked)
        return found[1] if found else ""


def sentence(refusal: Refusal) -> str:
    """Return what is wrong and what to do, with Azure's status and code at the end to search for."""
    said = next(filter(None, (rule(refusal) for rule in RULES)))
    return f"{said.rstrip('.')} ({mark(refusal)})."


def mark(refusal: Refusal) -> str:
    """Return status, code and request id: what a person or Microsoft's support can look for."""
    parts = [f"{refusal.status or ''} {refusal.code}".strip()]
    parts += [f"request {refusal.request}"] if refusal.request else []
    known = ", ".join(part for part in parts if part)
    return f"Azure said {known}" if known else {Kind.SDK: "azure-ai-ml"}.get(refusal.kind, "no answer of Azure")


def clean(text: str) -> str:
    """Return foreign text on one line, without colours and markup, at a length that can be read."""
    plain = " ".join(HTML.sub(" ", ANSI.sub("", text)).split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN].rsplit(' ', 1)[0]} ..."


def _of_code(refusal: Refusal) -> str:
    known = next((CODES[code] for code in refusal.codes if code in CODES), "")
    if not known and (QUOTA.search(refusal.code) or "enough quota" in refusal.message):
        return f"The quota does not suffice: {_said(refusal)}. Ask for more in the studio under Quota, or use less"
    return known


def _of_login(refusal: Refusal) -> str:
    numbers = ENTRA.findall(refusal.message)
    for known, said in LOGINS.items():
        if set(numbers) & set(known.split()):
            return said
    if refusal.kind is Kind.LOGIN and numbers:
        return f"Entra refused the sign-in: {_said(refusal)}. Run `az login`, or sign in as the workflows do"
    if refusal.kind is Kind.LOGIN:
        return (
            "There are no Azure credentials: run `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a federated "
            "token as the workflows do"
        )
    if "ExpiredAuthenticationToken" in refusal.codes:
        return "The Azure login has expired: run `az login`, or start the workflow again"
    return ""


def _of_connection(refusal: Refusal) -> str:
    if refusal.kind is not Kind.CONNECTION:
        return ""
    found = HOST.search(refusal.message)
    host = next(filter(None, found.groups()), "Azure") if found else "Azure"
    if UNRESOLVED.search(refusal.message):
        return f"{host} cannot be found: check that this machine is online and, if a proxy or VPN is needed, that it is set"
    if CERTIFICATE.search(refusal.message):
        return f"The certificate of {host} is not trusted: if a proxy is in between, name its CA in REQUESTS_CA_BUNDLE"
    if TIMEOUT.search(refusal.message):
        return f"{host} did not answer in time. {AGAIN}; if that does not help, check the network and its firewall"
    return f"The connection to {host} failed or was cut: check the network and run the command again"


def _of_network(refusal: Refusal) -> str:
    if refusal.status not in (401, 403, 502) and refusal.kind is not Kind.SDK:
        return ""
    if not CLOSED.search(refusal.message) and not set(CLOSED_CODES) & set(refusal.codes):
        return ""
    return (
        f"{rights.owner(refusal.asked)} is closed to this network: run this from a network that it lets in, for example "
        "on a runner inside its virtual network, or have its owner let this address in"
    )


def _of_rights(refusal: Refusal) -> str:
    missing = rights.missing(refusal.status, refusal.codes, refusal.message, refusal.asked)
    return rights.sentence(missing) if missing else ""


def _of_place(refusal: Refusal) -> str:
    place = rights.wrong_place(refusal.status, refusal.codes, refusal.message, refusal.asked)
    if place == "subscription":
        return (
            f"There is no subscription {refusal.part('subscription')} that this login can see: check "
            "AZURE_SUBSCRIPTION_ID or config.json; `az account list` shows those there are"
        )
    if place == "group":
        return (
            f"There is no resource group {refusal.part('group')} in the subscription {refusal.part('subscription')}: "
            "check AZURE_RESOURCE_GROUP and AZURE_SUBSCRIPTION_ID or config.json"
        )
    if place == "workspace":
        return (
            f"There is no workspace {refusal.part('workspace')} in the resource group {refusal.part('group')}: check "
            "AZUREML_WORKSPACE_NAME and AZURE_RESOURCE_GROUP or config.json, or run `mlops bootstrap`"
        )
    return ""


def _of_status(refusal: Refusal) -> str:
    asked, said = _asked(refusal), _said(refusal)
    match refusal.status:
        case 401:
            return f"Azure does not accept the login: {said}. Run `az login`, or start the workflow again"
        case 403:
            return (
                f"Azure forbids this identity to {asked}: {said}. Have an owner give it the role {rights.SCIENTIST} on "
                "the workspace; if no answer of Azure is shown here, a proxy or firewall may be in the way"
            )
        case 404:
            return (
                f"Azure did not find what is needed to {asked}: {said}. Check the settings and what the sentence names"
            )
        case 409:
            return f"Something is in the way of the request to {asked}: {said}. Wait for what else is going on and run it again"
        case 412:
            return f"Somebody else changed it meanwhile ({asked}): {said}. Run the command again"
        case 429:
            pause = f"in {refusal.retry_after} seconds" if refusal.retry_after else "in some minutes"
            return f"Azure has too many requests to {asked}: run the command again {pause}"
        case int(status) if status == 408 or status >= 500:
            return f"Azure could not {asked}: {said}. {AGAIN}; https://status.azure.com tells of outages"
        case int(status) if status >= 400:
            return (
                f"Azure did not accept the request to {asked}: {said}. Correct what it names and run the command again"
            )
    return ""


def _of_rest(refusal: Refusal) -> str:
    said = _said(refusal)
    if refusal.kind is Kind.SDK:
        return f"The request was refused: {said}. Correct what it names; MLOPS_DEBUG=1 shows where it happened"
    if refusal.codes:
        return f"Azure began to {_asked(refusal)} and failed: {said}. Correct what it names and run the command again"
    return (
        f"What came in answer to the request to {_asked(refusal)} cannot be read: {said}. Run the command again; if it "
        "stays so, a proxy may be in the way; MLOPS_DEBUG=1 shows where it happened"
    )


RULES = (_of_code, _of_login, _of_connection, _of_network, _of_place, _of_rights, _of_status, _of_rest)


def _said(refusal: Refusal) -> str:
    return clean(refusal.message).rstrip(".") or "it gave no reason"


def _asked(refusal: Refusal) -> str:
    verb = refusal.asked.partition(" ")[0]
    does = {"GET": "read", "HEAD": "read", "DELETE": "delete", "": "answer"}.get(verb, "change")
    below = BELOW.search(refusal.asked)
    what = below[1] if below else re.sub(r"^\w+ (https?://)?|\?.*", "", refusal.asked)
    return f"{does} {what[:120]}".strip()
