"""Faulty answers of Azure, or of a proxy in front of it, in the form that the emulator takes them."""

from typing import Any

AUTHORIZATION = {
    "error": {
        "code": "AuthorizationFailed",
        "message": "The client 'app' with object id '33333333-3333-3333-3333-333333333333' does not have authorization "
        "to perform action 'Microsoft.MachineLearningServices/workspaces/jobs/read' over scope '/subscriptions/s/"
        "resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw-diabetes/jobs/x' or the scope is "
        "invalid. If access was recently granted, please refresh your credentials.",
    }
}


def error(status: int, code: str, message: str, **headers: str) -> dict[str, Any]:
    return {"status": status, "json": {"error": {"code": code, "message": message}}, "headers": headers}


FAULTS: dict[str, dict[str, Any]] = {
    "401": error(
        401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
    ),
    "401 text": {"status": 401, "text": "Bearer token not provided."},
    "403": {"status": 403, "json": AUTHORIZATION},
    "403 page": {
        "status": 403,
        "text": "<html><head><title>x</title></head><body><h1>Access denied</h1></body></html>",
    },
    "404 group": error(404, "ResourceGroupNotFound", "Resource group 'rg-diabetes' could not be found."),
    "404 subscription": error(404, "SubscriptionNotFound", "The subscription '1' could not be found."),
    "404 workspace": error(
        404,
        "ResourceNotFound",
        "The Resource 'Microsoft.MachineLearningServices/workspaces/mlw-diabetes' under resource group 'rg-diabetes' "
        "was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    ),
    "404 parent": error(
        404,
        "ParentResourceNotFound",
        "Can not perform requested operation on nested resource. Parent resource 'mlw-diabetes' not found.",
    ),
    "404 page": {"status": 404, "text": "<html><body><h1>404 Not Found</h1></body></html>"},
    "404 empty": {"status": 404, "text": ""},
    "409": error(409, "Conflict", "Another operation is in progress."),
    "412": error(412, "PreconditionFailed", "The condition is not met."),
    "429": error(429, "TooManyRequests", "Rate limit is exceeded.", **{"Retry-After": "17"}),
    "500": error(500, "InternalServerError", "Something went wrong."),
    "502": {"status": 502, "text": "<html><body><h1>502 Bad Gateway</h1></body></html>"},
    "503": {"status": 503, "text": "no healthy upstream"},
    "504 empty": {"status": 504, "text": ""},
    "error as text": {"status": 400, "json": {"error": "it is bad"}},
    "error as nothing": {"status": 500, "json": {"error": None}},
    "error as a list": {"status": 403, "json": ["no"]},
    "page": {"status": 200, "text": "<html><body>Log in to the network of this hotel</body></html>"},
    "cut JSON": {"status": 200, "text": '{"value": [{"na', "headers": {"Content-Type": "application/json"}},
    "empty": {"status": 200, "text": ""},
    "another document": {"status": 200, "json": ["x"]},
    "cut": {"raises": "cut"},
    "slow": {"raises": "timeout"},
    "unreachable": {"raises": "unreachable"},
}
# Parts that an error message must contain, for every command.
EXPECTED_WORDS = {
    "401": ["401 ExpiredAuthenticationToken", "az login"],
    "403": ["403 AuthorizationFailed", "AzureML Data Scientist"],
    "403 page": ["403", "Access denied"],
    "404 group": ["404 ResourceGroupNotFound", "AZURE_RESOURCE_GROUP"],
    "404 subscription": ["404 SubscriptionNotFound", "AZURE_SUBSCRIPTION_ID"],
    "404 workspace": ["404 ResourceNotFound", "AZUREML_WORKSPACE_NAME"],
    "404 parent": ["404 ParentResourceNotFound", "AZUREML_WORKSPACE_NAME"],
    "404 page": ["404"],
    "409": ["409 Conflict"],
    "412": ["412 PreconditionFailed"],
    "429": ["429 TooManyRequests", "in 17 seconds"],
    "500": ["500 InternalServerError"],
    "502": ["502"],
    "503": ["503", "no healthy upstream"],
    "cut": ["connection"],
    "slow": ["in time"],
    "unreachable": ["cannot be found", "online"],
}
WRONG_ADVICE = ("yet", "mlops data`", "mlops train`", "mlops deploy`", "Traceback")


def problem(name: str, code: Any, stderr: str) -> str | None:
    """Return the error in the result of a command after a fault, or None."""
    if code not in (1, 2):
        return f"exit code {code}: {stderr[-1500:]}"
    if len(stderr.strip().splitlines()) != 1 or not stderr.startswith("mlops: ") or "\x1b" in stderr:
        return f"no single sentence: {stderr[-1500:]!r}"
    advice = next((advice for advice in WRONG_ADVICE if advice in stderr), "")
    if advice:
        return f"says {advice}: {stderr}"
    left_out = [part for part in EXPECTED_WORDS.get(name, []) if part not in stderr]
    return f"does not say {left_out}: {stderr}" if left_out else None
