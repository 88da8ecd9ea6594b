"""Tests the classification of Azure's errors, each raised by the real SDK from a body that Azure sends."""

import json
import re
import socket

import pytest
import requests
from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from azure.storage.blob import ContainerClient
from hypothesis import given
from hypothesis import strategies as st

from azureml_emulator.identity import token
from azureml_emulator.transport import Response
from checked_requests import answering
from mlops.errors import RunFailedError
from mlops.refusals.explain import explained, is_missing, is_passing, refusal_of
from mlops.refusals.refused import Kind, Refusal, clean
from mlops.refusals.remedies import sentence
from mlops.refusals.rights import is_of_asked, missing

SUBSCRIPTION, GROUP, WORKSPACE = "00000000-0000-0000-0000-000000000001", "rg-diabetes", "mlw-diabetes"
NAME = f"Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{NAME}"
REQUEST = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


class Credential:
    def get_token(self, *scopes, **_):
        return AccessToken(token("somebody", scopes[0]), 1 << 40)


def body(code, message, **more):
    return json.dumps({"error": {"code": code, "message": message, **more}})


def storage(code, message):
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}\nRequestId:{REQUEST}\n'
        "Time:2026-11-25T12:00:00.0000000Z</Message></Error>"
    )


def unauthorized(action, scope):
    return body(
        "AuthorizationFailed",
        f"The client 'anna@example.org' with object id '33333333-3333-3333-3333-333333333333' does not have "
        f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was "
        "recently granted, please refresh your credentials.",
    )


def get_environment(client):
    client.environments.get("training", version="1")


def get_job(client):
    client.jobs.get("retrain-1")


def list_data(client):
    list(client.data.list(name="labels"))


def list_models(client):
    list(client.models.list(name="model"))


def get_endpoint(client):
    client.online_endpoints.get("endpoint-1")


def get_schedule(client):
    client.schedules.get("monitor")


def read_blob(_):
    ContainerClient("https://stdiabetes.blob.core.windows.net", "azureml", credential=Credential()).download_blob("a/b")


def raised(ask, status, text, **headers):
    """Return the error of an SDK call if this is the answer to every request."""

    def answer(request):
        kind = (
            "application/xml" if text.startswith("<?xml") else "application/json" if text[:1] in "{[" else "text/html"
        )
        known = {"Content-Type": kind, "x-ms-request-id": REQUEST, "Content-Length": str(len(text.encode()))}
        code = re.search("<Code>(.*)</Code>", text)
        return Response(status, known | ({"x-ms-error-code": code[1]} if code else {}) | headers, text.encode())

    return caught(ask, answer)


def caught(ask, answer):
    with answering(answer):
        client = MLClient(Credential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False)
        with pytest.raises(Exception) as error:
            ask(client)
    return error.value


