"""Tests the data collector: Azure's layout and format, no accepted record is lost, and every reader can read it."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from projects import ROOT, import_path

from azureml_emulator.clock import Clock, full_hour
from azureml_emulator.host.collector import Collector, RecordError, read_records
from endpoints import workspace

REFERENCE = ROOT / "tests" / "reference" / "collected"
SOURCE = "/subscriptions/0/onlineEndpoints/e/deployments/d"
HEADERS = {
    "ce-type": "azureml.inference.model_inputs",
    "ce-time": "1700000000",
    "ce-x-request-id": "some-id",
    "ce-model-version": "default",
    "ce-collect-data-type": "pandas.core.frame.DataFrame",
    "ce-agent": "azureml-ai-monitoring/1.0.0",
    "trace-id": "some-trace",
}


@pytest.fixture
def collector(tmp_path):
    collector = Collector(Clock(tmp_path), tmp_path / "d", SOURCE, {"model_inputs"})
    yield collector
    collector.close()


def written(tmp_path) -> list[Path]:
    return sorted((tmp_path / "d").rglob("*.jsonl"))


# The format


def test_record_has_azures_keys_in_their_order(tmp_path, collector):
    collector.accept(HEADERS, b'[{"age":48.0,"sex":"F","bmi":null}]')
    line = json.loads(written(tmp_path)[0].read_text())
    sample = json.loads(next(REFERENCE.rglob("*.jsonl")).read_text().splitlines()[0])
    assert list(line) == list(sample)
    assert line["data"] == [{"age": 48.0, "sex": "F", "bmi": None}]
    assert {line["correlationid"], line["xrequestid"]} == {"some-id"}
    for key in ("specversion", "type", "datacontenttype", "modelversion", "collectdatatype", "agent"):
        assert line[key] == sample[key]
    assert (line["source"], line["id"], line["contentrange"]) == (SOURCE, "some-trace", "bytes 0-34/35")


def test_record_is_in_the_folder_of_its_hour_by_the_emulators_clock(tmp_path, collector):
    later = Clock(tmp_path).advance()
    collector.accept(HEADERS, b"[]")
    file = written(tmp_path)[0]
    assert file.relative_to(tmp_path / "d").parent.as_posix() == f"model_inputs/{later:%Y/%m/%d/%H}"
    assert json.loads(file.read_text())["time"].startswith(f"{later:%Y-%m-%dT%H:}")


def test_clock_that_moves_on_opens_the_next_hours_file(tmp_path, collector):
    for _ in range(3):
        collector.accept(HEADERS, b"[]")
        Clock(tmp_path).advance()
    assert len({file.parent for file in written(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"ce-type": "azureml.inference.request"}, b"[]", "not switched on"),
        ({}, b"[{", "not valid JSON"),
        ({}, b'{"a": 1}', "not a list of rows"),
    ],
)
def test_record_of_an_unknown_collection_is_refused(tmp_path, collector, headers, body, said):
    with pytest.raises(RecordError, match=said):
        collector.accept(HEADERS | headers, body)
    assert not written(tmp_path)


# Reading


def test_reference_is_read_by_hours_and_a_cut_off_line_is_named():
    morning = datetime(2026, 11, 20, 9, tzinfo=UTC)
    folder, said = REFERENCE / "model_inputs", []
    first = read_records(folder, morning, morning + timedelta(hours=1), said.append)
    assert [record["correlationid"] for record in first] == ["aaa", "bbb"]
    assert not said
    second = read_records(folder, morning + timedelta(hours=1), morning + timedelta(hours=2), said.append)
    assert [record["correlationid"] for record in second] == ["ccc"]
    assert len(said) == 1
    assert "93000001.jsonl: 1 line(s) do not hold a record" in said[0]


def test_window_ends_before_the_full_hour_it_names_and_starts_with_the_hour_it_is_in():
    nine = datetime(2026, 11, 20, 9, tzinfo=UTC)
    folder = REFERENCE / "model_inputs"

    def hours(start, end):
        return len(read_records(folder, nine + timedelta(minutes=start), nine + timedelta(minutes=end), lambda _: None))

    assert hours(-60, 0) == 0
    assert hours(0, 60) == 2
    assert hours(30, 60) == 2
    assert hours(0, 61) == 3
    assert hours(60, 90) == 1
    assert hours(120, 600) == 0


def test_folder_that_does_not_exist_yet_has_no_records(tmp_path):
    assert read_records(tmp_path, datetime.now(UTC) - timedelta(days=1), datetime.now(UTC), print) == []


# The clock


def test_clock_is_real_time_until_it_is_moved(tmp_path):
    assert abs(Clock(tmp_path).now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_clock_moves_to_the_next_full_hour_and_goes_on_from_there(tmp_path):
    before = Clock(tmp_path).now()
    moved = Clock(tmp_path).advance()
    assert moved == full_hour(before) + timedelta(hours=1)
    assert timedelta(0) <= Clock(tmp_path).now() - moved < timedelta(seconds=5)
    assert Clock(tmp_path).advance() == moved + timedelta(hours=1)


# With the real SDK and a real server


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with workspace(tmp_path_factory.mktemp("collector") / "state") as place:
        place.deploy("model-1", WORKER_COUNT="2")
        place.route(**{"model-1": 100})
        yield place


def numbers(place, collection: str) -> list[int]:
    records = place.records("model-1", collection)
    return sorted(row["n"] for record in records for row in record["data"])


def test_inputs_and_outputs_share_a_correlation_id(place):
    place.ask(n=-1)
    assert place.local.flush()
    [inputs], [outputs] = (place.records("model-1", name)[-1:] for name in ("model_inputs", "model_outputs"))
    assert inputs["correlationid"] == outputs["correlationid"]
    assert inputs["source"].endswith("/onlineEndpoints/stub-endpoint/deployments/model-1")


def test_refused_request_is_not_collected(place):
    before = len(place.records("model-1"))
    place.ask(status=400)
    assert place.local.flush()
    assert len(place.records("model-1")) == before


def test_without_collection_scoring_works_and_nothing_is_collected(place):
    place.deploy("model-2", collect=False)
    assert place.ask("model-2", n=1).status_code == 200
    assert place.local.flush()
    assert not place.records("model-2")


def test_stranger_cannot_write_records(place):
    url = place.url.split("/endpoints")[0]
    for auth in (None, ("collector", "wrong")):
        assert httpx.post(f"{url}/modeldata/log", json=[], headers=HEADERS, auth=auth).status_code == 401


def test_no_accepted_record_is_lost_when_the_server_is_stopped_politely(place):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: place.ask(n=n).status_code, range(1000, 1200)))
    # Stop at once, while many records are still in transit.
    place.local.close()
    assert set(answers) == {200}
    for collection in ("model_inputs", "model_outputs"):
        assert [n for n in numbers(place, collection) if n >= 1000] == list(range(1000, 1200))


WRITER = """
import sys
from pathlib import Path
from azureml_emulator.clock import Clock, full_hour
from azureml_emulator.clock import Clock
from azureml_emulator.host.collector import Collector
folder = Path(sys.argv[1])
collector = Collector(Clock(folder), folder / "d", "source", {"model_inputs"})
number = 0
while True:
    body = b'[{"n": %d, "text": "%s"}]' % (number, b"x" * 50_000)
    collector.accept({"ce-type": "azureml.inference.model_inputs"}, body)
    print(number, flush=True)
    number += 1
"""


def test_record_that_was_accepted_survives_a_kill_and_the_next_host_writes_beside_it(tmp_path):
    environment = os.environ | {"PYTHONPATH": import_path(ROOT / "template")}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1.5)
    writer.send_signal(signal.SIGKILL)
    accepted = [int(line) for line in writer.communicate()[0].splitlines()]
    assert accepted
    torn = written(tmp_path)[-1]
    with torn.open("a") as file:
        file.write('{"specversion":"1.0","da')
    Collector(Clock(tmp_path), tmp_path / "d", SOURCE, {"model_inputs"}).accept(HEADERS, b'[{"n": -1}]')
    said, now = [], Clock(tmp_path).now()
    records = read_records(tmp_path / "d" / "model_inputs", now - timedelta(hours=1), now, said.append)
    found = {row["n"] for record in records for row in record["data"]}
    assert found >= {*accepted, -1}
    assert len(said) == 1
    assert torn.name in said[0]
