"""Compares blob storage in Azurite and in the emulator; azure-storage-blob and `mlops` read both."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, ContainerClient

from azure_process import environment
from azure_runs import run, verb
from azureml_emulator.application import Emulator
from azureml_emulator.workspace import Workspace
from azurite import ACCOUNT, KEY, certificate, install, node_is_there, serving
from checked_requests import answering
from mlops.data.records import read_records
from mlops.storage import Container
from test_azure_verbs import LABELS_ARRIVE

NAMES = ["a/b/one.txt", "a/b/two.txt", "a/c.txt", "a b/größe 100%.txt", "plain"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Return the program of Azurite."""
    if not node_is_there():
        pytest.skip("Azurite needs Node and npm, which are not on this machine")
    return install(tmp_path_factory.mktemp("azurite"))


@pytest.fixture(scope="module")
def azurite(program, tmp_path_factory):
    """Return a container of Azurite, served over HTTP on this machine."""
    with serving(program, tmp_path_factory.mktemp("served")) as port:
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        container = ContainerClient(f"http://127.0.0.1:{port}/{ACCOUNT}", "container", credential=credential)
        container.create_container()
        yield container


@pytest.fixture
def emulated(tmp_path, monkeypatch):
    """Return a container of the emulator."""
    emulator = Emulator(tmp_path / "azure")
    for name, value in environment(emulator).items():
        monkeypatch.setenv(name, value)
    with answering(emulator):
        address = f"https://{emulator.workspace.account}.blob.core.windows.net"
        yield ContainerClient(address, "container", credential=DefaultAzureCredential())


def refused(work):
    with pytest.raises(HttpResponseError) as caught:
        work()
    return int(caught.value.status_code), str(getattr(caught.value.error_code, "value", caught.value.error_code))


def story(container):
    """Return the results of one sequence of calls: contents, names, numbers and errors."""
    told = {}
    for number, name in enumerate(NAMES):
        container.upload_blob(name, bytes(range(10)) * (number + 1))
    container.upload_blob("empty", b"")
    told["names"] = sorted(container.list_blob_names())
    told["with a prefix"] = sorted(container.list_blob_names(name_starts_with="a/"))
    told["folders"] = sorted(item.name for item in container.walk_blobs(name_starts_with="a/", delimiter="/"))
    told["top"] = sorted(item.name for item in container.walk_blobs(delimiter="/"))
    pages = list(container.list_blobs(results_per_page=2).by_page())
    told["pages"] = len(pages)
    told["paged"] = sorted(blob.name for page in container.list_blobs(results_per_page=2).by_page() for blob in page)
    told["no such prefix"] = list(container.list_blob_names(name_starts_with="zzz"))
    told["contents"] = {name: container.download_blob(name).readall() for name in [*NAMES, "empty"]}
    told["range"] = container.download_blob("plain", offset=5, length=7).readall()
    told["sizes"] = {blob.name: blob.size for blob in container.list_blobs()}
    blob = container.get_blob_client("plain")
    blob.set_blob_metadata({"name": "rows", "version": "1"})
    told["metadata"] = blob.get_blob_properties().metadata
    told["exists"] = (blob.exists(), container.get_blob_client("not there").exists())
    told["replaced"] = (blob.upload_blob(b"new", overwrite=True), blob.download_blob().readall())[1]
    told["metadata of the new one"] = blob.get_blob_properties().metadata
    told["in the way"] = refused(lambda: blob.upload_blob(b"again"))
    told["missing"] = refused(lambda: container.download_blob("not there"))
    told["properties of what is missing"] = refused(container.get_blob_client("not there").get_blob_properties)
    blob.stage_block("one", b"first, ")
    blob.stage_block("two", b"second")
    blob.commit_block_list([BlobBlock("one"), BlobBlock("two")])
    told["blocks"] = blob.download_blob().readall()
    container.delete_blob("plain")
    told["deleted"] = blob.exists()
    told["deleted twice"] = refused(lambda: container.delete_blob("plain"))
    for name in list(container.list_blob_names()):
        container.delete_blob(name)
    told["nothing left"] = list(container.list_blob_names())
    return told


@pytest.mark.slow
def test_the_emulators_blob_storage_answers_like_azurite(azurite, emulated):
    real, ours = story(azurite), story(emulated)
    assert {name: (value, ours[name]) for name, value in real.items() if value != ours[name]} == {}


@pytest.mark.slow
def test_collected_rows_and_outputs_are_read_from_azurite(azurite, tmp_path):
    store = object.__new__(Container)
    store._container = azurite
    end = datetime(2026, 11, 20, 12, tzinfo=UTC)
    line = b'{"specversion": "1.0", "correlationid": "c", "time": "2026-11-20T11:00:00Z", "data": [{"age": 1.0}]}\n'
    for deployment in ("model-1", "model-2"):
        azurite.upload_blob(f"modelDataCollector/e/{deployment}/model_inputs/2026/11/20/11/i.jsonl", line * 3 + b"{")
    assert store.folders("modelDataCollector/e/") == ["model-1", "model-2"]
    said: list[str] = []
    folder = "modelDataCollector/e/model-1/model_inputs"
    assert len(read_records(store, folder, end - timedelta(days=30), end, said.append)) == 3
    assert len(said) == 1
    store.download("modelDataCollector/e/model-2", tmp_path / "here")
    assert (
        tmp_path / "here" / "model_inputs" / "2026" / "11" / "20" / "11" / "i.jsonl"
    ).read_bytes() == line * 3 + b"{"


@pytest.mark.slow
def test_every_command_works_with_azurite_as_the_workspaces_storage(program, render, tmp_path):
    verbs = [verb(name) for name in ("data", "data", "train", "deploy", "invoke")]
    verbs += [{"python": LABELS_ARRIVE}, verb("retrain"), verb("calibrate"), verb("deploy")]
    verbs.append({"python": "result = emulator.blobs.answered"})
    account = Workspace().account
    with serving(program, tmp_path, *certificate(tmp_path), account=account) as port:
        results = run(render(workspace_name="mlw-diabetes"), tmp_path / "state", *verbs, azurite=port)
    assert [(result.code, result.output[-500:]) for result in results if result.code != 0] == []
    assert "unchanged" in results[1].stdout
    assert results[-1].result > 50
