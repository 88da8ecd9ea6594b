"""Reads collected rows with the real azure-storage-blob: every row is found, and skipped rows are reported."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import yaml
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azure_process import environment
from azureml_emulator.application import Emulator
from checked_requests import answering
from mlops.data import collected
from mlops.data.records import ELSEWHERE, UNREADABLE, problem_of_record, problem_of_row, read_records
from mlops.storage import container, place_of
from model.contract import Contract
from model.preprocess_production_data import rows_as_text
from projects import ROOT

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
    "one row is not an object": json.dumps({"specversion": "1.0", "correlationid": "c", "data": [{"age": 1.0}, None]}),
    "no data": json.dumps({"specversion": "1.0", "correlationid": "c"}),
    "no correlation id": json.dumps({"specversion": "1.0", "data": [{"age": 1.0}]}),
    "a number that no table can hold": json.dumps(
        {"specversion": "1.0", "correlationid": "c", "data": [{"age": 10**400}]}
    ),
    "over 4 MB": json.dumps({"specversion": "1.0", "correlationid": "c", "dataref": "azureml://somewhere"}),
}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Return an emulated workspace, and the folder of its default datastore."""
    emulator = Emulator(tmp_path / "azure")
    for name, value in environment(emulator).items():
        monkeypatch.setenv(name, value)
    endpoint = tmp_path / "endpoint.yml"
    endpoint.write_text(yaml.safe_dump({"name": ENDPOINT}))
    monkeypatch.setattr(collected, "ONLINE_ENDPOINT", endpoint)
    with answering(emulator):
        yield emulator


@pytest.fixture
def client(workspace):
    here = workspace.workspace
    return MLClient(DefaultAzureCredential(), here.subscription, here.group, here.name, enable_telemetry=False)


def blob_folder(emulator):
    return emulator.storage.folder(emulator.workspace.container)


def collect(emulator, deployment, moment, rows, *more_lines):
    """Write one file of each collection in the collector's format; `more_lines` are added to both."""
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


def row(name, age=48.0):
    return {"age": age, "row_id": name, "prediction": 150.0}


def read(client, days=30):
    return collected.scored_rows(client, CONTRACT, END - timedelta(days=days), END)


def test_rows_of_retired_deployments_are_found(workspace, client):
    collect(workspace, "model-1", END - timedelta(days=9), [row("old")])
    collect(workspace, "model-2", END - timedelta(days=1), [row("new")])
    # The deployments no longer exist, but their collected rows do.
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
def test_strange_record_is_reported_and_the_others_are_read(workspace, client, strange, capsys):
    collect(workspace, "model-1", END - timedelta(hours=1), [row("good")], STRANGE[strange])
    assert read(client, days=1)["row_id"].tolist() == ["good"]
    said = capsys.readouterr().err
    assert f"1 {ELSEWHERE if strange == 'over 4 MB' else UNREADABLE}: skipped" in said
    assert "instance.jsonl" in said


def test_bytes_that_are_no_text_and_empty_files_are_skipped(workspace, client):
    hour = blob_folder(workspace) / "rows" / f"{END - timedelta(hours=1):%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    (hour / "a.jsonl").write_bytes(b"\xff\xfe\x00\n")
    (hour / "b.jsonl").touch()
    (hour / "c.txt").write_text("not collected")
    said: list[str] = []
    assert read_records(container(client), "rows", END - timedelta(days=1), END, said.append) == []
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
    is_record = isinstance(record, dict) and (
        {"specversion", "dataref"} & record.keys() or {"data", "correlationid"} <= record.keys()
    )
    if is_record:
        expected = 0 if problem_of_record(record) else len(record["data"])
    else:
        expected = 0 if problem_of_row(record) else 1
    assert len(rows) == expected


# The rows of a window


def test_records_own_time_decides_in_hours_that_a_window_cuts(workspace, client):
    nine = END - timedelta(hours=3)
    for minute in (0, 29, 30, 59):
        collect(workspace, f"model-{minute}", nine + timedelta(minutes=minute), [row(f"09:{minute:02}")])
        collect(workspace, f"later-{minute}", END - timedelta(minutes=60 - minute), [row(f"11:{minute:02}")])
    start, end = nine + timedelta(minutes=30), END - timedelta(minutes=30)
    found = collected.scored_rows(client, CONTRACT, start, end)
    assert sorted(found["row_id"]) == ["09:30", "09:59", "11:00", "11:29"]


