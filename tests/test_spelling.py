"""A whole number is the same code in every spelling: in training, in a request and in a file to score."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batch_score
from model.contract import Contract, as_text, cast, spelled
from model.serving import read_request

CONTRACT = Contract(
    task="binary_classification",
    target="target",
    classes=("0", "1"),
    numerical=("age",),
    categorical=("code",),
    id_column="row_id",
    time_column=None,
    training_until=None,
    source="model.datasets.file:load",
    path="data/sample.csv",
)
ONE = ["1", 1, 1.0, 1e0, "1.0", "1.00", np.float32(1), np.int64(1)]


@pytest.mark.parametrize("value", ONE, ids=repr)
def test_whole_number_has_one_spelling(value):
    assert spelled(value) == "1"


@pytest.mark.parametrize("value", [value for value in ONE if not isinstance(value, np.generic)], ids=repr)
def test_a_request_means_the_same_row_in_any_spelling_of_its_code(value):
    as_objects = {"input_data": [{"row_id": "a", "age": 48, "code": value}]}
    as_table = {"input_data": {"columns": ["row_id", "age", "code"], "data": [["a", 48.0, value]]}}
    for request in (as_objects, as_table):
        rows = read_request(json.dumps(request), CONTRACT)
        assert rows.features["code"].tolist() == ["1"]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 2]),
        pd.Series([1.0, 2.0]),
        pd.Series(["1", "2"]),
        pd.Series(["1.0", "2.0"]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="Float64"),
        pd.Series([1, 2.0], dtype=object),
    ],
    ids=lambda values: f"{values.dtype} {values.tolist()}",
)
def test_a_column_has_the_same_codes_with_and_without_gaps(values):
    assert as_text(values).tolist() == ["1", "2"]
    with_gap = pd.concat([values, pd.Series([None])], ignore_index=True)
    assert as_text(with_gap).tolist() == ["1", "2", None]


def test_files_of_any_kind_hold_the_same_codes(tmp_path):
    rows = pd.DataFrame({"row_id": ["a", "b", "c"], "age": [1.0, 2.0, 3.0], "code": [1.0, None, 3.0]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_parquet(tmp_path / "rows.parquet")
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    batch_score.contract = CONTRACT
    found = {
        path.suffix: cast(batch_score._read(path), CONTRACT, ["row_id", "age", "code"])["code"].tolist()
        for path in tmp_path.iterdir()
    }
    assert found == {kind: ["1", None, "3"] for kind in (".csv", ".parquet", ".jsonl")}


def test_identifiers_and_classes_are_spelled_alike():
    rows = cast(pd.DataFrame({"row_id": [7.0, 8.0], "target": [0.0, 1.0]}), CONTRACT, ["row_id", "target"])
    assert rows["row_id"].tolist() == ["7", "8"]
    assert set(rows["target"]) <= set(CONTRACT.classes)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_any_whole_number_has_one_spelling(number):
    assert {spelled(number), spelled(float(number)), spelled(str(number))} == {str(number)}


@given(st.text())
def test_text_that_is_not_a_whole_number_is_unchanged(text):
    if not text.replace(".", "").replace("-", "").isdecimal():
        assert spelled(text) == text
    assert spelled(spelled(text)) == spelled(text)


@pytest.mark.parametrize("value", ["1.5", "1.10", "v1.0", "1.0.0", "", "1.", ".0", "NaN", "1e5", "-", "1.0 "])
def test_other_codes_keep_their_points(value):
    assert spelled(value) == value


def test_booleans_have_one_spelling():
    assert {spelled(True), spelled(np.True_)} == {"True"}
    assert as_text(pd.Series([True, False])).tolist() == as_text(pd.Series([True, False], dtype="boolean")).tolist()
