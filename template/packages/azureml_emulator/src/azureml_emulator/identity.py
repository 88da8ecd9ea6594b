"""Emulates Microsoft Entra: issues tokens, and identifies the caller of a request."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from azureml_emulator.answers import Refused, answer
from azureml_emulator.transport import Request, Response

HOST = "login.microsoftonline.com"
TENANT = "11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True)
class Caller:
    """The caller: its object in Entra, and the service that its token is for."""

    object_id: str
    audience: str


def token(object_id: str, scope: str, lifetime: int = 3600) -> str:
    """Return an unsigned token; the SDK decodes its claims and never checks the signature."""
    claims = {
        "aud": scope.removesuffix("/.default"),
        "oid": object_id,
        "appid": object_id,
        "tid": TENANT,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": int(time.time()) - 60,
        "nbf": int(time.time()) - 60,
        "exp": int(time.time()) + lifetime,
    }
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}.c2ln"


def caller(request: Request) -> Caller:
    """Return the caller.

    Raises:
        Refused: the request carries no token, or an expired one.
    """
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
    except (IndexError, ValueError):
        claims = {}
    if scheme != "Bearer" or "oid" not in claims:
        message = "Authentication failed. The 'Authorization' header is missing."
        raise Refused(401, "AuthenticationFailed", message)
    if claims["exp"] < time.time():
        message = "The access token expiry UTC time is earlier than current UTC time."
        raise Refused(401, "ExpiredAuthenticationToken", message)
    return Caller(claims["oid"], claims["aud"])


def entra(request: Request) -> Response:
    """Answer the requests of `msal`: the addresses, and tokens for a client's secret or federated token."""
    if request.path.endswith("/discovery/instance"):
        address = f"https://{HOST}/{TENANT}/v2.0/.well-known/openid-configuration"
        aliases = {"preferred_network": HOST, "preferred_cache": "login.windows.net", "aliases": [HOST]}
        return answer(200, {"tenant_discovery_endpoint": address, "api-version": "1.1", "metadata": [aliases]})
    if request.path.endswith("/.well-known/openid-configuration"):
        base = f"https://{HOST}/{TENANT}"
        return answer(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "issuer": f"{base}/v2.0",
            },
        )
    given = {key: value[0] for key, value in parse_qs(request.body.decode()).items()}
    if given.get("client_secret") == "expired":
        description = "AADSTS7000222: The provided client secret keys for app 'app' are expired."
        return answer(401, {"error": "invalid_client", "error_description": description, "error_codes": [7000222]})
    issued = token(given["client_id"], given["scope"].split()[0])
    return answer(200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": issued})


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
