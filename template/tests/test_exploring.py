"""Tests of the notebooks' synthetic days of production, their metrics and charts."""

import math
from itertools import count

import pandas as pd
import pytest

from mlops.data.collected import SCORED_AT
from mlops.errors import RunFailedError, WrongInputError
from mlops.monitoring.schedule import monitor_file
from mlops.notebooks import charts as drawings
from mlops.notebooks import explore
from mlops.notebooks import simulated_days as days
from mlops.notebooks.simulated_days import Drift, production_day
from mlops.paths import read_yaml
from model.split import REPEAT


@pytest.fixture
def usual(rows, monkeypatch):
    """Use the project's rows as production rows, and count windows in memory."""
    numbers = count(1)
    monkeypatch.setattr(days, "usual_rows", lambda: rows)
    monkeypatch.setattr(days, "next_window_number", lambda: next(numbers))
    return rows


@pytest.fixture
def scored(usual, contract):
    """Two usual days and a drifted one, as collected, with labels as predictions."""
    feature = days.features_by_weight(contract)[0]
    drift = Drift(feature, amount=3.0 if feature in contract.numerical else 1.0, first=2, full=2)
    parts = [production_day(contract, day, [drift]).assign(day=day) for day in range(3)]
    moments = pd.date_range("2026-11-24", periods=3, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [part.assign(**{SCORED_AT: moment}) for part, moment in zip(parts, moments, strict=True)]
    scored = pd.concat(parts, ignore_index=True)
    labels = usual.set_index(contract.id_column)[contract.target]
    return scored.assign(prediction=scored[contract.id_column].str.partition(REPEAT)[0].map(labels))


@pytest.fixture
def measured(scored, rows, contract):
    reference = rows[[*contract.features, contract.target]].assign(prediction=rows[contract.target])
    return explore.measure(read_yaml(monitor_file()), reference, scored, contract)


def test_drift_grows_from_its_first_day_to_its_full_one():
    assert [Drift("any", 1.5, first=2, full=4).on(day) for day in range(1, 6)] == [0, 0.5, 1.0, 1.5, 1.5]


def test_sudden_drift_has_its_whole_amount_on_the_first_day():
    assert [Drift("any", 1.0, first=2, full=2).on(day) for day in (1, 2, 3)] == [0, 1, 1]


def test_drift_that_is_full_before_it_begins_is_refused():
    with pytest.raises(WrongInputError, match="cannot be full on day 1"):
        Drift("any", 1.0, first=2, full=1)


def test_ratio_to_a_threshold_of_zero_is_zero_or_infinite():
    assert (explore._ratio(0.0, 0.0, "null_value_rate"), explore._ratio(0.1, 0.0, "null_value_rate")) == (0, math.inf)


def test_missing_days_are_reported(usual, contract, monkeypatch):
    window = production_day(contract, 1).assign(prediction=0.0)
    monkeypatch.setattr(explore, "_collected", lambda *_: window)
    with pytest.raises(RunFailedError, match="1 of 5 days"):
        explore.last_days(None, contract, days=5)


def test_same_day_has_the_same_rows_with_other_identifiers(usual, contract):
    first, second = production_day(contract, 1), production_day(contract, 1)
    assert first.drop(columns=contract.id_column).equals(second.drop(columns=contract.id_column))
    assert not set(first[contract.id_column]) & set(second[contract.id_column])
    assert set(first[contract.id_column].str.partition(REPEAT)[0]) <= set(usual[contract.id_column])


def test_only_the_chosen_feature_drifts_and_only_from_its_day_on(usual, contract):
    feature = days.features_by_weight(contract)[-1]
    before, after = (production_day(contract, day, [Drift(feature, 1.0, 2, 2)]) for day in (1, 2))
    plain_before, plain_after = production_day(contract, 1), production_day(contract, 2)
    others = [name for name in contract.features if name != feature]
    assert before[feature].equals(plain_before[feature])
    assert after[others].equals(plain_after[others])
    assert not after[feature].equals(plain_after[feature])


def test_every_day_is_measured_and_the_drifted_day_has_the_largest_ratio(measured):
    drifts = measured[measured["signal"].str.endswith("_data_drift")]
    furthest = drifts.groupby("day")["ratio"].max()
    assert list(furthest.index) == [0, 1, 2]
    assert furthest[2] > 2 * max(furthest[0], furthest[1])


def test_drift_beyond_a_threshold_alerts(measured):
    drifts = measured[measured["signal"].str.endswith("_data_drift")]
    assert (drifts["alerts"] == (drifts["ratio"] > 1)).all() and drifts["alerts"].any()
    assert "data_drift" in explore.alerts({"today's": measured}).loc[2, "today's"]


def test_charts_are_drawn_for_every_kind_of_column(scored, usual, measured, contract):
    features = days.features_by_weight(contract)
    drifts = [Drift(features[0], 1.0, 1, 2), Drift(features[-1], 1.0, 2, 2)]
    figures = [
        drawings.distributions({"usual": usual, "scored": scored}, features),
        drawings.target(usual, features[0], contract),
        drawings.target(usual, features[-1], contract),
        drawings.drift_by_day([part for _, part in scored.groupby("day")], usual, drifts),
        drawings.volumes(scored),
        drawings.ratios({"one": measured, "other": measured}),
    ]
    for figure in figures:
        axes = [axes for axes in figure.axes if axes.get_visible()]
        assert axes and all(axes.get_xlabel() for axes in axes)
