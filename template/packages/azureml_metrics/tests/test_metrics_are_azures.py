"""The metrics are Azure's: reference values, alarms, silent drops and refusals."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from azureml_metrics.drift import (
    CHI_SQUARED,
    DRIFT_METRICS,
    JENSEN_SHANNON,
    KOLMOGOROV_SMIRNOV,
    METRICS_IN_YAML,
    NULL_RATE,
    OUT_OF_BOUNDS_RATE,
    QUALITY_METRICS,
    STABILITY_INDEX,
    TYPE_ERROR_RATE,
    WASSERSTEIN,
    MetricsError,
    Report,
    Value,
    breaches,
    column_kinds,
    comparable_columns,
    drift,
)
from azureml_metrics.quality import quality

REFERENCE = Path(__file__).parent / "reference" / "monitoring"
CASES = sorted(folder.name for folder in REFERENCE.iterdir() if folder.is_dir())
BACKENDS = ({}, {"dtype_backend": "pyarrow"}, {"dtype_backend": "numpy_nullable"})


def reports(case: str, backend: dict[str, str]) -> tuple[dict, Report, Report]:
    """Return the values of Azure's own code and of the emulator."""
    expected = json.loads((REFERENCE / case / "expected.json").read_text())
    sides = [pd.read_parquet(REFERENCE / case / f"{side}.parquet", **backend) for side in ("baseline", "production")]
    forced = expected["numerical_override"] or (), expected["categorical_override"] or ()
    return expected, drift(*sides, *forced), quality(*sides, *forced)


def assert_equal(report: Report, expected: dict) -> None:
    """Check the same metrics of the same features, of the same kind, to the sixth digit."""
    ours = {(m, f): v for m, of in report.values.items() for f, v in of.items()}
    azures = {(m, f): v for m, of in expected.items() for f, v in of.items()}
    assert {key: v.kind for key, v in ours.items()} == {key: v["type"] for key, v in azures.items()}
    old, new = ({key: number(v) for key, v in side.items()} for side in (azures, ours))
    assert new == pytest.approx(old, rel=1e-5, abs=1e-6, nan_ok=True)


def number(value: Value | dict) -> float:
    """Return a value that pytest can compare, which it cannot do with None."""
    found = value.value if isinstance(value, Value) else value["value"]
    return math.nan if found is None else found


@pytest.mark.parametrize("backend", BACKENDS, ids=("numpy", "pyarrow", "nullable"))
@pytest.mark.parametrize("case", CASES)
def test_every_value_equals_azures(case: str, backend: dict[str, str]) -> None:
    expected, ours, rates = reports(case, backend)
    assert_equal(ours, expected["drift"])
    assert_equal(rates, expected["quality"])
    assert (ours.baseline_rows, ours.production_rows) == (expected["BaselineRowCount"], expected["TargetRowCount"])


def test_there_are_eight_references() -> None:
    assert len(CASES) == 8


def value(report: Report, metric: str, feature: str = "x") -> float | None:
    return report.values[metric][feature].value


