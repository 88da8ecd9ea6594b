"""Signals: thresholds as Azure reads them, and the tag of a breach as Azure writes it."""

import json

import numpy as np
import pandas as pd
import pytest
from projects import ROOT

from azureml_metrics.signals import State, Tables, breach_tag, compute

EVENT = ROOT / "tests" / "reference" / "events" / "breach_completed.json"
SIGNAL = {"type": "data_drift", "features": ["a"], "alert_enabled": True}


@pytest.fixture
def tables():
    draw = np.random.default_rng(0)
    return Tables(pd.DataFrame({"a": draw.normal(0, 1, 500)}), pd.DataFrame({"a": draw.normal(2, 1, 500)}))


def test_only_the_first_metric_of_a_data_type_counts(tables):
    thresholds = {"numerical": {"population_stability_index": 0.1, "jensen_shannon_distance": 0.1}}
    found = compute("s", SIGNAL | {"metric_thresholds": thresholds}, tables)
    assert {each.metric for each in found.measurements} == {"JensenShannonDistance"}


def test_threshold_of_zero_is_no_drift_threshold(tables):
    thresholds = {"numerical": {"jensen_shannon_distance": 0.0}}
    assert compute("s", SIGNAL | {"metric_thresholds": thresholds}, tables).measurements == ()


def test_quality_rate_is_held_against_threshold_and_the_references_own_rate():
    half_empty = pd.DataFrame({"a": [1.0, None] * 50})
    signal = SIGNAL | {"type": "data_quality", "metric_thresholds": {"numerical": {"null_value_rate": 0.1}}}
    found = compute("s", signal, Tables(half_empty, half_empty))
    assert (found.measurements[0].threshold, found.measurements[0].breached) == (0.6, False)


def test_metrics_of_a_data_type_have_the_lowest_of_their_thresholds():
    half_empty = pd.DataFrame({"a": [1.0, None] * 50})
    thresholds = {"numerical": {"null_value_rate": 0.9, "out_of_bounds_rate": 0.1}}
    signal = SIGNAL | {"type": "data_quality", "metric_thresholds": thresholds}
    found = compute("s", signal, Tables(half_empty.fillna(0.0), half_empty))
    assert [each.metric for each in found.breached] == ["NullValueRate"]


def test_more_rows_than_the_reference_are_tagged_but_no_alert():
    rows = pd.DataFrame({"a": [1.0, 2.0] * 50})
    signal = SIGNAL | {"type": "data_quality", "metric_thresholds": {"numerical": {"null_value_rate": 0.1}}}
    more, fewer = (compute("s", signal, Tables(rows, window)) for window in (pd.concat([rows, rows]), rows[:50]))
    assert (more.is_tagged, more.state, fewer.is_tagged) == (True, State.NO_ALERT, False)
    assert '"metric_name":"RowCount"' in breach_tag(more)


def test_breach_tag_reads_as_azures(tables):
    found = compute(
        "m_data_drift", SIGNAL | {"metric_thresholds": {"numerical": {"jensen_shannon_distance": 0.1}}}, tables
    )
    recorded = json.loads(EVENT.read_text(encoding="utf-8"))
    text = recorded[0]["data"]["runTags"]["azureml_modelmonitor_threshold_breached"]
    first, second, third, _ = breach_tag(found).split("\n")
    assert [first.replace("m_data_drift", "diabetes_monitor_data_drift"), second] == text.split("\n")[:2]
    assert json.loads(third[2:-2]).keys() == json.loads(text.split("\n")[2][2:-2]).keys()