MISSING = {
    "environment": (get_environment, body("UserError", "Environment training with version 1 was not found.")),
    "environment by its id": (
        get_environment,
        body(
            "ResourceNotFound",
            f"The Resource '{NAME}/environments/training' was not found.",
        ),
    ),
    "job": (get_job, body("UserError", "Run retrain-1 was not found.", innerError={"code": "NotFound"})),
    "data": (list_data, body("UserError", "Not found data container with name labels")),
    "models": (list_models, body("ResourceNotFound", "Resource was not found")),
    "endpoint": (
        get_endpoint,
        body(
            "ResourceNotFound",
            "The Resource 'Microsoft.MachineLearningServices/workspaces/mlw-diabetes/onlineEndpoints/endpoint-1' under "
            "resource group 'rg-diabetes' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        ),
    ),
    "schedule": (get_schedule, body("UserError", "Schedule monitor was not found.")),
    "blob": (read_blob, storage("BlobNotFound", "The specified blob does not exist.")),
}
ELSEWHERE = {
    "group": body("ResourceGroupNotFound", "Resource group 'rg-diabetes' could not be found."),
    "subscription": body("SubscriptionNotFound", f"The subscription '{SUBSCRIPTION}' could not be found."),
    "workspace": body(
        "ResourceNotFound",
        "The Resource 'Microsoft.MachineLearningServices/workspaces/mlw-diabetes' under resource group 'rg-diabetes' "
        "was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    ),
    "parent": body(
        "ParentResourceNotFound",
        "Can not perform requested operation on nested resource. Parent resource 'mlw-diabetes' not found.",
    ),
    "workspace of the data plane": body("UserError", "Workspace not found.", innerError={"code": "WorkspaceNotFound"}),
    "compute": body(
        "ResourceNotFound",
        f"The Resource '{NAME}/computes/cpu-cluster' was not found.",
    ),
    "datastore": body("UserError", "Datastore workspaceblobstore was not found."),
    "provider": body(
        "InvalidResourceNamespace", "The resource namespace 'Microsoft.MachineLearningServices' is invalid."
    ),
    "front end, HTML": "<html><head><title>404</title></head><body><h1>404 Not Found</h1></body></html>",
    "front end, text": "page not found",
    "front end, empty": "",
    "JSON of somebody else": '{"detail": "Not Found"}',
    "list": "[]",
    "cut": '{"error": {"code": "Reso',
}


@pytest.mark.parametrize("name", MISSING)
def test_error_about_the_resource_itself_means_missing(name):
    ask, text = MISSING[name]
    assert is_missing(raised(ask, 404, text))


@pytest.mark.parametrize("ask", [get_environment, get_job, list_data, list_models, get_endpoint, get_schedule])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_error_about_a_parent_or_sibling_does_not_mean_missing(name, ask):
    error = raised(ask, 404, ELSEWHERE[name])
    assert not is_missing(error)
    assert_sentence(str(explained(error)))


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 410, 412, 429, 500, 502, 503, 504])
def test_other_errors_never_mean_missing(status):
    assert not is_missing(raised(get_environment, status, body("ResourceNotFound", "was not found")))


def test_missing_container_is_not_a_missing_blob():
    assert not is_missing(
        raised(read_blob, 404, storage("ContainerNotFound", "The specified container does not exist."))
    )


def test_missing_on_the_laptop_means_missing():
    assert is_missing(ResourceNotFoundError("There is no job x."))


def assert_sentence(text):
    assert "\n" not in text and "\x1b" not in text and "<" not in text
    assert text.endswith(".") and 40 < len(text) < 800
    assert not re.search(r"\b(yet|None)\b|  ", text)


