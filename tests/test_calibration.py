"""Tests calibrated thresholds: chance alone rarely raises an alert, and a real shift nearly always does."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_diabetes

from azureml_metrics.signals import Tables, compute
from mlops.monitoring.calibrate import calibrate
from mlops.monitoring.thresholds import Group, joint_thresholds, write_thresholds

WINDOW = 140
TARGET = "target"


@pytest.fixture(scope="module")
def population():
    """Return many rows that resemble the diabetes data: samples of it with noise."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    draw = np.random.default_rng(3)
    rows = frame.iloc[draw.integers(len(frame), size=300 + 1000 * WINDOW)].reset_index(drop=True)
    numbers = [name for name in rows if name != "sex"]
    rows[numbers] += draw.normal(0, 0.3, (len(rows), len(numbers))) * frame[numbers].std().to_numpy()
    return rows.assign(sex=rows["sex"].astype(int).astype(str), prediction=rows[TARGET] * 0.5 + 75)


@pytest.fixture(scope="module")
def file(render, tmp_path_factory):
    return next(render().glob("endpoints/online/monitor/*.yml"))


@pytest.fixture(scope="module")
def calibrated(population, file):
    """Return the reference, the calibrated monitor, and the calibration."""
    reference = population.head(300)
    found = calibrate(yaml.safe_load(file.read_text(encoding="utf-8")), reference, TARGET, WINDOW)
    write_thresholds(file, found.thresholds)
    return reference, yaml.safe_load(file.read_text(encoding="utf-8")), found


def alerts(reference, monitor, window):
    for name, signal in monitor["create_monitor"]["monitoring_signals"].items():
        columns = (
            ["prediction"]
            if signal["type"] == "prediction_drift"
            else list(window.drop(columns=["prediction", TARGET]))
        )
        if compute(name, signal, Tables(reference, window[columns], TARGET)).breached:
            return True
    return False


def windows(population, count):
    return [population.iloc[start : start + WINDOW] for start in range(300, 300 + count * WINDOW, WINDOW)]


def test_thousand_undrifted_windows_raise_at_most_65_alerts(population, calibrated):
    reference, monitor, _ = calibrated
    assert sum(alerts(reference, monitor, window) for window in windows(population, 1000)) <= 65


def test_azures_default_thresholds_alert_nearly_always(population, render):
    monitor = yaml.safe_load(next(render().glob("endpoints/online/monitor/*.yml")).read_text(encoding="utf-8"))
    assert sum(alerts(population.head(300), monitor, window) for window in windows(population, 50)) > 40


def test_bmi_15_percent_higher_is_detected_in_95_of_100_windows(population, calibrated):
    reference, monitor, _ = calibrated
    shifted = [window.assign(bmi=window["bmi"] * 1.15) for window in windows(population, 100)]
    assert sum(alerts(reference, monitor, window) for window in shifted) >= 95


def test_every_alerting_signal_has_a_threshold_of_its_own(calibrated):
    _, monitor, found = calibrated
    assert {group.signal for group in found.thresholds} == set(monitor["create_monitor"]["monitoring_signals"])


def test_smallest_visible_shift_is_given_for_every_numerical_feature(population, calibrated):
    _, _, found = calibrated
    assert set(found.visible_shifts) == set(population) - {"sex", "prediction", TARGET}
    assert all(0 < shift < 2 for shift in found.visible_shifts.values())


def test_only_thresholds_change_in_the_yaml(render, calibrated, file):
    before = next(render().glob("endpoints/online/monitor/*.yml")).read_text(encoding="utf-8").splitlines()
    after = file.read_text(encoding="utf-8").splitlines()
    changed = [line.split(":")[0].strip() for line, new in zip(before, after, strict=True) if line != new]
    assert changed
    assert set(changed) <= {group.metric for group in calibrated[2].thresholds}


def test_all_groups_together_alert_at_the_chosen_rate():
    draw = np.random.default_rng(0)
    drift, gain = (
        Group("a", "numerical", "jensen_shannon_distance"),
        Group("b", "all", "normalized_discounted_cumulative_gain"),
    )
    runs = pd.DataFrame({drift: draw.random(2000), gain: draw.random(2000)})
    limits = joint_thresholds(runs, 20)
    alerted = (runs[drift] > limits[drift]) | (runs[gain] < limits[gain])
    assert 0.03 < alerted.mean() <= 0.05
