"""Every call of a client exists on the real MLClient with these arguments, and the emulator accepts no others."""

import inspect

import nbformat
import pytest

from client_calls import client_calls, problem, sdk_groups, words
from mlops.local.client import LocalClient
from projects import ROOT

SDK = sdk_groups()
MLOPS = ROOT / "template" / "mlops"
# Only on a laptop: on Azure the studio shows the first and Azure Monitor the second.
LAPTOP_ONLY = {("schedules", "result"), ("schedules", "last_result"), ("online_deployments", "statistics")}


def calls_in_mlops():
    # The emulator itself calls no workspace.
    for path in sorted(MLOPS.rglob("*.py")):
        if "local" not in path.relative_to(MLOPS).parts:
            yield from client_calls(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))


@pytest.fixture(scope="module")
def calls_in_notebooks(render):
    notebooks = sorted((render(endpoint_type="online_and_batch") / "notebooks").glob("*.ipynb"))
    cells = [(path.name, cell) for path in notebooks for cell in nbformat.read(path, as_version=4).cells]
    code = [(name, cell) for name, cell in cells if cell.cell_type == "code"]
    return [call for name, cell in code for call in client_calls(cell.source, f"{name}, cell {cell.id}")]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    client = LocalClient(tmp_path_factory.mktemp("state"))
    names = [name for name, member in vars(LocalClient).items() if not name.startswith("_") and not callable(member)]
    return {name: type(getattr(client, name)) for name in names}


def test_every_call_in_mlops_exists(emulator):
    calls = list(calls_in_mlops())
    wrong = [problem(call, emulator if on_laptop_only(call) else SDK) for call in calls]
    assert [text for text in wrong if text] == []
    assert len(calls) > 40


def on_laptop_only(call):
    return call.knows_laptop and (call.group not in SDK or (call.group, call.method) in LAPTOP_ONLY)


def test_every_call_in_notebooks_exists(calls_in_notebooks):
    assert [text for text in (problem(call, SDK) for call in calls_in_notebooks) if text] == []
    assert len(calls_in_notebooks) > 20


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("client.job.get('x')", "a client has no `job`"),
        ("client.jobs.find('x')", "`jobs` has no `find`"),
        ("client.jobs.stream(job='x')", "missing a required argument: 'name'"),
        ("self._client.models.get()", "missing a required argument: 'name'"),
        ("client.data.get('x', '1', None, 'y')", "too many positional arguments"),
        ("client.jobs.download('x', 'folder')", "too many positional arguments"),
        ("client.batch_endpoints.invoke('x', inputt=1)", "takes no inputt"),
        ("client.schedules.result('x')", "`schedules` has no `result`"),
    ],
)
def test_wrong_call_is_found(source, said):
    (call,) = client_calls(source, "code")
    assert said in (problem(call, SDK) or "")


@pytest.mark.parametrize(
    "source",
    [
        "client.jobs.download('x', download_path='y', output_name='z')",
        "self._client.batch_endpoints.invoke(endpoint_name='x', input=1, deployment_name='y')",
        "client.models.get('x', **more)",
    ],
)
def test_right_call_is_accepted(source):
    (call,) = client_calls(source, "code")
    assert problem(call, SDK) is None


def test_no_notebook_asks_for_one_deployment(calls_in_notebooks):
    """The SDK keeps `deployment_name` in a header that all later calls of the process send."""
    named = [
        call.where
        for call in calls_in_notebooks
        if call.group == "online_endpoints"
        if "deployment_name" in call.keywords
    ]
    assert named == []


def test_emulator_accepts_the_arguments_of_the_sdk(emulator):
    checked = 0
    for group, kind in emulator.items():
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if name.startswith("_") or group not in SDK or (group, name) in LAPTOP_ONLY:
                continue
            if name in BEHIND_THE_SCENES.get(group, ()):
                continue
            sdk = inspect.unwrap(getattr(SDK[group], name))
            # Some arguments are in its `**kwargs`.
            theirs = {*inspect.signature(sdk).parameters, *words(sdk)}
            ours = inspect.signature(method).parameters.values()
            named = [own.name for own in ours if own.kind not in (own.VAR_KEYWORD, own.VAR_POSITIONAL)]
            assert [parameter for parameter in named if parameter not in theirs] == [], f"{group}.{name}"
            checked += 1
    assert checked > 25


# Calls between the emulator's own parts.
BEHIND_THE_SCENES = {"data": ("content",), "jobs": ("start",)}
