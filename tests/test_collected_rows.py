"""Collected rows, read by the real azure-storage-blob: every row is found, and what is skipped is said."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import yaml
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential
from hypothesis import given
from hypothesis import strategies as st

from azureml_emulator.application import Emulator
from azureml_emulator.run import environment
from mlops import collected
from mlops.records import ELSEWHERE, UNREADABLE, problem_of_record, problem_of_row, read_records
from mlops.storage import Folder, container, place_of
from model.contract import Contract
from model.preprocess_production_data import rows_as_text

ENDPOINT = "diabetes-20c247"
END = datetime(2026, 11, 20, 12, tzinfo=UTC)
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
STRANGE = {
    "cut off": '{"specversion": "1.0", "correlationid": "c", "da',
    "no object": "[1, 2]",
    "data is text": json.dumps({"specversion": "1.0", "correlationid": "c", "data": '[{"age": 1.0}]'}),
    "data is an object": json.dumps({"specversion": "1.0", "correlationid": "c", "data": {"age": 1}}),
    "rows are lists": json.dumps({"specversion": "1.0", "correlationid": "c", "data": [[1, 2]]}),
    "one row is no object": json.dumps({"specversion": "1.0", "correlationid": "c", "data": [{"age": 1.0}, None]}),
    "no data": json.dumps({"specversion": "1.0", "correlationid": "c"}),
    "no correlation id": json.dumps({"specversion": "1.0", "data": [{"age": 1.0}]}),
    "over 4 MB": json.dumps({"specversion": "1.0", "correlationid": "c", "dataref": "azureml://somewhere"}),
}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An emulated workspace, and the folder that is its default store."""
    emulator = Emulator(tmp_path / "azure")
    for name, value in environment(emulator).items():
        monkeypatch.setenv(name, value)
    endpoint = tmp_path / "endpoint.yml"
    endpoint.write_text(yaml.safe_dump({"name": ENDPOINT}))
    monkeypatch.setattr(collected, "ONLINE_ENDPOINT", endpoint)
    with emulator.answering():
        yield emulator


@pytest.fixture
def client(workspace):
    here = workspace.workspace
    return MLClient(DefaultAzureCredential(), here.subscription, here.group, here.name, enable_telemetry=False)


def blob_folder(emulator):
    return emulator.storage.folder(emulator.workspace.account, emulator.workspace.container)


def collect(emulator, deployment, moment, rows, *more_lines):
    """Write one file of each collection as the collector does; `more_lines` go to both."""
    for collection, columns in {"model_inputs": ["age"], "model_outputs": ["row_id", "prediction"]}.items():
        record = {
            "specversion": "1.0",
            "correlationid": f"{deployment}-{moment:%d%H}",
            "time": moment.isoformat(),
            "data": [{name: row[name] for name in columns} for row in rows],
        }
        home = blob_folder(emulator) / "modelDataCollector" / ENDPOINT / deployment / collection
        file = home / f"{moment:%Y/%m/%d/%H}" / "instance.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([json.dumps(record), *more_lines]) + "\n", encoding="utf-8")


def row(name):
    return {"age": 48.0, "row_id": name, "prediction": 150.0}


def read(client, days=30):
    return collected.scored_rows(client, CONTRACT, END - timedelta(days=days), END)


def test_rows_of_retired_deployments_are_found(workspace, client):
    collect(workspace, "model-1", END - timedelta(days=9), [row("old")])
    collect(workspace, "model-2", END - timedelta(days=1), [row("new")])
    # No deployment exists any more: what they collected stays.
    assert sorted(read(client)["row_id"]) == ["new", "old"]


def test_thirty_days_of_one_deployment_cost_at_most_a_hundred_requests(workspace, client, record_property):
    for day in range(30):
        collect(workspace, "model-1", END - timedelta(days=day, hours=1), [row(f"r{day}")])
    assert len(read(client)) == 30
    to_storage = [request for request in workspace.requests if ".blob." in request.host]
    record_property("storage requests for 30 days of one deployment", len(to_storage))
    assert len(workspace.requests) <= 100


