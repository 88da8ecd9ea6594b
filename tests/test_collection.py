"""Tests the records that a deployment posts to the data collector: none is near 4 MB, and no row is lost."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from model.collection import MOST_BYTES, _bytes, _most_bytes, record_parts
from projects import ROOT

AZURES_LIMIT = 4_000_000

SENDER = """
import json, sys
import pandas as pd
from model.collection import Collection
from model.serving import Rows

class Contract:
    id_column = "row_id"

collection = Collection(Contract())
for file in sys.argv[1:]:
    rows = pd.read_parquet(file)
    features = rows.drop(columns=["row_id", "prediction"])
    collection.add(Rows(rows["row_id"].tolist(), features), rows["prediction"].tolist())
"""
# pandas raises for some tables; here for one with this identifier.
BREAKING = """
import time
import pandas
import model.collection

written = pandas.DataFrame.to_json

def to_json(table, **more):
    if "row_id" in table and "bad" in table["row_id"].tolist():
        raise OverflowError("no such luck")
    return written(table, **more)

pandas.DataFrame.to_json = to_json
model.collection.ESCAPED = 1 << 30
model.collection.PAUSE = 0
add = model.collection.Collection.add
model.collection.Collection.add = lambda *given: (add(*given), time.sleep(0.3))
"""


@contextmanager
def sidecar() -> Iterator[tuple[int, list[tuple[str, str, bytes]]]]:
    """Run Azure's side of the collector; yield its port and the posts, as collection, correlation id and body."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.headers["ce-type"].rpartition(".")[2], self.headers["ce-x-request-id"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(tmp_path, *requests: pd.DataFrame, sender: str = SENDER) -> tuple[list[tuple[str, str, bytes]], str]:
    """Collect requests with the real SDK and return the posts and the log."""
    files = []
    for number, rows in enumerate(requests):
        files.append(tmp_path / f"{number}.parquet")
        rows.to_parquet(files[-1])
    with sidecar() as (port, posted):
        settings = {
            "AZUREML_MDC_ENABLED": "true",
            "AZUREML_MDC_HOST": "127.0.0.1",
            "AZUREML_MDC_PORT": str(port),
            "PYTHONPATH": str(ROOT / "template" / "src"),
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-c", sender, *map(str, files)],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return posted, done.stderr


def joined(posted) -> pd.DataFrame:
    """Return the rows of both collections, joined by correlation id, position and identifier."""
    tables = {
        collection: pd.DataFrame(
            [
                row | {"key": f"{correlation}_{number}"}
                for found, correlation, body in posted
                if found == collection
                for number, row in enumerate(json.loads(body))
            ]
        )
        for collection in ("model_inputs", "model_outputs")
    }
    return tables["model_inputs"].merge(tables["model_outputs"], on=["key", "row_id"], how="outer", validate="1:1")


def wide(count: int, start: int = 0) -> pd.DataFrame:
    """Return rows as wide as those of breast_cancer: thirty numbers with long names."""
    draw = np.random.default_rng(start)
    names = [f"measured feature number {number}" for number in range(30)]
    rows = pd.DataFrame(draw.random((count, 30)).round(3), columns=names)
    return rows.assign(row_id=[f"r{start + number}" for number in range(count)], prediction=rows[names[0]])


def test_large_request_becomes_several_records_far_below_azures_limit(tmp_path):
    rows = wide(6000)
    posted, _ = send(tmp_path, rows)
    assert max(len(body) for _, _, body in posted) <= MOST_BYTES < 0.8 * AZURES_LIMIT
    found = joined(posted)
    assert sorted(found["row_id"]) == sorted(rows["row_id"])
    # Position and correlation id identify the row's own prediction.
    assert (found["measured feature number 0"] == found["prediction"]).all()


def test_requests_that_are_large_together_are_split_too(tmp_path):
    requests = [wide(900, start=900 * number) for number in range(8)]
    posted, _ = send(tmp_path, *requests)
    assert max(len(body) for _, _, body in posted) <= MOST_BYTES
    found = joined(posted)
    assert sorted(found["row_id"]) == sorted(pd.concat(requests)["row_id"])
    assert (found["measured feature number 0"] == found["prediction"]).all()


@pytest.mark.parametrize("place", ["inputs", "outputs"])
def test_row_that_is_too_large_by_itself_is_logged_and_left_out_of_both_collections(tmp_path, place):
    rows = pd.DataFrame({"text": ["a", "b", "c"], "row_id": ["r1", "r2", "r3"], "prediction": ["p1", "p2", "p3"]})
    rows.loc[1, "text" if place == "inputs" else "row_id"] = "ä" * MOST_BYTES
    posted, logged = send(tmp_path, rows)
    found = joined(posted)
    assert sorted(zip(found["text"], found["row_id"], strict=True)) == [("a", "r1"), ("c", "r3")]
    assert f"A row of more than {MOST_BYTES} bytes is not collected." in logged


def test_rows_that_cannot_be_written_do_not_stop_the_collection(tmp_path):
    good = pd.DataFrame({"n": [1.0], "row_id": ["good"], "prediction": [1.0]})
    bad = pd.DataFrame({"m": [1.0], "row_id": ["bad"], "prediction": [1.0]})
    posted, logged = send(tmp_path, bad, good, sender=BREAKING + SENDER)
    assert joined(posted)["row_id"].tolist() == ["good"]
    assert "1 requests are not collected." in logged


@pytest.mark.parametrize(
    "values",
    [['a/b\\c"d'], ["ä" * 50], ["😀" * 50], ["\x00\x1f"], [None], [1e300], [-1.2345678901234567e-300]],
    ids=["escapes", "umlauts", "pairs", "control", "missing", "large", "long"],
)
def test_estimate_is_never_below_the_posted_size(values):
    table = pd.DataFrame({"plain": values, "größe/km": values, '😀 "name"': values})
    assert _most_bytes(table) >= _bytes(table)


def test_parts_contain_all_rows_once_and_in_order():
    rows = wide(500)
    inputs, outputs = rows.drop(columns=["row_id", "prediction"]), rows[["row_id", "prediction"]]
    parts = record_parts(inputs, outputs, most=20_000)
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(500))
    assert all(_bytes(table.iloc[part]) <= 20_000 for part in parts for table in (inputs, outputs))
