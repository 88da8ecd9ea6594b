"""Registers and reads data assets with the real MLClient and azure-storage-blob, without a key or a sign-in."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
import yaml
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError

from azureml_emulator import identity
from azureml_emulator.answers import answer
from azureml_emulator.application import Emulator
from azureml_emulator.workspace import BLOB_STORE
from checked_requests import answering
from mlops.data import assets
from mlops.data.assets import newest_version, read_asset, register_rows, versions_of
from mlops.errors import RunFailedError, WrongInputError
from mlops.storage import _within, files_among
from mlops.training import retrain
from model.contract import Contract
from model.tables import write_mltable

NAME = "diabetes-model-data"
ROWS = pd.DataFrame({"row_id": ["a", "b"], "age": [1.0, None], "town": ["Köln", "São Paulo"]})


@dataclass
class Someone:
    """The client's own credential; a request with any other credential is rejected."""

    asked: int = 0

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.asked += 1
        return AccessToken(identity.token("someone", scopes[0]), int(time.time()) + 3600)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    emulator = Emulator(tmp_path / "azure")
    # Only the client is signed in: DefaultAzureCredential would find nothing, and would ask a person.
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with answering(emulator):
        yield emulator


@pytest.fixture
def client(workspace):
    here = workspace.workspace
    return MLClient(Someone(), here.subscription, here.group, here.name, enable_telemetry=False, show_progress=False)


@pytest.fixture
def definition(tmp_path):
    """Return the YAML of an asset, as in `resources/data`."""
    file = tmp_path / "project" / "resources" / "data" / "labelled.yml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"name": NAME, "version": "1", "type": "mltable", "path": "../../data/labelled"}))
    return file


def stored(workspace, path: str, store: str = BLOB_STORE) -> Path:
    """Return the folder of a path in a datastore."""
    return workspace.arm.path(workspace.workspace.uri(path, store))


def name_address(workspace, address: str, version: str = "1") -> None:
    """Register a version with files at an address, as another system may do."""
    path = f"data/{NAME}/versions/{version}"
    properties = {"dataUri": address, "dataType": "mltable", "isArchived": False, "isAnonymous": False, "tags": {}}
    workspace.arm.documents.put(path, workspace.arm.assets.named(path, version, properties))


def urls(workspace, *parts: str) -> list[str]:
    return [f"{one.method} {one.url}" for one in workspace.requests if all(part in one.url for part in parts)]


# Registering and reading


def test_rows_are_registered_and_read_with_the_clients_own_credential(workspace, client, definition, capfd):
    assert register_rows(client, definition, ROWS).is_new
    pd.testing.assert_frame_equal(read_asset(client, NAME, "1"), ROWS)
    bearers = {identity.caller(request).object_id for request in workspace.requests if "discovery" not in request.path}
    assert bearers == {"someone"}
    assert not urls(workspace, "listSecrets")
    assert not urls(workspace, "sig=")
    # The SDKs print nothing between the command's own lines.
    assert capfd.readouterr() == ("", "")


def test_registering_sends_nothing_outside_of_azure(workspace, client, definition):
    register_rows(client, definition, ROWS)
    assert {request.host for request in workspace.requests} == {
        "management.azure.com",
        f"{workspace.workspace.account}.blob.core.windows.net",
    }


def test_same_rows_create_no_second_version(workspace, client, definition):
    register_rows(client, definition, ROWS)
    again = register_rows(client, definition, ROWS)
    assert (again.version, again.is_new) == ("1", False)
    assert register_rows(client, definition, ROWS.head(1)).version == "2"


@pytest.mark.parametrize("name", ["plain", "with a space", "größe", "日本", "100%", "a+b", "#1", "it's"])
def test_folder_of_any_name_is_read(workspace, client, name):
    write_mltable(ROWS, stored(workspace, f"Daten/{name}"), {})
    name_address(workspace, workspace.workspace.uri(f"Daten/{name}"))
    pd.testing.assert_frame_equal(read_asset(client, NAME, "1"), ROWS)


@pytest.mark.parametrize("form", ["long", "short", "with a slash", "other case", "by provider", "as a URL"])
def test_address_of_any_form_is_read(workspace, client, form):
    here = workspace.workspace
    write_mltable(ROWS, stored(workspace, "my rows/größe"), {})
    long, short = here.uri("my rows/größe"), f"azureml://datastores/{BLOB_STORE}/paths/my rows/größe"
    address = {
        "long": long,
        "short": short,
        "with a slash": f"{long}/",
        "other case": long.replace("resourcegroups", "resourceGroups"),
        "by provider": long.replace("/workspaces/", "/providers/Microsoft.MachineLearningServices/workspaces/"),
        "as a URL": here.uri(quote("my rows/größe")),
    }[form]
    name_address(workspace, address)
    pd.testing.assert_frame_equal(read_asset(client, NAME, "1"), ROWS)