def test_only_hours_of_the_window_are_downloaded(workspace, client):
    collect(workspace, "model-1", END - timedelta(days=3), [row("before")])
    collect(workspace, "model-1", END - timedelta(days=1), [row("within")])
    collect(workspace, "model-1", END, [row("after")])
    assert read(client, days=2)["row_id"].tolist() == ["within"]
    downloads = [request.path for request in workspace.requests if request.path.endswith(".jsonl")]
    assert len(downloads) == 2


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_record_is_said_and_the_others_are_read(workspace, client, strange, capsys):
    collect(workspace, "model-1", END - timedelta(hours=1), [row("good")], STRANGE[strange])
    assert read(client, days=1)["row_id"].tolist() == ["good"]
    said = capsys.readouterr().err
    assert f"1 {ELSEWHERE if strange == 'over 4 MB' else UNREADABLE}: skipped" in said
    assert "instance.jsonl" in said


def test_bytes_that_are_no_text_and_empty_files_are_skipped(tmp_path):
    hour = tmp_path / f"{END - timedelta(hours=1):%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    (hour / "a.jsonl").write_bytes(b"\xff\xfe\x00\n")
    (hour / "b.jsonl").touch()
    (hour / "c.txt").write_text("not collected")
    said: list[str] = []
    assert read_records(Folder(tmp_path), "", END - timedelta(days=1), END, said.append) == []
    assert len(said) == 1


@pytest.mark.parametrize("strange", STRANGE)
def test_spark_skips_what_retraining_skips(strange, capsys):
    assert list(rows_as_text([STRANGE[strange]])) == []
    assert f"1 {ELSEWHERE if strange == 'over 4 MB' else UNREADABLE}: skipped" in capsys.readouterr().err


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
records = st.fixed_dictionaries(
    {"specversion": st.just("1.0")},
    optional={"correlationid": json_values, "data": json_values, "dataref": json_values, "time": json_values},
)


@given(record=json_values | records)
def test_any_line_is_read_alike_by_retraining_and_spark(record):
    rows = [json.loads(text) for text in rows_as_text([json.dumps(record)])]
    assert all(isinstance(found, dict) for found in rows)
    if isinstance(record, dict) and ("specversion" in record or "dataref" in record):
        expected = 0 if problem_of_record(record) else len(record["data"])
    else:
        expected = 0 if problem_of_row(record) else 1
    assert len(rows) == expected


def test_addresses_are_taken_apart_in_both_forms():
    long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/other/paths/LocalUpload/1/my rows/größe/"
    assert place_of(long).store == "other"
    assert place_of(long).path == "LocalUpload/1/my rows/größe"
    assert place_of("azureml://datastores/workspaceblobstore/paths/a").path == "a"


@pytest.mark.parametrize("name", ["plain", "with a space", "größe", "100%", "a+b", "#1"])
def test_blobs_of_any_name_are_downloaded(workspace, client, tmp_path, name):
    folder = blob_folder(workspace) / name
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / f"{name}.bin").write_bytes(b"x" * 10)
    (folder / "empty").touch()
    beside = blob_folder(workspace) / f"{name}-beside"
    beside.mkdir()
    (beside / "not mine").write_bytes(b"y")
    container(client).download(name, tmp_path / "here")
    found = {
        path.relative_to(tmp_path / "here").as_posix() for path in (tmp_path / "here").rglob("*") if path.is_file()
    }
    assert found == {f"deeper/{name}.bin", "empty"}


def test_no_key_is_asked_for(workspace, client):
    collect(workspace, "model-1", END - timedelta(hours=1), [row("r")])
    read(client, days=1)
    assert not [request.path for request in workspace.requests if "listSecrets" in request.path]
    assert all("sig" not in request.query for request in workspace.requests)


def test_record_without_a_time_has_that_of_its_hour(tmp_path):
    hour = END - timedelta(hours=1)
    folder = tmp_path / f"{hour:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    lines = [{"correlationid": "a", "data": []}, {"correlationid": "b", "data": [], "time": "yesterday"}]
    (folder / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = read_records(Folder(tmp_path), "", hour, END, print)
    assert {pd.Timestamp(record["time"]) for record in found} == {pd.Timestamp(hour)}
