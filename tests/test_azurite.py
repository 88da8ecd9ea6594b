"""Blob storage as Azurite answers it: the emulator answers azure-storage-blob alike, and `mlops` reads both."""

import shutil
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, ContainerClient

from azureml_emulator.application import Emulator
from azureml_emulator.run import environment
from mlops.records import read_records
from mlops.storage import Blobs

# Azurite's own account, whose key is public.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
NAMES = ["a/b/one.txt", "a/b/two.txt", "a/c.txt", "a b/größe 100%.txt", "plain"]


@pytest.fixture(scope="module")
def azurite(tmp_path_factory):
    """A container of Azurite, served over HTTP on this machine."""
    folder = tmp_path_factory.mktemp("azurite")
    if not shutil.which("npm"):
        pytest.skip("Azurite needs Node and npm, which are not on this machine")
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder), "azurite@3"]
    subprocess.run(install, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(folder / "node_modules" / ".bin" / "azurite-blob"), "--blobPort", str(port), "--silent"]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/{ACCOUNT}"
        container = ContainerClient(address, "container", credential={"account_name": ACCOUNT, "account_key": KEY})
        until = time.monotonic() + 60
        while True:
            try:
                container.create_container()
                break
            except Exception:
                assert time.monotonic() < until, "Azurite does not come up"
                time.sleep(0.2)
        yield container
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def emulated(tmp_path, monkeypatch):
    """A container of the emulator."""
    emulator = Emulator(tmp_path / "azure")
    for name, value in environment(emulator).items():
        monkeypatch.setenv(name, value)
    with emulator.answering():
        address = f"https://{emulator.workspace.account}.blob.core.windows.net"
        yield ContainerClient(address, "container", credential=DefaultAzureCredential())


def refused(work):
    with pytest.raises(HttpResponseError) as caught:
        work()
    return int(caught.value.status_code), str(getattr(caught.value.error_code, "value", caught.value.error_code))


def story(container):
    """What one sequence of calls brings: contents, names, numbers and refusals."""
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
def test_the_emulators_blob_storage_answers_as_azurite_does(azurite, emulated):
    real, ours = story(azurite), story(emulated)
    assert {name: (value, ours[name]) for name, value in real.items() if value != ours[name]} == {}


@pytest.mark.slow
def test_collected_rows_and_outputs_are_read_from_azurite(azurite, tmp_path):
    store = object.__new__(Blobs)
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
