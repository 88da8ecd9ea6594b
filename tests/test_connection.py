"""Runs `connect()` and every command on Azure, with the real SDK, against an Azure that refuses requests."""

import inspect
import re

import pytest

from azure_runs import run, verb
from mlops import cli
from mlops.workspace import Target
from refusal_faults import FAULTS, error, problem

VERBS = {
    "data": ["data"],
    "train": ["train"],
    "deploy": ["deploy", "--version", "1"],
    "invoke": ["invoke", "--rows", "5"],
    "calibrate": ["calibrate"],
    "labels": ["labels"],
    "retrain": ["retrain", "--job", "retrain-0123456789abcdef"],
    "triage": ["triage", "retrain"],
    "poll": ["poll"],
}
# A person started the workflow, and no server answers at GitHub's address.
STARTED = {
    "GITHUB_EVENT_NAME": "workflow_dispatch",
    "GITHUB_RUN_ID": "1",
    "GITHUB_TOKEN": "token",
    "GITHUB_API_URL": "http://127.0.0.1:9",
}
INSIDE = r"/workspaces/mlw-diabetes/|blob\.core\.windows\.net|api\.azureml\.ms"
WORKSPACE = r"GET .*/workspaces/mlw-diabetes\?"
EMPTY = {
    "python": "import shutil\nfor name in ('arm', 'storage'):\n"
    "    shutil.rmtree(emulator.arm.state / name, ignore_errors=True)"
}
NO_WAIT = {"python": "import mlops.jobs.watching\nmlops.jobs.watching.wait = lambda seconds: None"}


@pytest.fixture(scope="module")
def project(render):
    return render()


def test_every_verb_that_acts_on_azure_is_tried():
    with_target = [
        command.callback.__name__
        for command in cli.app.registered_commands
        if "target" in inspect.signature(command.callback).parameters
    ]
    # The tests of `doctor` have their own faults: it ends with lines instead of one sentence.
    assert sorted(with_target) == sorted([*VERBS, "doctor"])
    assert list(Target) == ["local", "azure"]


@pytest.mark.parametrize("name", VERBS)
def test_command_ends_with_one_sentence_for_any_answer_of_azure(name, project, render, tmp_path):
    # Only monitors of this kind read labels.
    project = render(monitor_type="advanced") if name == "labels" else project
    steps = [verb(*VERBS[name], environment=STARTED, faults=[{"match": INSIDE, **fault}]) for fault in FAULTS.values()]
    _, *results = run(project, tmp_path / "state", verb("data"), *steps)
    problems = {fault: problem(fault, done.code, done.stderr) for fault, done in zip(FAULTS, results, strict=True)}
    assert {fault: said for fault, said in problems.items() if said} == {}


@pytest.mark.parametrize(("name", "job_ends"), [("data", ""), ("train", "Completed"), ("triage", "")])
def test_any_request_of_a_command_may_be_refused(name, job_ends, project, tmp_path, record_property):
    """Refuse each kind of request in turn, after all earlier requests were answered."""
    step = verb(*VERBS[name], environment=STARTED, job_ends=job_ends)
    before = [EMPTY] if name == "data" else [EMPTY, verb("data")]
    asked = run(project, tmp_path / "state", *before, step)[-1]
    # The schemas' host is not Azure ML's, and the SDK continues without it. Steps are optional too.
    apart = ("login.microsoftonline", "schema", "GET WS$", "HEAD ", "/children$", "/discovery$")
    kinds = {
        kind: url
        for kind, url in zip(asked.requests, asked.urls, strict=True)
        if not any(re.search(part, kind) for part in apart)
    }
    faults = ["403", "404 page", "409", "cut JSON", "error as text"]
    chosen = {kind: faults[number % len(faults)] for number, kind in enumerate(kinds)}
    refused = [step | {"faults": [{"match": pattern(kind, kinds[kind]), **FAULTS[chosen[kind]]}]} for kind in kinds]
    results = run(project, tmp_path / "state", NO_WAIT, *(one for refusal in refused for one in (*before, refusal)))
    ends = results[len(before) + 1 :: len(before) + 1]
    problems = {kind: problem("", done.code, done.stderr) for kind, done in zip(kinds, ends, strict=True)}
    assert {f"{kind}, {chosen[kind]}": said for kind, said in problems.items() if said} == {}
    assert kinds
    record_property(f"kinds of requests of `mlops {name}` that were refused", len(kinds))


def pattern(kind, url):
    """Return the requests of each kind, independent of the names in this run."""
    method, _, address = url.partition(" ")
    if "blob.core" in address:
        comp = re.search(r"comp=\w+", address)
        return f"^{method} .*blob.core.*{comp[0] if comp else ''}"
    address = re.escape(address.partition("?")[0])
    names = re.compile(
        r"(?<=/)(diabetes\\-model\\-training\\-[0-9a-f]{10}|[0-9a-f]{8}(\\-[0-9a-f]{4}){3}\\-[0-9a-f]{12})(?=/|$)"
    )
    kept = address.partition("mlw\\-diabetes")
    return f"^{method} {kept[0]}{kept[1]}{names.sub('[^/]+', kept[2])}($|[?])"


def test_client_is_of_the_settings_resource_group(project, tmp_path):
    done = run(project, tmp_path / "state", verb("triage", "retrain", environment=STARTED))[0]
    assert done.code == 0, done.output
    addresses = [url for url in done.urls if "management.azure.com" in url]
    assert addresses
    assert all("/resourceGroups/rg-diabetes/" in url for url in addresses)
    assert [url for url in addresses if re.search(WORKSPACE, url)], "the workspace is asked who it is"


