"""Tests the monitor on the laptop: rows as from Azure's preprocessors, and thresholds as in Azure."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from azure.ai.ml.entities import Data
from hypothesis import given
from hypothesis import strategies as st
from mlops.local.client import LocalClient

from azureml_metrics.attribution import cumulative_gain, gain
from azureml_metrics.results import DRIFT, NOTHING, MonitorRun, Window, from_json, run_signals, to_json
from azureml_metrics.signals import Measurement, SignalResult, State, Tables, breach_tag, compute
from mlops.display import show_monitor
from mlops.errors import RunFailedError
from mlops.monitoring.schedule import COLLECTED, raise_if_not_measured
from model.preprocess_production_data import hours, rows_as_text, rows_of
from projects import ROOT

COLLECTED_ROWS = Path(__file__).parent / "reference" / "collected"
SCRIPT = ROOT / "template" / "src" / "model" / "preprocess_production_data.py"
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


SIGNAL = {"type": "data_drift", "features": ["a"], "alert_enabled": True}


@pytest.fixture
def tables():
    draw = np.random.default_rng(0)
    return Tables(pd.DataFrame({"a": draw.normal(0, 1, 500)}), pd.DataFrame({"a": draw.normal(2, 1, 500)}))


def test_only_the_first_metric_of_a_data_type_counts(tables):
    thresholds = {"numerical": {"population_stability_index": 0.1, "jensen_shannon_distance": 0.1}}
    found = compute("s", SIGNAL | {"metric_thresholds": thresholds}, tables)
    assert {each.metric for each in found.measurements} == {"JensenShannonDistance"}


def test_threshold_of_zero_is_not_a_drift_threshold(tables):
    thresholds = {"numerical": {"jensen_shannon_distance": 0.0}}
    assert compute("s", SIGNAL | {"metric_thresholds": thresholds}, tables).measurements == ()


def test_quality_rate_is_compared_with_threshold_and_the_references_own_rate():
    half_empty = pd.DataFrame({"a": [1.0, None] * 50})
    signal = SIGNAL | {"type": "data_quality", "metric_thresholds": {"numerical": {"null_value_rate": 0.1}}}
    found = compute("s", signal, Tables(half_empty, half_empty))
    assert [(each.threshold, each.breached) for each in found.measurements] == [(0.6, False)]


def test_breach_tag_has_azures_wording(tables):
    found = compute(
        "m_data_drift", SIGNAL | {"metric_thresholds": {"numerical": {"jensen_shannon_distance": 0.1}}}, tables
    )
    recorded = json.loads(
        (ROOT / "tests" / "reference" / "events" / "breach_completed.json").read_text(encoding="utf-8")
    )
    text = recorded[0]["data"]["runTags"]["azureml_modelmonitor_threshold_breached"]
    first, second, third, _ = breach_tag(found).split("\n")
    assert [first.replace("m_data_drift", "diabetes_monitor_data_drift"), second] == text.split("\n")[:2]
    assert json.loads(third[2:-2]).keys() == json.loads(text.split("\n")[2][2:-2]).keys()


WITHIN, BEYOND = (Measurement("a", "numerical", "m", value, 1.0, value > 1) for value in (0.5, 2.0))
NOTE = "No label of a row in this window has come in yet."


def signal(kind, *measurements, enabled=True, notes=()):
    return SignalResult(f"m_{kind}", kind, measurements, notes, enabled)


def monitor_run(*signals):
    return MonitorRun("m-1", "m", "2026-11-20T09:00:00+00:00", "2026-11-20T10:00:00+00:00", signals)


@pytest.mark.parametrize(
    ("signals", "state"),
    [
        ([signal("data_drift", WITHIN), signal("data_quality", WITHIN)], State.NO_ALERT),
        ([signal("data_drift"), signal("data_quality", BEYOND)], State.ALERT),
        ([signal("data_drift"), signal("prediction_drift"), signal("custom")], State.NOT_MEASURED),
        # Labels arrive late: an unknown performance says nothing about the window.
        ([signal("data_drift", WITHIN), signal("custom", notes=(NOTE,))], State.NO_ALERT),
        ([signal("data_drift"), signal("custom", WITHIN)], State.NOT_MEASURED),
        ([signal("data_drift"), signal("prediction_drift", WITHIN)], State.NO_ALERT),
        ([signal("data_drift"), signal("data_quality", WITHIN)], State.NOT_MEASURED),
        ([signal("data_quality", WITHIN)], State.NO_ALERT),
        ([signal("data_drift", BEYOND, enabled=False)], State.NO_ALERT),
        ([], State.NOT_MEASURED),
    ],
)
def test_run_without_measurement_is_neither_alert_nor_no_alert(signals, state):
    found = monitor_run(*signals)
    assert found.state is state
    assert from_json(json.loads(json.dumps(to_json(found)))).state is state


kinds = st.sampled_from([*DRIFT, "data_quality", "custom"])
any_signal = st.builds(
    lambda kind, measurements, enabled: signal(kind, *measurements, enabled=enabled),
    kinds,
    st.lists(st.sampled_from([WITHIN, BEYOND]), max_size=3),
    st.booleans(),
)


@given(st.lists(any_signal, max_size=6))
def test_no_alert_is_reported_only_for_measured_signals(signals):
    found = monitor_run(*signals)
    assert (found.state is State.ALERT) == bool(found.breached) == bool(found.tags)
    if found.state is State.NO_ALERT:
        assert any(each.measurements for each in signals)
    if not any(each.measurements for each in signals):
        assert found.state is State.NOT_MEASURED
        with pytest.raises(RunFailedError, match="was not measured"):
            raise_if_not_measured(found)
    else:
        assert len(found.unmeasured) < len(signals)


def test_unmeasured_signals_are_reported_with_their_reasons(capsys):
    found = monitor_run(
        signal("data_drift", notes=(NOTHING,)), signal("data_quality", notes=(NOTHING,)), signal("custom")
    )
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


@pytest.mark.parametrize("others", [False, True], ids=["nothing at all", "another hour"])
def test_every_kind_of_signal_accepts_a_window_without_rows(tmp_path, others):
    client, end = LocalClient(tmp_path), datetime(2026, 11, 20, 10, tzinfo=UTC)
    rows = "azureml://datastores/workspaceblobstore/paths/modelDataCollector/e/d/model_outputs"
    client.data.create_or_update(Data(name="rows", version="1", type="uri_folder", path=rows))
    if others:
        earlier = client.datastore.resolve(rows) / "2026/11/20/08/a.jsonl"
        earlier.parent.mkdir(parents=True)
        earlier.write_text(json.dumps({"specversion": "1.0", "correlationid": "c", "data": [{"prediction": 1}]}))
    prepared = {"input_data": {"path": "azureml:rows:1"}, "pre_processing_component": "azureml:prepare:1.0.0"}
    signals = {
        "drift": {"type": "data_drift"},
        "predictions": {"type": "prediction_drift"},
        "attribution": {"type": "feature_attribution_drift"},
        "quality": {"type": "data_quality", "production_data": prepared},
        "performance": {"type": "custom", "input_data": {"production_data": prepared}, "metric_thresholds": []},
    }
    definition = {
        "create_monitor": {
            "monitoring_target": {"endpoint_deployment_id": "azureml:e:d"},
            "monitoring_signals": signals,
        }
    }
    window = Window(client.datastore, definition, end - timedelta(hours=1), end, tmp_path / "run")
    found = run_signals(definition, window, client.datastore, tmp_path / "run")
    assert [(each.name, each.state, each.notes) for each in found] == [
        (name, State.NOT_MEASURED, (NOTHING,)) for name in signals
    ]


def test_equal_rankings_have_full_gain_and_reversed_ones_less():
    importances = np.array([0.6, 0.3, 0.1])
    assert gain(importances, importances) == 1
    assert gain(importances, importances[::-1]) < 0.8


def test_attribution_drift_detects_another_important_feature():
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(draw.normal(size=(400, 3)), columns=["a", "b", "c"])
    reference = rows.assign(y=rows["a"] * 3 + rows["b"])
    same, other = rows.assign(prediction=rows["a"] * 3 + rows["b"]), rows.assign(prediction=rows["c"] * 3)
    assert cumulative_gain(reference, "y", same) > 0.95
    assert cumulative_gain(reference, "y", other) < 0.8


@pytest.mark.parametrize("collection", ["model_inputs", "model_outputs"])
def test_collected_rows_are_found_under_the_deployments_name(collection):
    path = f"azureml:some-endpoint-4e42f3-model-12-{collection}:1"
    assert COLLECTED.sub(r"\1-model-13-\2:1", path) == path.replace("model-12", "model-13")
