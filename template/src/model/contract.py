"""The data contract: reads `contract.yml` and checks tables against it.

Numbers are always float64, text and codes always strings, so that models, monitors and MLTable agree on types.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import yaml

NUMBERED = "row_id"
"""The identifier column of a source without one: its rows are numbered."""
# A whole number written with a decimal point, and the limit up to which a float holds whole numbers exactly.
WHOLE, MOST_DIGITS = re.compile(r"-?\d{1,15}\.0+"), 2**53

Task = Literal["regression", "binary_classification", "multiclass_classification"]


class ContractError(ValueError):
    """Data does not match the contract; the message is one sentence for a person."""


@dataclass(frozen=True)
class Contract:
    """The columns of `contract.yml` and their roles."""

    task: Task
    id_column: str
    target: str
    classes: tuple[str, ...]
    numerical: tuple[str, ...]
    categorical: tuple[str, ...]
    time_column: str | None
    training_until: str | None
    source: str
    path: str | None

    @cached_property
    def features(self) -> list[str]:
        """The model's features, in the model's order."""
        return [*self.numerical, *self.categorical]

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class rather than a number."""
        return self.task != "regression"


CONTRACT = Path(__file__).with_name("contract.yml")
NAME = "src/model/contract.yml"


def load_contract(path: Path = CONTRACT) -> Contract:
    """Read `contract.yml` from this file's folder.

    Raises:
        ContractError: the file is missing, is not YAML, or lacks a key.
    """
    try:
        contract = _read(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ContractError(f"There is no {NAME}: restore it with `git restore {NAME}`.") from error
    except yaml.YAMLError as error:
        raise ContractError(f"{NAME} is not valid YAML: {' '.join(str(error).split())}") from error
    except KeyError as error:
        raise ContractError(f"{NAME} has no key {error.args[0]}: `git diff {NAME}` shows your changes.") from error
    except (TypeError, AttributeError) as error:
        raise ContractError(f"{NAME} has a wrong structure: `git diff {NAME}` shows your changes.") from error
    _check(contract)
    return contract


def _check(contract: Contract) -> None:
    columns = [contract.id_column, contract.target, *contract.features]
    unnamed = [column for column in columns if not isinstance(column, str) or not column]
    repeated = [column for column in columns if columns.count(column) > 1]
    if contract.task not in get_args(Task):
        raise ContractError(f"{NAME}: task is '{contract.task}': choose {', '.join(get_args(Task))}.")
    if unnamed:
        raise ContractError(f"{NAME}: {unnamed[0]!r} is not a column name: write it in quotes.")
    if repeated:
        raise ContractError(f"{NAME} names the column '{repeated[0]}' twice: a column has one role only.")
    if not re.fullmatch(r"[\w.]+:\w+", str(contract.source)):
        raise ContractError(f"{NAME}: source is '{contract.source}': write it as module:function.")


def _read(text: dict[str, Any]) -> Contract:
    return Contract(
        task=text["task"],
        id_column=text["id_column"],
        target=text["target"]["column"],
        classes=tuple(spelled(value) for value in text["target"]["classes"]),
        numerical=tuple(text["numerical"]),
        categorical=tuple(text["categorical"]),
        time_column=text["time"]["column"],
        training_until=text["time"]["training_until"],
        source=text["source"],
        path=text["path"],
    )


def cast(frame: pd.DataFrame, contract: Contract, columns: list[str]) -> pd.DataFrame:
    """Return `columns` of `frame` in the contract's types, without extra columns.

    Raises:
        ContractError: a column is missing or holds a value of a wrong type.
    """
    missing = [column for column in columns if column not in frame]
    if missing:
        present = ", ".join(f"'{column}'" for column in frame) or "none"
        raise ContractError(
            f"The data has no column '{missing[0]}', which src/model/contract.yml names; its columns are {present}."
        )
    return pd.DataFrame({column: _cast_column(frame[column], column, contract) for column in columns})


def _cast_column(values: pd.Series, column: str, contract: Contract) -> pd.Series:
    number = column in contract.numerical or (column == contract.target and not contract.is_classification)
    return _as_numbers(values, column) if number else as_text(values)


def _as_numbers(values: pd.Series, column: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = (numbers.isna() & values.notna()) | np.isinf(numbers)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise ContractError(
            f"The column '{column}' holds numbers, but row {position + 1} has {values.iloc[position]!r}."
        )
    return numbers


def as_text(values: pd.Series) -> pd.Series:
    """Return values as strings and missing values as None; a whole number has one spelling, however it was stored.

    pandas writes a code 1 as 1.0, in JSON and in CSV, if its column has a gap. To a model that would be another code.
    """
    return values.astype(object).map(spelled, na_action="ignore").where(values.notna(), None)


def spelled(value: object) -> str:
    """Return a value as text; a whole number has no decimal point."""
    number = float(value) if isinstance(value, float | np.floating) else np.nan
    if number.is_integer() and abs(number) < MOST_DIGITS:
        return str(int(number))
    text = str(value)
    return text.partition(".")[0] if WHOLE.fullmatch(text) else text


def is_spelled(text: str) -> bool:
    """Return whether `as_text` would leave a text unchanged."""
    return not (text.endswith("0") and WHOLE.fullmatch(text))


def check_labelled(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return labelled rows in the contract's columns and types, one for each identifier.

    Raises:
        ContractError: no rows, a missing column, a wrong type, a missing or unknown target, a repeated identifier.
    """
    columns = [contract.id_column, *contract.features, contract.target]
    columns += [contract.time_column] if contract.time_column else []
    if frame.empty:
        raise ContractError("The data has no rows.")
    rows = cast(frame, contract, columns)
    _refuse_empty(rows, contract.target)
    _refuse_empty(rows, contract.id_column)
    repeated = rows[contract.id_column].duplicated()
    if repeated.any():
        first = rows.loc[repeated, contract.id_column].iloc[0]
        raise ContractError(
            f"The identifier '{first}' in column '{contract.id_column}' is in more than one row: "
            "identifiers must be unique."
        )
    if contract.is_classification:
        _check_classes(rows[contract.target], contract)
    return rows


def _refuse_empty(rows: pd.DataFrame, column: str) -> None:
    empty = rows[column].isna()
    if empty.any():
        raise ContractError(f"The column '{column}' is empty in {empty.sum()} of {len(rows)} rows: every row needs it.")


def _check_classes(target: pd.Series, contract: Contract) -> None:
    found = sorted(target.unique())
    unknown = [value for value in found if value not in contract.classes] if contract.classes else []
    if unknown:
        raise ContractError(
            f"The target '{contract.target}' holds '{unknown[0]}', which is not one of its classes in "
            f"src/model/contract.yml: {', '.join(contract.classes)}."
        )
    if contract.classes:
        return
    is_binary = contract.task == "binary_classification"
    if len(found) < 2 or (is_binary and len(found) > 2):
        wanted = "two classes" if is_binary else "at least two classes"
        shown = ", ".join(f"'{value}'" for value in found[:5]) + (", ..." if len(found) > 5 else "")
        raise ContractError(f"The target '{contract.target}' needs {wanted}, but holds {len(found)}: {shown}.")