def test_files_may_be_in_folders_and_a_neighbour_with_a_longer_name_is_not_read(workspace, client):
    folder = stored(workspace, "rows")
    for number in range(5):
        (folder / "part" / str(number)).mkdir(parents=True)
        ROWS.to_parquet(folder / "part" / str(number) / "rows.parquet")
    (folder / "MLTable").write_text("paths:\n- pattern: ./part/**/*.parquet\ntransformations:\n- read_parquet\n")
    write_mltable(ROWS, stored(workspace, "rows-2"), {})
    name_address(workspace, workspace.workspace.uri("rows"))
    assert len(read_asset(client, NAME, "1")) == 10
    assert not [path for path in urls(workspace, "rows-2") if "GET" in path and "comp=list" not in path]


LAKE = {"datastoreType": "AzureDataLakeGen2", "accountName": "stlake", "filesystem": "rows", "protocol": "https"}
OTHER_STORES = {
    "another container": {"datastoreType": "AzureBlob", "accountName": "stother", "containerName": "rows"},
    "a data lake": LAKE,
}


@pytest.mark.parametrize("kind", OTHER_STORES)
def test_asset_of_another_datastore_is_read(workspace, client, kind):
    properties = OTHER_STORES[kind] | {"endpoint": "core.windows.net", "credentials": {"credentialsType": "None"}}
    workspace.faults.append(
        lambda request: (
            answer(200, {"id": "/datastores/other", "name": "other", "properties": properties})
            if request.path.endswith("/datastores/other")
            else None
        )
    )
    write_mltable(ROWS, workspace.storage.folder("rows") / "here", {})
    name_address(workspace, workspace.workspace.uri("here", "other"))
    pd.testing.assert_frame_equal(read_asset(client, NAME, "1"), ROWS)


def test_large_files_are_read_in_parts(workspace, client):
    table = pd.DataFrame({"n": range(1000)})
    folder = stored(workspace, "large")
    write_mltable(table, folder, {})
    (folder / "beside.bin").write_bytes(b"x" * (33 * 2**20))
    name_address(workspace, workspace.workspace.uri("large"))
    assert len(read_asset(client, NAME, "1")) == 1000
    assert len(urls(workspace, "beside.bin")) > 1


# Faults of reading end with a sentence


def unread(client, version: str = "1") -> str:
    with pytest.raises(RunFailedError) as caught:
        read_asset(client, NAME, version)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_version_that_is_gone_is_a_sentence(workspace, client):
    assert unread(client, "7") == f"Version 7 of the data asset {NAME} no longer exists."


def test_files_that_are_gone_are_a_sentence(workspace, client):
    name_address(workspace, workspace.workspace.uri("was/here"))
    assert "has no MLTable file in azureml://subscriptions/" in unread(client)


def test_asset_of_another_type_is_a_sentence(workspace, client):
    (stored(workspace, "plain")).mkdir(parents=True)
    (stored(workspace, "plain") / "rows.csv").write_text("a\n1\n")
    name_address(workspace, workspace.workspace.uri("plain"))
    assert "has no MLTable file" in unread(client)


@pytest.mark.parametrize("address", ["https://elsewhere.blob.core.windows.net/c/p", "azureml://jobs/j/outputs/o"])
def test_address_of_no_datastore_is_a_sentence(workspace, client, address):
    name_address(workspace, address)
    assert f"{address} is not the address of a datastore" in unread(client)


def test_datastore_that_is_gone_is_a_sentence(workspace, client):
    name_address(workspace, workspace.workspace.uri("here", "removed"))
    assert "no datastore removed" in unread(client)


def test_datastore_that_keeps_no_blobs_is_a_sentence(workspace, client):
    properties = {
        "datastoreType": "AzureFile",
        "accountName": "st",
        "fileShareName": "rows",
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "None"},
    }
    workspace.faults.append(
        lambda request: (
            answer(200, {"id": "/x", "name": "share", "properties": properties})
            if request.path.endswith("/datastores/share")
            else None
        )
    )
    name_address(workspace, workspace.workspace.uri("here", "share"))
    assert "does not hold blobs" in unread(client)


