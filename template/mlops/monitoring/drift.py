"""Computes Azure's metrics of two files."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from azureml_metrics.columns import MetricsError
from azureml_metrics.drift import Report, drift
from azureml_metrics.quality import quality
from mlops.errors import WrongInputError


def compare_files(
    baseline: Path, production: Path, numerical: Collection[str] = (), categorical: Collection[str] = ()
) -> dict[str, Report]:
    """Return the drift and the quality of production rows against baseline rows.

    Raises:
        WrongInputError: a file is missing or not a table, a column is missing, or there is nothing to compare.
    """
    old, new = read_table(baseline), read_table(production)
    for name in [*numerical, *categorical]:
        if name not in old:
            raise WrongInputError(f"{baseline} has no column '{name}'; its columns are {', '.join(map(str, old))}.")
    try:
        return {
            "drift": drift(old, new, numerical, categorical),
            "quality": quality(old, new, numerical, categorical),
        }
    except MetricsError as error:
        raise WrongInputError(str(error)) from error


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV, a Parquet file or an MLTable folder; integers with empty cells stay integers.

    Raises:
        WrongInputError: it does not exist, or is none of these.
    """
    if (path / "MLTable").exists():
        from model.tables import read_mltable

        return read_mltable(path)
    if not path.is_file():
        raise WrongInputError(f"There is no file {path}, and no folder of that name with an MLTable file.")
    try:
        if path.suffix.lower() == ".parquet":
            table = arrow_parquet.read_table(path)
        elif path.suffix.lower() == ".csv":
            table = arrow_csv.read_csv(path, convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True))
        else:
            raise WrongInputError(f"{path} is neither a CSV (.csv) nor a Parquet file (.parquet).")
    except pa.ArrowException as error:
        raise WrongInputError(f"{path} cannot be read as a table: {error}") from error
    return table.to_pandas(types_mapper=pd.ArrowDtype)
