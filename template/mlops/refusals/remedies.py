"""Explains a refusal of Azure and its remedy in one sentence. Pure: it makes no requests."""

import re

from mlops.refusals import rights
from mlops.refusals.refused import Kind, Refusal

CLOSED = re.compile(
    r"private (link|endpoint)|public (network )?access|firewall|virtual network|\bvnet\b|network security perimeter"
    r"|(client|ip) address .*not (allowed|authorized)",
    re.IGNORECASE,
)
# Storage uses the first one for requests that its firewall blocks.
CLOSED_CODES = {"AuthorizationFailure", "ForbiddenByFirewall", "ForbiddenByConnection", "PublicNetworkAccessDisabled"}
UNRESOLVED = re.compile(r"resolve|getaddrinfo|name or service not known|nodename nor servname", re.IGNORECASE)
TIMEOUT = re.compile(r"timed?[ -]?out", re.IGNORECASE)
CERTIFICATE = re.compile(r"certificate|\bssl\b", re.IGNORECASE)
HOST = re.compile(r"host='([^']+)'|https?://([^/:'\s]+)|resolve '([^']+)'")
UPLOAD = re.compile(r"https://([a-z0-9]+)\.blob\.[^/]+/([^/]+)/(LocalUpload/[0-9a-f]+)/")
ENTRA = re.compile(r"AADSTS(\d+)")
QUOTA = re.compile(r"quota", re.IGNORECASE)
AGAIN = "This passes: run the command again in some minutes"
DEBUG = "MLOPS_DEBUG=1 shows where it happened"

# Entra's messages by number.
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
    "700016 90002 900023 90013": (
        "Entra does not know this application or tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID"
    ),
    "53003 53000 50158 530032": "A policy of your organisation blocks this sign-in: ask who administers Entra",
}
# Codes that are clear whatever the status.
CODES = {
    "RequestDisallowedByPolicy": "A policy of your organisation forbids it: ask who administers the subscription",
    "ScopeLocked": "A lock on the resource forbids it: have its owner remove the lock",
    "ReadOnlyDisabledSubscription": "The subscription is disabled: have its owner enable it",
    "MissingSubscriptionRegistration": "The subscription does not know the service yet: run `mlops bootstrap`",
    "SubscriptionNotRegistered": "The subscription does not know the service yet: run `mlops bootstrap`",
    "KeyBasedAuthenticationNotPermitted": (
        "The storage account takes no keys, but the datastore was made with one: give the datastore no credentials, so "
        "that it uses identities"
    ),
    "InvalidAuthenticationTokenTenant": (
        "The login belongs to another tenant than the subscription: run `az login --tenant` with the subscription's "
        "tenant, or check AZURE_SUBSCRIPTION_ID"
    ),
    "ContainerNotFound": "The workspace's storage container is gone: look at the datastores in the studio",
    "ExpiredAuthenticationToken": "The Azure login has expired: run `az login`, or start the workflow again",
}


def sentence(refusal: Refusal) -> str:
    """Return the problem and its remedy, with Azure's status and code at the end to search for."""
    said = next(filter(None, (rule(refusal) for rule in RULES)))
    return f"{said} ({refusal.mark})."


def _of_code(refusal: Refusal) -> str:
    known = next((CODES[code] for code in refusal.codes if code in CODES), "")
    if not known and (any(QUOTA.search(code) for code in refusal.codes) or "enough quota" in refusal.message):
        return f"The quota is too small: {refusal.said}. Ask for more in the studio under Quota, or use less"
    return known


def _of_half_upload(refusal: Refusal) -> str:
    # The upload has a file, but not the SDK's mark that it is complete: the SDK neither continues it nor starts again.
    found = UPLOAD.search(refusal.asked)
    if not found or "BlobAlreadyExists" not in refusal.codes:
        return ""
    account, container, folder = found.groups()
    return (
        "An earlier upload of the same files was cut off: delete it with `az storage blob delete-batch "
        f"--auth-mode login --account-name {account} --source {container} --pattern '{folder}/*'` and run this again"
    )


def _of_login(refusal: Refusal) -> str:
    numbers = set(ENTRA.findall(refusal.message))
    known = next((said for known, said in LOGINS.items() if numbers & set(known.split())), "")
    if known or refusal.kind is not Kind.LOGIN:
        return known
    if numbers:
        return f"Entra refused the sign-in: {refusal.said}. Run `az login`, or sign in as the workflows do"
    return (
        "There are no Azure credentials: run `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a federated token "
        "as the workflows do"
    )


