"""Calibrated thresholds: chance alone hardly ever rings, a real shift nearly always does."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_diabetes

from azureml_metrics.signals import Tables, compute
from mlops.monitoring.calibrate import BELOW, Group, calibrate, joint_thresholds, write_thresholds

WINDOW = 140
TARGET = "target"


@pytest.fixture(scope="module")
def population():
    """Rows without end that look like the diabetes data: drawn from it, each a little off."""
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
    """The reference, the monitor with its thresholds, and what the calibration said."""
    reference = population.head(300)
    found = calibrate(yaml.safe_load(file.read_text(encoding="utf-8")), reference, TARGET, WINDOW)
    write_thresholds(file, found.thresholds)
    return reference, yaml.safe_load(file.read_text(encoding="utf-8")), found


def rings(reference, monitor, window):
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


def test_thousand_undrifted_windows_ring_in_no_more_than_65(population, calibrated):
    reference, monitor, _ = calibrated
    assert sum(rings(reference, monitor, window) for window in windows(population, 1000)) <= 65


def test_azures_default_thresholds_ring_all_the_time(population, render):
    monitor = yaml.safe_load(next(render().glob("endpoints/online/monitor/*.yml")).read_text(encoding="utf-8"))
    assert sum(rings(population.head(300), monitor, window) for window in windows(population, 50)) > 40


def test_bmi_15_percent_higher_is_seen_in_95_of_100_windows(population, calibrated):
    reference, monitor, _ = calibrated
    shifted = [window.assign(bmi=window["bmi"] * 1.15) for window in windows(population, 100)]
    assert sum(rings(reference, monitor, window) for window in shifted) >= 95


def test_every_alerting_signal_has_a_threshold_of_its_own(calibrated):
    _, monitor, found = calibrated
    assert {group.signal for group in found.thresholds} == set(monitor["create_monitor"]["monitoring_signals"])


def test_smallest_visible_shift_is_told_for_every_numerical_feature(population, calibrated):
    _, _, found = calibrated
    assert set(found.visible_shifts) == set(population) - {"sex", "prediction", TARGET}
    assert all(0 < shift < 2 for shift in found.visible_shifts.values())


def test_only_thresholds_change_in_the_yaml(render, calibrated, file):
    before = next(render().glob("endpoints/online/monitor/*.yml")).read_text(encoding="utf-8").splitlines()
    after = file.read_text(encoding="utf-8").splitlines()
    changed = [line.split(":")[0].strip() for line, new in zip(before, after, strict=True) if line != new]
    assert changed
    assert set(changed) <= {group.metric for group in calibrated[2].thresholds}


def test_all_groups_together_ring_once_in_so_many_runs():
    draw = np.random.default_rng(0)
    drift, gain = Group("a", "numerical", "jensen_shannon_distance"), Group("b", "all", BELOW[2])
    runs = pd.DataFrame({drift: draw.random(2000), gain: draw.random(2000)})
    limits = joint_thresholds(runs, 20)
    alarms = (runs[drift] > limits[drift]) | (runs[gain] < limits[gain])
    assert 0.03 < alarms.mean() <= 0.05
