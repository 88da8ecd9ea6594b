"""Rows of a monitor as Azure's preprocessors make them, and how its runs are shown."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from azureml_metrics.drift import DRIFT_METRICS, NULL_RATE
from azureml_metrics.results import MonitorRun
from azureml_metrics.signals import Measurement, SignalResult, State
from mlops.display import show_monitor
from mlops.errors import RunFailedError
from mlops.monitoring.schedule import COLLECTED, raise_if_not_measured
from model.preprocess_production_data import hours, rows_as_text, rows_of
from projects import ROOT, mlops

COLLECTED_ROWS = Path(__file__).parent / "reference" / "collected"
SCRIPT = ROOT / "template" / "src" / "model" / "preprocess_production_data.py"
CASE = ROOT / "template" / "packages" / "azureml_metrics" / "tests" / "reference" / "monitoring" / "mixed_types"
EXPECTED = json.loads((COLLECTED_ROWS / "expected.json").read_text(encoding="utf-8"))

needs_java = pytest.mark.skipif(not shutil.which("java"), reason="PySpark needs Java, which this machine has not")


def preprocess(tmp_path, start, end):
    """Run the Spark component as a monitor does; return its output and the rows it wrote."""
    output = tmp_path / "output"
    arguments = {
        "data_window_start": start,
        "data_window_end": end,
        "input_data": COLLECTED_ROWS / "model_inputs",
        "preprocessed_input_data": output,
    }
    given = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    done = subprocess.run([sys.executable, SCRIPT, *given], capture_output=True, text=True, check=False)
    return done, pd.read_parquet(output / "data") if done.returncode == 0 else None


@needs_java
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", "09:00-10:00"),
        pytest.param(
            *("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "10:00-11:00"),
            marks=pytest.mark.slow,  # the cut-off line of this case is tested below, without Spark
        ),
    ],
)
def test_hour_becomes_the_same_rows_as_in_azures_preprocessor(tmp_path, start, end, expected):
    done, rows = preprocess(tmp_path, start, end)
    assert done.returncode == 0, done.stderr
    wanted = pd.DataFrame(EXPECTED[expected])
    assert sorted(rows) == sorted(wanted)
    found = rows.sort_values("correlationid")[list(wanted)].astype(object)
    assert found.where(found.notna(), None).to_dict("records") == wanted.astype(object).where(
        wanted.notna(), None
    ).to_dict("records")


@needs_java
def test_empty_window_is_refused_with_a_sentence(tmp_path):
    done, _ = preprocess(tmp_path, "2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z")
    assert done.returncode == 1
    assert "nothing was collected in this window" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", ["2026/11/20/09"]),
        ("2026-11-20T09:30:00Z", "2026-11-20T10:00:01Z", ["2026/11/20/09", "2026/11/20/10"]),
        ("2026-11-20T23:00:00+00:00", "2026-11-21T01:00:00", ["2026/11/20/23", "2026/11/21/00"]),
        ("2026-11-20T01:00:00+02:00", "2026-11-20T00:00:00Z", ["2026/11/19/23"]),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00Z", []),
    ],
    ids=["one hour", "within hours", "midnight", "other zone", "empty"],
)
def test_window_is_whole_hours(start, end, expected):
    assert hours(start, end) == expected


def test_line_that_was_cut_off_is_skipped_with_a_warning(capsys):
    cut_off = '{"specversion": "1.0", "data": [{"a": 2'
    assert [json.loads(row) for row in rows_as_text(['{"a": 1}', "", cut_off])] == [{"a": 1}]
    assert "1 line(s) are cut off" in capsys.readouterr().err


def test_plain_rows_need_no_envelope():
    assert list(rows_of('{"a": 1, "b": {"c": [2]}}')) == [{"a": 1, "b": '{"c":[2]}'}]


WITHIN, BEYOND = (Measurement("a", "numerical", "m", value, 1.0, value > 1) for value in (0.5, 2.0))
EMPTY = "Nothing was collected in this window."
NOTE = "No label of a row in this window has come in yet."


def signal(kind, *measurements, enabled=True, notes=()):
    return SignalResult(f"m_{kind}", kind, measurements, notes, enabled)


def monitor_run(*signals):
    return MonitorRun("m-1", "m", "2026-11-20T09:00:00+00:00", "2026-11-20T10:00:00+00:00", signals)


def test_what_was_not_measured_is_said_with_the_reason_of_each_signal(capsys):
    found = monitor_run(signal("data_drift", notes=(EMPTY,)), signal("data_quality", notes=(EMPTY,)), signal("custom"))
    show_monitor(found)
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "NOT MEASURED: m_data_drift, m_data_quality, m_custom"
    with pytest.raises(RunFailedError) as caught:
        raise_if_not_measured(found)
    assert str(caught.value).startswith(
        "The window from 2026-11-20T09:00 to 2026-11-20T10:00 was not measured: Nothing was collected in this window "
        "(m_data_drift, m_data_quality); No feature has a threshold and rows on both sides (m_custom)."
    )


@pytest.mark.parametrize(
    ("signals", "last"),
    [
        ([signal("data_drift", BEYOND), signal("data_quality", WITHIN)], "ALERT: m_data_drift"),
        ([signal("data_drift", WITHIN), signal("custom", notes=(NOTE,))], "NO ALERT; not measured: m_custom"),
        ([signal("data_drift", WITHIN)], "NO ALERT"),
    ],
)
def test_the_last_line_gives_the_result_of_the_whole_run(capsys, signals, last):
    show_monitor(monitor_run(*signals))
    raise_if_not_measured(monitor_run(*signals))
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_signal_with_disabled_alerts_is_marked(capsys):
    found = signal("data_drift", BEYOND, enabled=False)
    assert found.state is State.NO_ALERT
    show_monitor(monitor_run(found))
    assert "its alerts are off" in capsys.readouterr().out


@pytest.mark.parametrize("collection", ["model_inputs", "model_outputs"])
def test_collected_rows_are_found_under_the_deployments_name(collection):
    path = f"azureml:some-endpoint-4e42f3-model-12-{collection}:1"
    assert COLLECTED.sub(r"\1-model-13-\2:1", path) == path.replace("model-12", "model-13")


def test_metrics_of_two_files_are_named_in_full_on_a_narrow_screen(render):
    files = [f"--{side}={CASE / f'{side}.parquet'}" for side in ("baseline", "production")]
    said = mlops(render(), "drift", *files, COLUMNS="80").stdout
    assert all(metric in said for metric in (*DRIFT_METRICS, NULL_RATE)) and "…" not in said
