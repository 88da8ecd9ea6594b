"""Attribution drift: its importances are those of Microsoft's own component, and it notices what decides."""

import json

import numpy as np
import pandas as pd
import pytest

from model.attribution import FEWEST, attribution_drift, gain, importances
from projects import ROOT

RECORDED = ROOT / "tests" / "reference" / "monitoring"
CASES = sorted(file.parent.name for file in RECORDED.glob("*/importances.json"))


def columns(rows):
    numerical = [name for name in rows if rows[name].dtype.kind == "f"]
    return numerical, [name for name in rows if name not in numerical]


@pytest.mark.parametrize("case", CASES)
def test_importances_are_those_of_microsofts_component(case):
    expected = json.loads((RECORDED / case / "importances.json").read_text(encoding="utf-8"))
    target = json.loads((RECORDED / case / "monitor.json").read_text(encoding="utf-8"))["target_column"]
    rows = pd.read_parquet(RECORDED / case / "recorded" / "reference" / "rows.parquet")
    features = rows.drop(columns=target)
    found = importances(rows, target, columns(features)[1])
    assert dict(zip(features, found, strict=True)) == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def rows():
    draw = np.random.default_rng(0)
    return pd.DataFrame(draw.normal(size=(400, 3)), columns=["a", "b", "c"])


def drift(reference, production):
    return attribution_drift(reference, production, "y", ["a", "b", "c"], [])


def test_the_same_deciding_features_are_no_drift_and_another_one_is(rows):
    reference = rows.assign(y=rows["a"] * 3 + rows["b"])
    assert drift(reference, reference) == pytest.approx(0, abs=1e-9)
    assert drift(reference, rows.assign(y=rows["c"] * 3)) > 0.2


def test_too_few_rows_or_one_prediction_for_all_is_no_measurement(rows):
    reference = rows.assign(y=rows["a"] * 3)
    assert drift(reference, reference[: FEWEST - 1]) is None
    assert drift(reference, rows.assign(y=1.0)) is None


def test_a_feature_that_nobody_sent_is_missing_in_every_row(rows):
    reference = rows.assign(y=rows["a"] * 3 + rows["b"])
    assert drift(reference, reference.drop(columns="a")) > 0.1


def test_equal_rankings_gain_all_and_turned_ones_less():
    ranked = np.array([0.6, 0.3, 0.1])
    assert gain(ranked, ranked) == pytest.approx(1)
    assert gain(ranked, ranked[::-1]) < 0.8