def test_two_adjacent_windows_contain_every_row_once(workspace, client):
    ten = END - timedelta(hours=2)
    late = [
        ten - timedelta(seconds=1),
        ten,
        ten + timedelta(minutes=59, seconds=59),
        ten + timedelta(hours=1, seconds=2),
    ]
    for number, moment in enumerate(late):
        collect(workspace, f"model-{number}", ten, [row(f"r{number}")])
        for file in (blob_folder(workspace) / "modelDataCollector" / ENDPOINT / f"model-{number}").rglob("*.jsonl"):
            # Written into the folder of an hour, with a time shortly before or after it.
            file.write_text(file.read_text().replace(ten.isoformat(), moment.isoformat()))
    for cut in (ten, ten + timedelta(minutes=20), ten + timedelta(hours=1)):
        windows = [(ten - timedelta(hours=1), cut), (cut, ten + timedelta(hours=2))]
        found = [name for window in windows for name in collected.scored_rows(client, CONTRACT, *window)["row_id"]]
        assert sorted(found) == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-20T09:15:00.1234567Z",
        "20261120T091500Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        5,
        None,
    ],
)
def test_time_of_any_spelling_is_one_that_pandas_reads(workspace, client, time):
    hour = END - timedelta(hours=3)
    collect(workspace, "model-1", hour, [row("r")])
    for file in blob_folder(workspace).rglob("*.jsonl"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"time": time}))
    found = collected.scored_rows(client, CONTRACT, hour, hour + timedelta(hours=1))
    assert pd.to_datetime(found[collected.SCORED_AT], utc=True, format="ISO8601").dt.floor("h").tolist() == [hour]


def test_rows_without_inputs_or_outputs_are_counted(workspace, client, capsys):
    hour = END - timedelta(hours=1)
    collect(workspace, "model-1", hour, [row("a"), row("b"), row("c")])
    home = blob_folder(workspace) / "modelDataCollector" / ENDPOINT / "model-1"
    file = next((home / "model_inputs").rglob("*.jsonl"))
    # The features of these three rows exceed 4 MB, their predictions do not.
    large = {key: value for key, value in json.loads(file.read_text()).items() if key != "data"}
    file.write_text(json.dumps(large | {"dataref": "azureml://somewhere"}))
    assert read(client, days=1).empty
    said = capsys.readouterr().err
    assert ELSEWHERE in said
    assert "3 row(s) scored by model-1 are skipped: no features could be read." in said


def test_record_that_was_sent_twice_counts_once(workspace, client):
    hour = END - timedelta(hours=1)
    collect(workspace, "model-1", hour, [row("a"), row("b")])
    for file in blob_folder(workspace).rglob("*.jsonl"):
        file.write_text(file.read_text() * 2)
    assert read(client, days=1)["row_id"].tolist() == ["a", "b"]


def test_feature_called_time_keeps_its_values(workspace, client, monkeypatch):
    hour = END - timedelta(hours=1)
    collect(workspace, "model-1", hour, [row("a")])
    for file in blob_folder(workspace).rglob("*.jsonl"):
        file.write_text(file.read_text().replace('"age": 48.0', '"age": 48.0, "time": "Dinner"'))
    contract = dataclasses.replace(CONTRACT, categorical=("time",))
    found = collected.scored_rows(client, contract, END - timedelta(days=1), END)
    assert found["time"].tolist() == ["Dinner"]
    assert found[collected.SCORED_AT].tolist() == [hour.isoformat()]


STRANGE_ROWS = {
    "no identifier": {"row_id": None},
    "an empty identifier": {"row_id": ""},
    "an identifier of several": {"row_id": ["a", "b"]},
    "half a character": {"row_id": "\ud800"},
    "text for a number": {"age": "old"},
    "a list for a number": {"age": [1]},
    "an object for a number": {"age": {"years": 1}},
    "endless": {"age": 1e999},
}


@pytest.mark.parametrize("strange", STRANGE_ROWS)
def test_strange_row_is_counted_and_the_others_are_read(workspace, client, strange, capsys, tmp_path):
    collect(
        workspace, "model-1", END - timedelta(hours=1), [row("good"), row("bad") | STRANGE_ROWS[strange], row("also")]
    )
    rows = read(client, days=1)
    assert rows["row_id"].tolist() == ["good", "also"]
    assert "1 of 3 collected row(s)" in capsys.readouterr().err
    rows.astype({"age": float}).to_parquet(tmp_path / "rows.parquet")


def test_missing_values_and_identifiers_that_are_numbers_are_read(workspace, client, capsys):
    collect(workspace, "model-1", END - timedelta(hours=1), [row("a", None), row(17), row("c", True), row("d", 5)])
    assert read(client, days=1)["row_id"].tolist() == ["a", "17", "c", "d"]
    assert capsys.readouterr().err == ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(json_values | records, max_size=6), features=st.lists(json_values, max_size=3))