def frames(old: object, new: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame({"x": old}), pd.DataFrame({"x": new})


# --- alerts


@pytest.mark.parametrize("metric", [*DRIFT_METRICS, *QUALITY_METRICS])
def test_p_values_alert_below_their_threshold_and_other_metrics_above(metric: str) -> None:
    low, high = (breaches(metric, value, 0.1) for value in (0.05, 0.2))
    assert (low, high) == ((True, False) if metric in (KOLMOGOROV_SMIRNOV, CHI_SQUARED) else (False, True))
    assert not breaches(metric, 0.1, 0.1)


def test_a_falling_gain_alerts() -> None:
    assert breaches("NormalizedDiscountedCumulativeGain", 0.8, 0.9)


def test_a_missing_value_raises_no_alert() -> None:
    assert not breaches(OUT_OF_BOUNDS_RATE, None, 0.0)


def test_a_difference_beyond_32_bits_raises_no_alert() -> None:
    assert not breaches(JENSEN_SHANNON, 0.1 + 1e-12, 0.1)


def test_the_yaml_can_name_every_metric() -> None:
    assert {*DRIFT_METRICS, *QUALITY_METRICS} < set(METRICS_IN_YAML.values())


# --- types in Azure's code


def test_integers_are_categorical_below_a_twentieth_of_distinct_cells() -> None:
    frame = pd.DataFrame({"below": np.arange(100) % 4, "at": np.arange(100) % 5, "text": "a", "float": 1.0})
    kinds = {"below": "categorical", "at": "numerical", "text": "categorical", "float": "numerical"}
    assert column_kinds(frame) == kinds


def test_an_empty_cell_is_a_distinct_one() -> None:
    cells = pd.array([None, *(np.arange(99) % 4)], dtype="Int64")
    assert column_kinds(pd.DataFrame({"x": cells})) == {"x": "numerical"}


def test_a_forced_kind_wins_and_numerical_wins_over_categorical() -> None:
    frame = pd.DataFrame({"a": np.arange(9), "b": np.zeros(9, dtype=int), "c": np.ones(9)})
    kinds = {"a": "categorical", "b": "numerical", "c": "numerical"}
    assert column_kinds(frame, numerical=["b", "c"], categorical=["a", "c"]) == kinds


def test_widths_of_one_kind_of_number_are_compared() -> None:
    old = pd.DataFrame({"i": np.arange(5, dtype=np.int8), "f": np.arange(5, dtype=np.float32)})
    assert comparable_columns(old, old.astype({"i": np.int64, "f": np.float64})) == (["i", "f"], [])


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ([True, False], [1, 0], ("boolean", "integer")),
        ([1, 2], [1.0, None], ("integer", "floating point")),
        (["1"], [1.0], ("text", "floating point")),
        (pd.to_datetime(["2024-01-01"]), pd.to_datetime(["2024-01-01"]), ("timestamp without a zone",)),
    ],
)
def test_a_column_that_azure_silently_drops_is_reported(old: object, new: object, named: tuple[str, ...]) -> None:
    baseline, production = frames(old, new)
    names, notes = comparable_columns(baseline.assign(y="a"), production.assign(y="a"))
    assert names == ["y"]
    assert len(notes) == 1
    assert all(word in notes[0] for word in ("'x'", *named))


def test_a_column_of_one_side_is_reported() -> None:
    sides = pd.DataFrame({"both": [1.0, 2.0], "old": 1}), pd.DataFrame({"both": [1.0, 2.0], "new": 1})
    for report in (drift(*sides), quality(*sides)):
        assert {feature for of in report.values.values() for feature in of} == {"both"}
        assert [word for note in report.notes for word in ("'old'", "'new'") if word in note] == ["'old'", "'new'"]


# --- drift


def test_rows_with_an_empty_cell_are_left_out_and_reported() -> None:
    report = drift(*frames([1.0, 2.0, 3.0], [1.0, None, 3.0]))
    assert (report.baseline_rows, report.production_rows) == (3, 2)
    assert any("1 of 3 production rows" in note for note in report.notes)


def test_features_decide_columns_and_rows() -> None:
    old = pd.DataFrame({"a": [1.0, 2.0], "b": [None, 2.0]})
    report = drift(old, old, features=["a", "gone"])
    assert report.baseline_rows == 2
    assert set(report.values[JENSEN_SHANNON]) == {"a"}
    assert any("'gone'" in note for note in report.notes)


@pytest.mark.parametrize(("rows", "there"), [(9_999, True), (10_000, False)])
def test_kolmogorov_smirnov_uses_at_most_ten_thousand_rows(rows: int, there: bool) -> None:
    report = drift(*frames(np.arange(rows) / 7, np.arange(50) / 7))
    assert (KOLMOGOROV_SMIRNOV in report.values) is there
    assert any(KOLMOGOROV_SMIRNOV in note for note in report.notes) is not there


def test_only_the_requested_metrics_are_computed() -> None:
    assert set(drift(*frames([1.0, 2.0], [1.0, 3.0]), metrics=[WASSERSTEIN]).values) == {WASSERSTEIN}


def test_a_single_category_has_no_chi_squared() -> None:
    report = drift(*frames(["a"] * 5, ["a"] * 3))
    assert value(report, CHI_SQUARED) is None
    assert value(report, STABILITY_INDEX) == 0
    assert any(CHI_SQUARED in note for note in report.notes)


def test_zero_and_minus_zero_are_one_category() -> None:
    old, new = (pd.array(cells, dtype="double[pyarrow]") for cells in ([0.0, -0.0, 1.0], [0.0, 0.0, 1.0]))
    assert value(drift(*frames(old, new), categorical=["x"]), JENSEN_SHANNON) == 0