# Status, body, and parts of the sentence: reason, remedy, Azure's code.
EXPECTED_WORDS = {
    "right on the workspace": (
        403,
        unauthorized("Microsoft.MachineLearningServices/workspaces/jobs/read", f"{SCOPE}/jobs/retrain-1"),
        [
            "anna@example.org",
            "AzureML Data Scientist",
            f"on {SCOPE},",
            "workspaces/jobs/read",
            "403 AuthorizationFailed",
        ],
    ),
    "right on the group": (
        403,
        unauthorized("Microsoft.MachineLearningServices/workspaces/read", f"/subscriptions/{SUBSCRIPTION}"),
        ["AzureML Data Scientist", f"on /subscriptions/{SUBSCRIPTION}", "check the names in the settings"],
    ),
    "right to make compute": (
        403,
        unauthorized("Microsoft.MachineLearningServices/workspaces/computes/write", f"{SCOPE}/computes/cpu"),
        ["AzureML Compute Operator", "computes/cpu"],
    ),
    "right to change the workspace": (
        403,
        unauthorized("Microsoft.MachineLearningServices/workspaces/write", SCOPE),
        ["role Contributor", SCOPE],
    ),
    "right to assign an identity": (
        403,
        body(
            "LinkedAuthorizationFailed",
            "The client 'app' with object id '33333333-3333-3333-3333-333333333333' has permission to perform action "
            "'Microsoft.MachineLearningServices/workspaces/onlineEndpoints/write' on scope '/s'; however, it does not "
            "have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on "
            "the linked scope(s) '/subscriptions/s/id-1' (respectively) or the linked scope(s) are invalid.",
        ),
        ["Managed Identity Operator", "/subscriptions/s/id-1", "userAssignedIdentities/assign/action"],
    ),
    "deny assignment": (
        403,
        body(
            "DenyAssignmentAuthorizationFailed",
            "The client 'app' with object id '3' has permission to perform action 'A/write' on scope '/s'; however, "
            "the access is denied because of the deny assignment with name 'n' and Id 'i' at scope '/t'.",
        ),
        ["deny assignment forbids it"],
    ),
    "data plane's right": (
        403,
        body(
            "UserError",
            "Identity(object id: 33333333-3333-3333-3333-333333333333) does not have permissions for "
            "Microsoft.MachineLearningServices/workspaces/experiments/runs/read actions. Please refer to "
            "https://aka.ms/azureml-auth-troubleshooting to fix the permissions issue.",
            innerError={"code": "AuthorizationError", "innerError": None},
        ),
        ["AzureML Data Scientist", "experiments/runs/read", "33333333-3333", "403 UserError"],
    ),
    "expired token": (
        401,
        body(
            "ExpiredAuthenticationToken", "The access token expiry UTC time '1' is earlier than current UTC time '2'."
        ),
        ["expired", "az login", "401 ExpiredAuthenticationToken"],
    ),
    "tenant": (
        401,
        body(
            "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer 'https://sts.windows.net/1/'.",
        ),
        ["tenant", "az login --tenant"],
    ),
    "token refused": (401, body("InvalidAuthenticationToken", "The access token is invalid."), ["az login"]),
    "private link": (
        401,
        body(
            "UserError",
            "User is not authorized to access provided resources due to none of the workspaces/registries are "
            "accessible from outside of the designated private link..",
        ),
        ["closed to this network", "The workspace mlw-diabetes", "runner", "401 UserError"],
    ),
    "private link, ARM": (
        403,
        body("UserError", "Access to workspace was denied based on workspace private link configuration."),
        ["closed to this network"],
    ),
    "policy": (403, body("RequestDisallowedByPolicy", "Resource 'x' was disallowed by policy."), ["policy", "ask who"]),
    "lock": (409, body("ScopeLocked", "The scope '/s' cannot perform write operation because of a lock."), ["lock"]),
    "conflict": (409, body("Conflict", "Another operation is in progress."), ["Another operation", "409 Conflict"]),
    "precondition": (
        412,
        body("PreconditionFailed", "The etag differs."),
        ["Run the command again", "412 PreconditionFailed"],
    ),
    "quota": (
        400,
        body("BadRequest", "Not enough quota available for Standard_DS3_v2.", innererror={"code": "OutOfQuota"}),
        ["Not enough quota available", "Quota", "400 BadRequest"],
    ),
    "validation": (
        400,
        body("ValidationError", "The field x is wrong."),
        ["The field x is wrong", "400 ValidationError"],
    ),
    "throttled": (429, body("TooManyRequests", "Rate limit."), ["too many requests", "in 17 seconds", "429"]),
    "failure": (500, body("InternalServerError", "boom"), ["boom", "again in some minutes", "500 InternalServerError"]),
    "gateway": (502, "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>", ["502 Bad Gateway nginx", "again"]),
    "text": (503, "no healthy upstream", ["no healthy upstream", "503"]),
    "empty": (503, "", ["Service Unavailable", "503"]),
    "slow": (408, "upstream request timeout", ["upstream request timeout", "again", "408"]),
    "proxy": (
        403,
        "<html><head><style>b{}</style></head><h1>Blocked by Example Proxy</h1></html>",
        ["Blocked by Example"],
    ),
    "error as text": (400, '{"error": "it is bad"}', ["it is bad"]),
    "no error": (500, '{"error": null}', ["Internal Server Error"]),
    "message outside": (400, '{"Message": "x", "message": "outside"}', ["outside"]),
    "colours": (400, body("UserError", "\x1b[31mred\x1b[0m\n\n and more"), ["red and more"]),
}


