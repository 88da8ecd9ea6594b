"""Text survives a batch job: the project's own scoring script in a batch job of the emulator."""

import json

import mlflow.sklearn
import pandas as pd
import pytest
import yaml
from sklearn.dummy import DummyRegressor

from batch_jobs import BatchJobs
from projects import ROOT

TEXTS = [
    "Köln",
    "naïve 🎉",
    "two\nlines",
    'tab\tand "quotes"',
    "a\u2028b\u2029c",
    "\x85\x0b\x0c\x1c",
    "\u200f\ufeff",
    "日本",
]
CONTRACT = {
    "task": "regression",
    "id_column": "id",
    "target": {"column": "y", "classes": []},
    "numerical": ["n"],
    "categorical": ["text"],
    "time": {"column": None, "training_until": None},
    "source": "a.b:c",
    "path": None,
}


@pytest.fixture
def jobs(tmp_path):
    """Return a batch endpoint with the project's scoring script and a model that predicts a constant."""
    rows = pd.DataFrame({"n": [1.0], "text": ["a"]})
    mlflow.sklearn.save_model(DummyRegressor().fit(rows, [1.0]), tmp_path / "model", pip_requirements=[])
    code = tmp_path / "src"
    for name in ("batch_score.py", "model/__init__.py", "model/contract.py", "model/serving.py"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_bytes((ROOT / "template" / "src" / name).read_bytes())
    (code / "model" / "contract.yml").write_text(yaml.safe_dump(CONTRACT), encoding="utf-8")
    jobs = BatchJobs(tmp_path / "state", tmp_path / "model")
    jobs.deploy(code, "batch_score.py")
    return jobs


def write_lines(rows, folder):
    rows.to_json(folder / "rows.jsonl", orient="records", lines=True, force_ascii=False)


def write_parquet(rows, folder):
    rows.to_parquet(folder / "rows.parquet")


@pytest.mark.parametrize("write", [write_lines, write_parquet])
def test_text_is_the_same_after_scoring_and_each_row_is_a_line(jobs, tmp_path, write):
    (tmp_path / "rows").mkdir()
    names = [f"{number} {text}" for number, text in enumerate(TEXTS)]
    write(pd.DataFrame({"id": names, "n": 1.0, "text": TEXTS}), tmp_path / "rows")
    assert jobs.score(tmp_path / "rows") == ("Completed", "")
    written = jobs.output()
    # In ASCII it does not matter in which encoding it is written, nor which characters a reader takes for a line's end.
    assert written.isascii()
    rows = [json.loads(line) for line in written.decode("ascii").splitlines()]
    assert [(row["id"], row["text"], row["prediction"]) for row in rows] == [
        (name, text, 1.0) for name, text in zip(names, TEXTS, strict=True)
    ]
