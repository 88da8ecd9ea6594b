"""What the signals of one monitor run say as a whole: an alert, none, or that nothing was measured."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_metrics.results import DRIFT, MonitorRun, from_json, to_json
from azureml_metrics.signals import Measurement, SignalResult, State

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
        # Labels come late: a performance that is not known yet says nothing about the window.
        ([signal("data_drift", WITHIN), signal("custom", notes=(NOTE,))], State.NO_ALERT),
        ([signal("data_drift"), signal("custom", WITHIN)], State.NOT_MEASURED),
        ([signal("data_drift"), signal("prediction_drift", WITHIN)], State.NO_ALERT),
        ([signal("data_drift"), signal("data_quality", WITHIN)], State.NOT_MEASURED),
        ([signal("data_quality", WITHIN)], State.NO_ALERT),
        ([signal("data_drift", BEYOND, enabled=False)], State.NO_ALERT),
        ([], State.NOT_MEASURED),
    ],
)
def test_run_that_measured_nothing_is_neither_an_alert_nor_none(signals, state):
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
def test_no_alert_is_said_only_of_what_was_measured(signals):
    found = monitor_run(*signals)
    assert (found.state is State.ALERT) == bool(found.breached) == bool(found.tags)
    if found.state is State.NO_ALERT:
        assert any(each.measurements for each in signals)
    if not any(each.measurements for each in signals):
        assert found.state is State.NOT_MEASURED
    else:
        assert len(found.unmeasured) < len(signals)