def test_good_rows_are_found_in_a_file_of_any_content(workspace, client, lines, features):
    good = [row("good"), *({"age": value, "row_id": "x", "prediction": 1.0} for value in features)]
    collect(workspace, "model-1", END - timedelta(hours=1), good, *map(json.dumps, lines))
    assert "good" in read(client, days=1)["row_id"].tolist()


def test_rows_of_batch_scoring_are_read_alike(workspace, client):
    hour = END - timedelta(hours=1)
    folder = blob_folder(workspace) / "scored" / "batch" / f"{hour:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    lines = [json.dumps(row("a")), "[]", '{"row_id": "b', json.dumps(row(["c"]))]
    (folder / "x.jsonl").write_text("\n".join(lines))
    said: list[str] = []
    found = collected._batch_rows(container(client), "scored/batch", hour, END, said.append)
    rows = collected._understood(found, CONTRACT, said.append)
    assert rows["row_id"].tolist() == ["a"]
    assert rows[collected.SCORED_AT].tolist() == [hour.isoformat()]
    assert len(said) == 2


# Retraining and Spark read the same strange lines

LINES = [
    json.dumps({"specversion": "1.0", "correlationid": "a", "data": [{"age": 1.0}, {"age": 2.0}]}).encode(),
    b'{"specversion": "1.0", "correlationid": "b", "data": [{"town": "K\xf6ln"}]}',
    '{"specversion": "1.0", "correlationid": "c", "data": [{"town": "Köln \ufffd"}]}'.encode(),
    b'{"specversion": "1.0", "correlationid": "d", "data": [{"age": 3.0, "Age": {"years": 3}}]}\r',
    b'{"correlationid": "e", "data": [{"age": 4.0}]}',
    b'{"correlationid": "f", "data": "text"}',
    b'{"specversion": "1.0", "correlationid": "g", "data": []}',
    b"\xff\xfe\x00",
    b'"' + b"[" * 50 + b'"',
    b"[" * 100_000,
    b"9" * 5000,
    b'{"specversion": "1.0", "correlationid": "h", "data": [{"age": ' + b"1" * 5000 + b"}]}",
    b'{"specversion": "1.0", "correlationid": "i", "data": [{"age": ' + b"1" * 309 + b"}]}",
    b'{"specversion": "1.0", "correlationid": "j", "data": [{"age": -'
    + b"1" * 308
    + b', "code": "'
    + b"1" * 309
    + b'"}]}',
    b"   ",
    *(line.encode() for line in STRANGE.values()),
]


def retraining_reads(client) -> tuple[list[str], list[str]]:
    said: list[str] = []
    found = read_records(container(client), "rows", END - timedelta(hours=1), END, said.append)
    return sorted(f"{one['correlationid']}_{number}" for one in found for number, _ in enumerate(one["data"])), said


def test_every_strange_line_is_read_alike(workspace, client):
    hour = blob_folder(workspace) / "rows" / f"{END - timedelta(hours=1):%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    for number, line in enumerate(LINES):
        (hour / "one.jsonl").write_bytes(line)
        spark = [json.loads(text)["correlationid"] for text in rows_as_text([line])]
        assert spark == retraining_reads(client)[0], number


@pytest.mark.skipif(not shutil.which("java"), reason="PySpark needs Java, which this machine has not")
def test_spark_itself_reads_and_says_what_retraining_does(workspace, client, tmp_path):
    hour = blob_folder(workspace) / "rows" / f"{END - timedelta(hours=1):%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    (hour / "strange.jsonl").write_bytes(b"\n".join(LINES))
    (hour / "empty.jsonl").touch()
    arguments = {
        "data_window_start": (END - timedelta(hours=1)).isoformat(),
        "data_window_end": END.isoformat(),
        "input_data": blob_folder(workspace) / "rows",
        "preprocessed_input_data": tmp_path / "out",
    }
    script = ROOT / "template" / "src" / "model" / "preprocess_production_data.py"
    given = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    done = subprocess.run([sys.executable, script, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = pd.read_parquet(tmp_path / "out" / "data")
    expected, said = retraining_reads(client)
    assert sorted(rows["correlationid"]) == expected
    counts = {re.search(r"\d+ (line|record).*: skipped", text)[0] for text in said}
    assert {
        found[0] for found in re.finditer(r"(?<=strange.jsonl: )\d+ (line|record).*: skipped", done.stderr)
    } == counts


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


def test_record_without_a_time_has_that_of_its_hour(workspace, client):
    hour = END - timedelta(hours=1)
    folder = blob_folder(workspace) / "rows" / f"{hour:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    lines = [{"correlationid": "a", "data": []}, {"correlationid": "b", "data": [], "time": "yesterday"}]
    (folder / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = read_records(container(client), "rows", hour, END, print)
    assert {pd.Timestamp(record["time"]) for record in found} == {pd.Timestamp(hour)}
