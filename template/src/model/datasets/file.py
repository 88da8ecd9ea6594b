"""Rows from the CSV or Parquet file that `contract.yml` names."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from model.contract import NUMBERED, ContractError, load_contract

DELIMITERS = ",;\t|"


def load() -> pd.DataFrame:
    """Return the file's rows; a relative path starts at the project's folder.

    Raises:
        ContractError: the file is missing, empty or not a table.
    """
    contract = load_contract()
    path = Path(__file__).parents[3] / str(contract.path)
    if not path.is_file():
        raise ContractError(f"There is no file {path}: add it, or correct `path` in src/model/contract.yml.")
    if path.stat().st_size == 0:
        raise ContractError(f"The file {path} is empty.")
    wanted = [*contract.features, contract.target]
    wanted += [contract.id_column] if contract.id_column != NUMBERED else []
    wanted += [contract.time_column] if contract.time_column else []
    try:
        if path.suffix.lower() == ".parquet":
            table = arrow_parquet.read_table(path, columns=_present(arrow_parquet.read_schema(path).names, wanted))
        else:
            table = _read_csv(path, wanted, contract.numerical)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ContractError(f"The file {path} cannot be read as a table: {reason}.") from error
    return table.to_pandas()


def _present(names: list[str], wanted: list[str]) -> list[str]:
    """Return the wanted names, or all names if a column is missing: the contract then reports it."""
    return [name for name in names if name in wanted] if set(wanted) <= set(names) else names


def _read_csv(path: Path, wanted: list[str], numerical: tuple[str, ...]) -> pa.Table:
    """Read a CSV file. Text keeps its spelling (codes keep their zeros), as does a numerical column with other text."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    parse = arrow_csv.ParseOptions(delimiter=max(DELIMITERS, key=header.count), newlines_in_values=True)
    text = {column: pa.string() for column in wanted}
    options = {"strings_can_be_null": True, "quoted_strings_can_be_null": False}
    try:
        types = text | {column: pa.float64() for column in numerical}
        table = arrow_csv.read_csv(
            path, parse_options=parse, convert_options=arrow_csv.ConvertOptions(column_types=types, **options)
        )
    except pa.ArrowInvalid:
        table = arrow_csv.read_csv(
            path, parse_options=parse, convert_options=arrow_csv.ConvertOptions(column_types=text, **options)
        )
    return table.select(_present(table.column_names, wanted))