@pytest.mark.parametrize("name", EXPECTED_WORDS)
def test_refusal_is_a_sentence_with_a_remedy(name):
    status, text, parts = EXPECTED_WORDS[name]
    said = explained(raised(get_job, status, text, **({"Retry-After": "17"} if status == 429 else {})))
    assert isinstance(said, RunFailedError)
    assert_sentence(str(said))
    assert [part for part in parts if part not in str(said)] == []


@pytest.mark.parametrize(
    ("status", "text", "parts"),
    [
        (
            403,
            storage(
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            ),
            [
                "Storage Blob Data Contributor",
                "storage account stdiabetes",
                "403 AuthorizationPermissionMismatch",
                REQUEST,
            ],
        ),
        (
            403,
            storage("AuthorizationFailure", "This request is not authorized to perform this operation."),
            ["storage account stdiabetes is closed to this network", "403 AuthorizationFailure"],
        ),
        (
            403,
            storage(
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            ),
            ["takes no keys", "403 KeyBasedAuthenticationNotPermitted"],
        ),
        (404, storage("ContainerNotFound", "The specified container does not exist."), ["container", "404"]),
        (503, storage("ServerBusy", "The server is busy."), ["again", "503 ServerBusy"]),
    ],
)
def test_refusal_of_storage_is_a_sentence(status, text, parts):
    said = str(explained(raised(read_blob, status, text)))
    assert_sentence(said)
    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize(
    "text", ["<html>Log in to the hotel's network</html>", '{"value": [{"na', "", "[1]", "null", '"x"']
)
@pytest.mark.parametrize("ask", [get_job, list_data, get_environment, get_endpoint])
def test_answer_that_cannot_be_read_is_a_sentence(ask, text):
    error = raised(ask, 200, text)
    assert not is_missing(error)
    assert_sentence(str(explained(error)))
    assert refusal_of(error)


