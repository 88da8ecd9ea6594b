"""Large tables, every task and every kind of file train to a registered model; small ones are in test_own_tests.py."""

import numpy as np
import pandas as pd
import pytest

from projects import choices, mlops
from test_data import ANSWERS, measurements

MEGABYTES = 2048
SECONDS = 60


def train(project):
    """Prepare and train; return the time and memory of both."""
    prepared = mlops(project, "data")
    assert prepared.code == 0, prepared.stderr
    trained = mlops(project, "train")
    assert trained.code == 0, trained.stderr
    assert "PROMOTE: registered" in trained.stdout
    return prepared, trained


def test_flights_train_in_a_minute_and_two_gigabytes(render):
    for done in train(render(dataset="flights")):
        # Processor time, so that the limit does not depend on other programs.
        assert done.cpu_seconds < SECONDS
        assert done.megabytes < MEGABYTES


@pytest.mark.slow  # the sample's own task is trained by its own tests in every run (test_own_tests.py)
@pytest.mark.parametrize("task", choices("task", dataset="custom"))
def test_sample_trains_a_model_for_every_task(task, render):
    train(render(dataset="custom", task=task))


def test_parquet_outside_the_project_trains_a_model(render, tmp_path):
    path = tmp_path / "rows.parquet"
    pd.DataFrame(measurements()).replace({"Gewicht: kg": {"": None}}).astype({"Gewicht: kg": float}).to_parquet(path)
    train(render(**ANSWERS | {"data_path": str(path)}))


@pytest.mark.slow
def test_million_rows_train_in_two_minutes_and_four_gigabytes(render, tmp_path, capsys):
    draw, count = np.random.default_rng(0), 1_000_000
    numbers = pd.DataFrame(draw.normal(size=(count, 6)).round(4), columns=[f"number {name}" for name in "abcdef"])
    rows = numbers.assign(
        key=np.arange(count),
        town=draw.choice(["Köln", "Łódź", "Oslo"], count),
        late=np.where(numbers["number a"] + draw.normal(size=count) > 0, "yes", "no"),
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    project = render(
        dataset="custom",
        data_path=str(tmp_path / "rows.csv"),
        target_column="late",
        id_column="key",
        numerical_columns=list(numbers),
        categorical_columns=["town"],
    )
    prepared, trained = train(project)
    with capsys.disabled():
        for verb, done in {"data": prepared, "train": trained}.items():
            print(f"\nmlops {verb}, a million rows: {done.seconds:.1f} s, {done.megabytes:.0f} MB")
    assert prepared.seconds + trained.seconds < 120
    assert max(prepared.megabytes, trained.megabytes) < 4096
