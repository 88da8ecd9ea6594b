"""The laptop's client is the SDK's own, and each of its requests is answered in this process."""

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml._artifacts import _blob_storage_helper
from azure.ai.ml.entities import Data
from azure.core.pipeline import Pipeline
from azure.storage.blob import BlobServiceClient, ContainerClient

from azureml_emulator import sdk
from azureml_emulator.errors import EmulatorError
from azureml_emulator.local import LocalWorkspace
from azureml_emulator.transport import EmulatorTransport

# It validates ARM templates, and only for callers who ask for that: nothing here does.
PREFLIGHT = "_preflight"


@pytest.fixture
def local(tmp_path):
    return LocalWorkspace(tmp_path / "state", "mlw", "rg")


@pytest.fixture
def client(local):
    return local.client(enable_telemetry=False, show_progress=True)


def pipelines(root):
    """Yield every pipeline of the SDK below an object, with the names of the attributes that lead to it."""
    seen, left = set(), [(root, ())]
    while left:
        found, path = left.pop()
        if id(found) in seen or len(path) > 12:
            continue
        seen.add(id(found))
        if isinstance(found, Pipeline):
            yield path, found
        elif isinstance(found, dict):
            left += [(value, (*path, str(key))) for key, value in found.items()]
        elif type(found).__module__.startswith("azure."):
            left += (
                [(value, (*path, name)) for name, value in vars(found).items()] if hasattr(found, "__dict__") else []
            )


def test_client_is_the_sdks_own(client):
    assert type(client) is MLClient


def test_every_pipeline_of_the_client_has_the_emulators_transport(client):
    list(client.jobs.list())
    found = [(path, pipeline._transport) for path, pipeline in pipelines(client)]
    foreign = {path for path, transport in found if not isinstance(_inner(transport), EmulatorTransport)}
    assert len(found) - len(foreign) >= 10
    assert {path for path in foreign if PREFLIGHT not in "".join(path)} == set()


def _inner(transport):
    """What a client hands on to its sub-clients wraps the transport."""
    return getattr(transport, "_transport", transport)


def test_files_are_uploaded_and_read_without_leaving_the_process(local, client, tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    data = Data(name="rows", version="1", type="uri_file", path=str(tmp_path / "rows.csv"))
    registered = client.data.create_or_update(data)
    assert local.emulator.arm.path(registered.path).read_text() == "a\n1\n"


def test_two_workspaces_of_one_process_keep_their_files_apart(local, client, tmp_path):
    other = LocalWorkspace(tmp_path / "other", "mlw", "rg")
    clients = {"one": (local, client), "two": (other, other.client(enable_telemetry=False, show_progress=True))}
    for text, (_, one) in clients.items():
        (tmp_path / text).write_text(text)
        one.data.create_or_update(Data(name="rows", version="1", type="uri_file", path=str(tmp_path / text)))
    for text, (workspace, one) in clients.items():
        assert workspace.emulator.arm.path(one.data.get("rows", version="1").path).read_text() == text


@pytest.mark.parametrize("name", ["BlobServiceClient", "ContainerClient"])
def test_an_sdk_that_moved_a_replaced_name_is_refused(local, monkeypatch, name):
    monkeypatch.delattr(_blob_storage_helper, name)
    with pytest.raises(EmulatorError, match=rf"has no _blob_storage_helper\.{name}"):
        local.client()


@pytest.mark.parametrize("kind", [BlobServiceClient, ContainerClient])
def test_storage_of_other_accounts_is_reached_as_before(client, kind):
    arguments = ("https://real.blob.core.windows.net", "rows")[: 2 if kind is ContainerClient else 1]
    opened = getattr(_blob_storage_helper, kind.__name__)(*arguments)
    assert isinstance(opened, kind) and not isinstance(opened._pipeline._transport, EmulatorTransport)
    assert "real" not in sdk._TRANSPORTS