CUT = {
    "unreachable": (
        requests.exceptions.ConnectionError(
            "HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded with url: / (Caused by "
            "NameResolutionError(\"Failed to resolve 'management.azure.com' ([Errno -2] Name or service not known)\"))"
        ),
        ["management.azure.com cannot be found", "online"],
    ),
    "cut": (
        requests.exceptions.ConnectionError(
            "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
        ),
        ["was cut", "network"],
    ),
    "slow": (
        requests.exceptions.ReadTimeout("HTTPSConnectionPool(host='x.y', port=443): Read timed out."),
        ["x.y", "time"],
    ),
    "certificate": (
        requests.exceptions.SSLError(
            "HTTPSConnectionPool(host='x.y', port=443): CERTIFICATE_VERIFY_FAILED certificate"
        ),
        ["certificate of x.y", "REQUESTS_CA_BUNDLE"],
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_broken_connection_is_a_sentence(name):
    fault, parts = CUT[name]

    def answer(request):
        raise fault

    error = caught(get_job, answer)
    said = str(explained(error))
    assert_sentence(said)
    assert [part for part in parts if part not in said] == []
    assert is_passing(error) and not is_missing(error)


LOGINS = {
    "none": (
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\t"
        "EnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not fully "
        "configured.\n\tAzureCliCredential: Please run 'az login' to set up an account",
        ["There are no Azure credentials", "az login"],
    ),
    "expired": (
        "AzureCliCredential: ERROR: AADSTS700082: The refresh token has expired due to inactivity.",
        ["expired"],
    ),
    "frequency": (
        "AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency checks",
        ["az login"],
    ),
    "subject": (
        "AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:a/b:x'.",
        ["mlops bootstrap", "subject"],
    ),
    "assertion": ("AADSTS700024: Client assertion is not within its valid time range.", ["run the workflow again"]),
    "secret": ("AADSTS7000222: The provided client secret keys for app 'x' are expired.", ["client secret"]),
    "tenant": ("AADSTS90002: Tenant 'x' not found.", ["AZURE_TENANT_ID"]),
    "policy": ("AADSTS53003: Access has been blocked by Conditional Access policies.", ["policy"]),
    "unknown": ("AADSTS99999: Something new.", ["AADSTS99999: Something new", "az login"]),
}


@pytest.mark.parametrize("name", LOGINS)
def test_failed_sign_in_is_a_sentence(name):
    message, parts = LOGINS[name]
    said = str(explained(CredentialUnavailableError(message)))
    assert_sentence(said)
    assert [part for part in parts if part not in said] == []


def test_interrupted_upload_names_the_command_that_removes_it():
    address = "PUT https://stdiabetes.blob.core.windows.net/azureml-1/LocalUpload/0f/labelled/MLTable"
    said = sentence(Refusal(Kind.ANSWER, "The specified blob already exists.", 409, ("BlobAlreadyExists",), address))
    assert "--account-name stdiabetes --source azureml-1 --pattern 'LocalUpload/0f/*'" in said


def test_fault_of_this_project_is_not_a_refusal():
    for error in (KeyError("x"), AttributeError("y"), ValueError("z"), OSError("disk"), TypeError("t")):
        assert refusal_of(error) is None


def test_fault_of_this_project_during_a_refusal_stays_a_fault():
    try:
        try:
            raise ServiceRequestError("cut")
        except ServiceRequestError:
            raise KeyError("ours") from None
    except KeyError as error:
        assert refusal_of(error) is None


def test_fault_of_the_sdk_while_it_reads_an_error_is_a_refusal():
    """`validate_response` raises TypeError when it handles status 408."""
    from azure.ai.ml._utils._endpoint_utils import validate_response

    class Answer:
        status_code = 408

        @staticmethod
        def json():
            return {"error": {"message": "slow"}}

    with pytest.raises(TypeError) as error:
        validate_response(Answer())
    assert_sentence(str(explained(error.value)))


@pytest.mark.parametrize(
    ("status", "passes"), [(401, True), (408, True), (429, True), (500, True), (403, False), (404, False)]
)
def test_only_temporary_errors_are_retried(status, passes):
    assert is_passing(raised(get_job, status, body("X", "x"))) == passes


CODES = st.sampled_from(
    ["", "AuthorizationFailed", "UserError", "ResourceNotFound", "BlobAlreadyExists", "QuotaExceeded"]
)


@given(
    st.sampled_from(list(Kind)),
    st.text(max_size=400),
    st.one_of(st.none(), st.integers(100, 599)),
    st.lists(CODES.filter(bool), max_size=3).map(tuple),
    st.sampled_from(
        ["", f"GET https://management.azure.com{SCOPE}/jobs/x?api-version=1", "PUT https://a.blob.core.windows.net/c/b"]
    ),
)
def test_every_refusal_is_one_line_with_an_end(kind, message, status, codes, asked):
    said = sentence(Refusal(kind, message, status, codes, asked))
    assert len(said.splitlines()) == 1
    assert said.endswith(").")
    assert "\x1b" not in said


@given(st.text(max_size=2000))
def test_foreign_text_is_one_short_line(text):
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert len(cleaned) < 310


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=3).map(tuple), st.text(max_size=100))
def test_any_body_can_be_classified(message, codes, asked):
    assert is_of_asked(codes, message, asked) in (True, False)
    missing(403, codes, message, asked)


def test_tests_open_no_socket():
    with answering(lambda request: Response(200)), pytest.raises(AssertionError):
        socket.create_connection(("192.0.2.1", 443), timeout=1)


def test_http_errors_of_azure_core_are_read_without_a_response():
    assert_sentence(str(explained(HttpResponseError("Operation returned an invalid status 'Forbidden'"))))