def test_distances_equal_scipys() -> None:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import chisquare, wasserstein_distance

    random = np.random.default_rng(0)
    old, new = random.normal(0, 1, 500), random.normal(0.2, 1, 300)
    distance = wasserstein_distance(old, new) / np.std(old, ddof=1)
    assert value(drift(*frames(old, new)), WASSERSTEIN) == pytest.approx(distance, rel=1e-12)
    report = drift(*frames(["a"] * 30 + ["b"] * 70, ["a"] * 20 + ["b"] * 20))
    assert value(report, JENSEN_SHANNON) == pytest.approx(jensenshannon([0.3, 0.7], [0.5, 0.5], base=2), rel=1e-12)
    assert value(report, CHI_SQUARED) == pytest.approx(chisquare([20, 20], [12, 28]).pvalue, rel=1e-12)


# --- quality; PySpark showed the following rules


def rates(old: object, new: object, **options: list[str]) -> tuple[float | None, ...]:
    report = quality(*frames(old, new), **options)
    return tuple(value(report, metric) for metric in (NULL_RATE, TYPE_ERROR_RATE, OUT_OF_BOUNDS_RATE))


def test_text_that_is_not_a_number_is_a_type_error() -> None:
    cells = ["1.5", " 2e3 ", "oops", "", "NaN", "1d", "1_0", "-inf"]
    assert rates([1.0, 2.0], cells) == (0, 3 / 8, None)
    assert rates(np.arange(4), ["1", "2.7", "1e3", "x", " 5 ", ".", "-", str(2**63)]) == (0, 4 / 8, None)


def test_text_that_is_not_a_truth_value_or_date_is_a_type_error() -> None:
    days = pd.to_datetime(["2024-01-01"], utc=True)
    assert rates([True, False], ["yes", "N", "TRUE", "on", "2"]) == (0, 2 / 5, None)
    assert rates(days, ["2024-1-5", "2024-01-05T10:00:00Z", "05.01.2024", "2024-02-30"]) == (0, 2 / 4, None)


def test_numbers_where_the_baseline_has_text_are_never_wrong() -> None:
    assert rates(["a", "b"], [1.0, 2.0]) == (0, 0, 0)


def test_empty_numbers_take_the_median_and_its_bounds() -> None:
    assert rates([1.0, 2.0], [5.0, 6.0, 1.5, None]) == (1 / 4, 0, 3 / 4)


def test_empty_text_takes_the_most_frequent_value_unless_that_is_empty() -> None:
    assert rates(["a", "b"], ["new", "new", "a", None]) == (1 / 4, 0, 3 / 4)
    assert rates(["a", "b"], ["new", None, None, "a"]) == (2 / 4, 2 / 4, 1 / 4)


def test_empty_cells_of_other_categories_are_type_errors_too() -> None:
    assert rates([True, False], [True, None]) == (1 / 2, 1 / 2, None)
    assert rates([1.0, 2.0], [1.0, None], categorical=["x"]) == (1 / 2, 1 / 2, None)


def test_a_value_with_a_comma_is_not_found_in_azures_set() -> None:
    assert rates(["a, b", "c"], ["a, b", "c"]) == (0, 0, 1 / 2)


def test_rates_round_half_up() -> None:
    assert rates([0.0, 1.0], [2.0] + [0.5] * 7_999)[2] == 0.00013


# --- errors


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        ([], [1.0], {}, "baseline data has no rows"),
        ([1.0], [], {}, "production data has no rows"),
        ([1, 2], ["a", "b"], {}, "no column of one name and type"),
        ([1.0, 2.0], [None, np.nan], {}, "none is left"),
        ([1.0, math.inf], [1.0, 2.0], {}, "infinite"),
        (["a"], ["b"], {"numerical": ["x"]}, "cannot be numerical"),
        ([1.0], [1.0], {"metrics": ["Nonsense"]}, "no drift metric Nonsense"),
        ([1.0], [1.0], {"features": ["y"]}, "no column in common"),
    ],
)
def test_an_error_gives_its_reason_in_one_sentence(old: list, new: list, options: dict, message: str) -> None:
    with pytest.raises(MetricsError, match=message) as refusal:
        drift(*frames(old, new), **options)
    assert str(refusal.value).endswith(".")


def test_a_column_of_empty_cells_is_an_error_as_in_azures_run() -> None:
    with pytest.raises(MetricsError, match="empty in the production data"):
        quality(*frames([1.0, 2.0], [np.nan, np.nan]))


def test_importing_the_metrics_leaves_scipy_out() -> None:
    code = "import sys, azureml_metrics.quality; sys.exit('scipy' in sys.modules)"
    source = Path(__file__).parents[1] / "src"
    assert subprocess.run([sys.executable, "-c", code], cwd=source, check=False).returncode == 0
