"""Scoring script of a batch deployment: `init` runs once per worker, `run` for each mini-batch of files."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from model.contract import Contract, ContractError, load_contract
from model.serving import check_rows, load_model

contract: Contract
model: Any


def init() -> None:
    """Load the model."""
    global contract, model
    contract, model = load_contract(), load_model()


def run(mini_batch: list[str]) -> list[str]:
    """Score files of rows and return one line of JSON for each row: identifier, features, prediction.

    A file that cannot be scored fails its mini-batch. Returning the results of the other files would hide the failure:
    Azure counts a file as failed if there are fewer results than files, and the other files give one result per row.

    Raises:
        ContractError: a file cannot be scored; the message names the file and the reason.
    """
    return [line for path in mini_batch for line in _score(Path(path))]


def _score(path: Path) -> list[str]:
    try:
        rows = check_rows(_read(path), contract)
    except (ContractError, ValueError, OSError, pa.ArrowException) as error:
        raise ContractError(f"{path.name} cannot be scored: {error}") from None
    scored = rows.features.astype(object).where(rows.features.notna(), None)
    scored.insert(0, contract.id_column, rows.identifiers)
    scored["prediction"] = model.predict(rows.features).tolist()
    # ASCII, because Azure's driver writes these lines in the container's encoding, and readers may split lines at
    # characters such as U+2028. Escaped text is the same JSON everywhere.
    return [json.dumps(row, ensure_ascii=True) for row in scored.to_dict("records")]


def _read(path: Path) -> pd.DataFrame:
    """Read a file of rows; codes keep their spelling."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        return pd.read_parquet(path)
    if kind == ".csv":
        text = dict.fromkeys([contract.id_column, *contract.categorical], str)
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    if kind in (".jsonl", ".json"):
        with path.open(encoding="utf-8") as lines:
            return pd.DataFrame([json.loads(line) for line in lines if line.strip()], dtype=object)
    raise ContractError("it is not a .jsonl, .csv or .parquet file.")
