"""The project's rows match `contract.yml`, and other rows are rejected with an error message."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from mlops.data import assets
from mlops.data.assets import partition
from model.contract import CONTRACT, ContractError, check_labelled, load_contract
from model.split import split


def test_numbers_are_floats_and_codes_are_text(rows, contract):
    assert all(rows[column].dtype == "float64" for column in contract.numerical)
    assert all(rows[column].dropna().map(type).eq(str).all() for column in contract.categorical)


def test_identifiers_are_unique(rows, contract):
    assert rows[contract.id_column].is_unique


def test_missing_column_is_named(rows, contract):
    with pytest.raises(ContractError, match="The data has no column"):
        check_labelled(rows.drop(columns=contract.features[-1]), contract)


def test_missing_target_is_refused(rows, contract):
    with pytest.raises(ContractError, match="is empty in 1 of"):
        check_labelled(rows.assign(**{contract.target: rows[contract.target].where(rows.index > 0)}), contract)


def test_word_among_numbers_is_refused(rows, contract):
    first, *others = contract.features
    numbers = replace(contract, numerical=(first,), categorical=tuple(others))
    with pytest.raises(ContractError, match=r"holds numbers, but row \d+ has 'a word'"):
        check_labelled(rows.assign(**{first: "a word"}), numbers)


def test_repeated_identifier_is_refused(rows, contract):
    with pytest.raises(ContractError, match="identifiers must be unique"):
        check_labelled(pd.concat([rows, rows.head(1)]), contract)


def test_table_without_rows_is_refused(rows, contract):
    with pytest.raises(ContractError, match="The data has no rows"):
        check_labelled(rows.head(0), contract)


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ("task: ", "task: [", "is not valid YAML: .* line"),
        ("task: ", "tusk: ", "has no key task"),
        ("task: ", "task: no", "choose regression, binary_classification"),
        ("target:\n  column: ", "target:\n  column: # ", "None is not a column name"),
        ("target:\n  column: ", "target: x\nother:\n  column: ", "has a wrong structure"),
        ("source: ", "source: /", "write it as module:function"),
    ],
)
def test_invalid_contract_is_refused(good, bad, sentence, tmp_path):
    text = CONTRACT.read_text(encoding="utf-8")
    assert good in text
    (tmp_path / "contract.yml").write_text(text.replace(good, bad), encoding="utf-8")
    with pytest.raises(ContractError, match=sentence):
        load_contract(tmp_path / "contract.yml")


def test_contract_that_names_a_column_twice_is_refused(contract, tmp_path):
    text = CONTRACT.read_text(encoding="utf-8") + f"id_column: {json.dumps(contract.target)}\n"
    (tmp_path / "contract.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match="twice"):
        load_contract(tmp_path / "contract.yml")


def test_missing_contract_is_reported(tmp_path):
    with pytest.raises(ContractError, match="git restore"):
        load_contract(tmp_path / "contract.yml")


@pytest.mark.parametrize("source", ["model.datasets.nowhere:load", "nowhere:load", "model.contract:nothing"])
def test_missing_source_is_not_a_source(source):
    assert not assets._is_there(source)


def test_every_row_has_one_part(rows, contract):
    parts = partition(rows, contract)
    names = pd.concat([part[contract.id_column] for part in (parts.labelled, parts.production, parts.later)])
    assert sorted(names) == sorted(rows[contract.id_column])


def test_row_keeps_its_side_when_rows_are_added(rows, contract):
    few = rows.head(len(rows) // 2)
    _, held_out = split(few, few[contract.id_column], 0.2, "7")
    _, held_out_of_all = split(rows, rows[contract.id_column], 0.2, "7")
    assert set(held_out.index) == set(held_out_of_all.index) & set(few.index)