def _of_connection(refusal: Refusal) -> str:
    if refusal.kind is not Kind.CONNECTION:
        return ""
    found = HOST.search(refusal.message)
    host = next(filter(None, found.groups()), "Azure") if found else "Azure"
    if UNRESOLVED.search(refusal.message):
        return f"{host} cannot be found: check that this machine is online, and its proxy or VPN if it needs one"
    if CERTIFICATE.search(refusal.message):
        return f"The certificate of {host} is not trusted: name the CA of the proxy in between in REQUESTS_CA_BUNDLE"
    if TIMEOUT.search(refusal.message):
        return f"{host} did not answer in time. {AGAIN}; if it does not, check the network and its firewall"
    return f"The connection to {host} failed or was cut: check the network and run the command again"


def _of_network(refusal: Refusal) -> str:
    if refusal.status not in (401, 403, 502) and refusal.kind is not Kind.SDK:
        return ""
    if not CLOSED.search(refusal.message) and not CLOSED_CODES & set(refusal.codes):
        return ""
    owner = rights.owner(refusal.asked)
    return (
        f"{owner[0].upper()}{owner[1:]} is closed to this network: run this inside its virtual network, for example on "
        "a runner there, or have its owner let this address in"
    )


def _of_place(refusal: Refusal) -> str:
    place = rights.wrong_place(refusal.status, refusal.codes, refusal.message, refusal.asked)
    subscription, group = (refusal.part(name) or "that is asked for" for name in ("subscription", "group"))
    if place == "subscription":
        return (
            f"There is no subscription {subscription} that this login can see: check AZURE_SUBSCRIPTION_ID or "
            "config.json; `az account list` shows those there are"
        )
    if place == "group":
        return (
            f"There is no resource group {group} in the subscription {subscription}: check AZURE_RESOURCE_GROUP and "
            "AZURE_SUBSCRIPTION_ID or config.json"
        )
    if place == "workspace":
        return (
            f"There is no workspace {refusal.part('workspace')} in the resource group {group}: check "
            "AZUREML_WORKSPACE_NAME and AZURE_RESOURCE_GROUP or config.json, or run `mlops bootstrap`"
        )
    return ""


def _of_rights(refusal: Refusal) -> str:
    missing = rights.missing(refusal.status, refusal.codes, refusal.message, refusal.asked)
    return rights.sentence(missing) if missing else ""


def _of_status(refusal: Refusal) -> str:
    tried, said = refusal.tried, refusal.said
    match refusal.status:
        case 401:
            return f"Azure does not accept the login: {said}. Run `az login`, or start the workflow again"
        case 403:
            return (
                f"Azure forbids this identity to {tried}: {said}. Have an owner give it the role {rights.SCIENTIST} on "
                "the workspace; if Azure gives no code, a proxy or firewall may have answered"
            )
        case 404:
            return f"Azure did not find a resource needed to {tried}: {said}. Check the settings and what Azure names"
        case 409:
            return f"Another operation blocks the request to {tried}: {said}. Wait for it and run this again"
        case 412:
            return f"Another change preceded the request to {tried}: {said}. Run the command again"
        case 429:
            pause = f"in {refusal.retry_after} seconds" if refusal.retry_after else "in some minutes"
            return f"Azure got too many requests to {tried}: run the command again {pause}"
        case int(status) if status == 408 or status >= 500:
            return f"Azure failed to {tried}: {said}. {AGAIN}; https://status.azure.com lists outages"
        case int(status) if status >= 400:
            return f"Azure did not accept the request to {tried}: {said}. Correct what it names and run this again"
    return ""


def _of_rest(refusal: Refusal) -> str:
    if refusal.kind is Kind.SDK:
        return f"The request was refused: {refusal.said}. Correct what it names; {DEBUG}"
    if refusal.codes:
        return f"Azure started to {refusal.tried} and failed: {refusal.said}. Correct what it names and run this again"
    answer = f"The answer to the request to {refusal.tried}" if refusal.asked else "An answer of Azure"
    return (
        f"{answer} cannot be understood: {refusal.said}. Run the command again; if this repeats, a proxy may have "
        f"answered in place of Azure; {DEBUG}"
    )


RULES = (_of_code, _of_half_upload, _of_login, _of_connection, _of_network, _of_place, _of_rights, _of_status, _of_rest)