def connecting(environment=None, **fault):
    faults = [{"match": WORKSPACE, **fault}] if fault else []
    return verb("data", environment={"AZURE_CLIENT_SECRET": "secret", **(environment or {})}, faults=faults)


PLACES = {"AZURE_SUBSCRIPTION_ID": "99999999-9999-9999-9999-999999999999", "AZURE_RESOURCE_GROUP": "rg-other"}
SETTINGS = {
    "no settings": (connecting({"AZURE_RESOURCE_GROUP": ""}), "AZURE_RESOURCE_GROUP is not set"),
    "subscription": (connecting({"AZURE_SUBSCRIPTION_ID": PLACES["AZURE_SUBSCRIPTION_ID"]}), "AZURE_SUBSCRIPTION_ID"),
    "group": (connecting({"AZURE_RESOURCE_GROUP": "rg-other"}), "no resource group rg-other"),
    "workspace": (connecting({"AZUREML_WORKSPACE_NAME": "mlw-other"}), "no workspace mlw-other"),
    "secret": (connecting({"AZURE_CLIENT_SECRET": "expired"}), "client secret"),
    "right": (connecting(**FAULTS["403"]), "AzureML Data Scientist"),
    "tenant": (connecting(**error(401, "InvalidAuthenticationTokenTenant", "wrong issuer")), "az login --tenant"),
    "closed": (
        connecting(
            **error(403, "UserError", "Access to workspace was denied based on workspace private link configuration.")
        ),
        "closed to this network",
    ),
    "no network": (connecting(**FAULTS["unreachable"]), "online"),
    "page": (connecting(**FAULTS["page"]), "proxy"),
    "out of order": (connecting(**FAULTS["503"]), "again in some minutes"),
}


@pytest.fixture(scope="module")
def connections(project, tmp_path_factory):
    steps = [step for step, _ in SETTINGS.values()]
    results = run(project, tmp_path_factory.mktemp("connections") / "state", *steps)
    return dict(zip(SETTINGS, results, strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_wrong_connection_is_a_sentence(name, connections):
    done = connections[name]
    assert done.code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    assert SETTINGS[name][1] in done.stderr


def test_without_a_login_the_message_names_az_login(project, tmp_path):
    nobody = dict.fromkeys(("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"), "")
    # The identity endpoint of a machine in Azure does not answer here.
    nobody_there = [{"match": r"169\.254\.169\.254|login", "raises": "unreachable"}]
    step = verb("data", environment=nobody, faults=nobody_there)
    done = run(project, tmp_path / "state", step)[0]
    assert done.code == 2, done.output
    assert "There are no Azure credentials: run `az login`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "config.json cannot be read as JSON"),
        ("[]", "config.json does not hold a JSON object"),
        ("\x00", "config.json"),
        ("", "config.json"),
        ('{"subscription_id": "1"}', "AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME are not set"),
    ],
)
def test_damaged_configuration_is_a_sentence(content, said, render, tmp_path):
    project = render()
    (project / "config.json").write_text(content, encoding="utf-8")
    nothing = dict.fromkeys(("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"), "")
    done = run(project, tmp_path / "state", verb("data", environment=nothing))[0]
    assert done.code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_configuration_of_the_studio_is_read(render, tmp_path):
    project = render()
    (project / "config.json").write_text(
        '\ufeff{"subscription_id": "00000000-0000-0000-0000-000000000001", "resource_group": "rg-diabetes", '
        '"workspace_name": "mlw-diabetes"}',
        encoding="utf-8",
    )
    nothing = dict.fromkeys(("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"), "")
    done = run(project, tmp_path / "state", verb("triage", "retrain", environment=STARTED | nothing))[0]
    assert done.code == 0, done.output


def test_stack_trace_is_shown_on_request(project, tmp_path):
    step = verb("data", environment={"MLOPS_DEBUG": "1"}, faults=[{"match": INSIDE, **FAULTS["403"]}])
    done = run(project, tmp_path / "state", step)[0]
    assert done.code == "traceback"
    assert "HttpResponseError" in done.stderr


# The number of rows in the newest version of the asset that the workspace holds.
ROWS = """
from mlops.data.assets import newest_version, read_asset
from mlops.workspace import connect
client = connect()
result = len(read_asset(client, "diabetes-model-data", newest_version(client, "diabetes-model-data")))
"""


def test_interrupted_upload_ends_and_the_next_run_completes_it(project, tmp_path):
    """Without its progress bars the SDK waits forever for a file that could not be uploaded."""
    cut = verb("data", faults=[{"match": "PUT .*blob.*/MLTable", **FAULTS["403"]}])
    first, second, read = run(project, tmp_path / "state", cut, verb("data"), {"python": ROWS})
    assert first.code == 1
    assert "AuthorizationFailed" in first.stderr
    assert second.code == 0, second.output
    assert read.result == 301, read.output


def test_upload_that_never_gets_through_names_the_remedy(project, tmp_path):
    body = "<Error><Code>BlobAlreadyExists</Code><Message>The specified blob already exists.</Message></Error>"
    headers = {"x-ms-error-code": "BlobAlreadyExists", "Content-Type": "application/xml"}
    there = {"match": "PUT .*blob.*/MLTable", "status": 409, "text": body, "headers": headers}
    done = run(project, tmp_path / "state", verb("data", faults=[there]))[0]
    assert done.code == 1
    assert "az storage blob delete-batch" in done.stderr