DAMAGED = {
    "no YAML": ("MLTable", b"a: [b"),
    "text": ("MLTable", b"hello"),
    "not UTF-8": ("MLTable", b"\xff\xfe"),
    "unknown transformation": ("MLTable", b"paths:\n- file: ./rows.parquet\ntransformations:\n- nothing\n"),
    "rows cut off": ("rows.parquet", b"PAR1"),
    "other rows": ("MLTable", b"paths:\n- file: ./gone.parquet\ntransformations:\n- read_parquet\n"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_table_is_a_sentence(workspace, client, damage):
    name, content = DAMAGED[damage]
    folder = stored(workspace, "rows")
    write_mltable(ROWS, folder, {})
    (folder / name).write_bytes(content)
    name_address(workspace, workspace.workspace.uri("rows"))
    assert f"{NAME}:1 cannot be read: " in unread(client)


@pytest.mark.parametrize("path", ["azureml://datastores/other/paths/x.parquet", "https://example.com/x.parquet"])
def test_table_with_files_elsewhere_is_a_sentence_and_asks_for_no_sign_in(workspace, client, path):
    folder = stored(workspace, "rows")
    folder.mkdir(parents=True)
    (folder / "MLTable").write_text(yaml.safe_dump({"paths": [{"file": path}], "transformations": ["read_parquet"]}))
    name_address(workspace, workspace.workspace.uri("rows"))
    assert f"names {path}, which is not in its folder" in unread(client)


def test_refusal_of_the_storage_is_not_taken_for_missing_files(workspace, client):
    write_mltable(ROWS, stored(workspace, "rows"), {})
    name_address(workspace, workspace.workspace.uri("rows"))
    refused = {"x-ms-error-code": "AuthorizationPermissionMismatch"}
    workspace.faults.append(lambda request: answer(403, None, **refused) if ".blob." in request.host else None)
    with pytest.raises(HttpResponseError) as caught:
        read_asset(client, NAME, "1")
    assert caught.value.status_code == 403


# Versions


def test_versions_that_are_not_numbers_are_ignored(workspace, client, definition):
    for version in ("v1", "2024-01-01", "1.5", "9²", "latest"):
        name_address(workspace, workspace.workspace.uri("rows"), version)
    assert newest_version(client, NAME) is None
    assert register_rows(client, definition, ROWS).version == "1"
    assert newest_version(client, NAME) == "1"


def test_version_is_asked_for_as_it_is_written(workspace, client):
    write_mltable(ROWS, stored(workspace, "rows"), {})
    for version in ("3", "007"):
        name_address(workspace, workspace.workspace.uri("rows"), version)
    assert newest_version(client, NAME) == "007"
    assert len(read_asset(client, NAME, "007")) == 2


def test_number_of_an_archived_version_is_not_used_again(workspace, client, definition):
    register_rows(client, definition, ROWS)
    register_rows(client, definition, ROWS.head(1))
    archived = workspace.arm.documents.get(f"data/{NAME}/versions/2")
    # The service lists archived versions only on request.
    workspace.faults.append(
        lambda request: (
            answer(200, {"value": [workspace.arm.documents.get(f"data/{NAME}/versions/1")]})
            if request.path.endswith(f"/data/{NAME}/versions") and request.query.get("listViewType") == "ActiveOnly"
            else None
        )
    )
    assert register_rows(client, definition, ROWS.tail(1)).version == "3"
    assert workspace.arm.documents.get(f"data/{NAME}/versions/2") == archived


@pytest.mark.parametrize(
    ("status", "code"), [(404, "ResourceGroupNotFound"), (404, "SubscriptionNotFound"), (403, "AuthorizationFailed")]
)
def test_refusal_is_not_taken_for_an_asset_that_does_not_exist_yet(workspace, client, status, code):
    refusal = {"error": {"code": code, "message": f"{code}: no."}}
    workspace.faults.append(lambda request: answer(status, refusal) if "/data/" in request.path else None)
    with pytest.raises(HttpResponseError):
        versions_of(client, NAME)


def test_asset_that_does_not_exist_yet_has_no_versions(workspace, client):
    assert versions_of(client, NAME) == []
    assert newest_version(client, NAME) is None


# Two commands at the same time


def test_version_that_another_command_took_meanwhile_is_not_changed(workspace, client, definition):
    register_rows(client, definition, ROWS)
    other = workspace.workspace.uri("of/another/command")
    taken = []

    def meanwhile(request):
        if request.method == "PUT" and request.path.endswith(f"/data/{NAME}/versions/2") and not taken:
            taken.append(name_address(workspace, other, "2"))

    workspace.faults.append(meanwhile)
    built = register_rows(client, definition, ROWS.head(1))
    assert built.version == "3"
    assert workspace.arm.documents.get(f"data/{NAME}/versions/2")["properties"]["dataUri"] == other
    pd.testing.assert_frame_equal(read_asset(client, NAME, "3"), ROWS.head(1))


def test_conflict_about_another_cause_is_raised(workspace, client, definition):
    conflict = {"error": {"code": "Conflict", "message": "The workspace is being updated."}}
    workspace.faults.append(
        lambda request: answer(409, conflict) if request.method == "PUT" and "/data/" in request.path else None
    )
    with pytest.raises(HttpResponseError, match="being updated"):
        register_rows(client, definition, ROWS)
    assert len([request for request in workspace.requests if request.method == "PUT" and "/data/" in request.path]) < 5


def test_uploaded_files_are_the_registered_ones_even_if_the_projects_folder_changes(
    workspace, client, definition, monkeypatch
):
    real = assets.register

    def slow(client, asset):
        # Meanwhile another command writes its rows to the asset's folder.
        assets.write_table(ROWS.tail(1), definition.parent / "../../data/labelled")
        real(client, asset)

    monkeypatch.setattr(assets, "register", slow)
    register_rows(client, definition, ROWS)
    pd.testing.assert_frame_equal(read_asset(client, NAME, "1"), ROWS)


# Names of blobs


def test_blobs_that_represent_folders_are_not_files():
    names = ["a", "a/b", "a/b/c.txt", "a/d.txt", "e/", "e/f", "g"]
    assert files_among(names) == ["a/b/c.txt", "a/d.txt", "e/f", "g"]


def test_blob_with_a_path_out_of_its_folder_is_refused(tmp_path):
    with pytest.raises(RunFailedError, match="leads out"):
        _within(tmp_path, "../../etc/passwd")
    assert _within(tmp_path, "/a//b") == tmp_path / "a" / "b"


def test_entities_of_the_sdk_are_registered(workspace, client, definition):
    register_rows(client, definition, ROWS, {"newest_rows": 1})
    found = client.data.get(NAME, version="1")
    assert isinstance(found, Data)
    assert json.loads(found.tags["rows"]) == 2


# Labels that the project's own systems register

CONTRACT = Contract(
    task="regression",
    target="target",
    classes=(),
    numerical=("age",),
    categorical=(),
    id_column="row_id",
    time_column=None,
    training_until=None,
    source="model.datasets.diabetes:load",
    path=None,
)
KNOWN = {"a": 1.0, "b": 2.0}
LABELS = {
    "plain": (pd.DataFrame({"row_id": ["a", "b"], "target": [1.0, 2.0]}), KNOWN),
    "one was corrected": (pd.DataFrame({"row_id": ["a", "b", "a"], "target": [9.0, 2.0, 1.0]}), KNOWN),
    "some are not known yet": (pd.DataFrame({"row_id": ["a", "b", "c"], "target": [1.0, 2.0, None]}), KNOWN),
    "identifiers are numbers": (pd.DataFrame({"row_id": [1, 2], "target": [1, 2]}), {"1": 1.0, "2": 2.0}),
    "numbers are text": (pd.DataFrame({"row_id": ["a", "b"], "target": ["1", "2.0"]}), KNOWN),
    "with more columns": (pd.DataFrame({"more": [0, 0], "target": [1.0, 2.0], "row_id": ["a", "b"]}), KNOWN),
    "without a target": (pd.DataFrame({"row_id": ["a"]}), "The data has no column 'target'"),
    "without identifiers": (pd.DataFrame({"target": [1.0]}), "The data has no column 'row_id'"),
    "words for numbers": (pd.DataFrame({"row_id": ["a"], "target": ["high"]}), "holds numbers, but row 1 has 'high'"),
    "no rows": (pd.DataFrame({"row_id": [], "target": []}), "The data has no column 'row_id'"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_of_any_kind_are_joined_or_refused_with_a_sentence(workspace, client, definition, monkeypatch, case):
    rows, expected = LABELS[case]
    monkeypatch.setattr(retrain, "LABELS", definition)
    register_rows(client, definition, rows)
    if isinstance(expected, str):
        with pytest.raises(WrongInputError, match=f"{NAME}:1 do not match the contract. .*{expected}"):
            retrain.read_labels(client, CONTRACT)
    else:
        found = retrain.read_labels(client, CONTRACT)
        assert dict(zip(found["row_id"], found["target"], strict=True)) == expected


def test_labels_that_were_never_registered_are_wrong_input(workspace, client, definition, monkeypatch):
    monkeypatch.setattr(retrain, "LABELS", definition)
    with pytest.raises(WrongInputError, match="run `mlops data` first"):
        retrain.read_labels(client, CONTRACT)
