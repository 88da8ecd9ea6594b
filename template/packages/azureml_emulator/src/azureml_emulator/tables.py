"""Reads MLTable assets."""

from pathlib import Path

import pandas as pd
import yaml


def read_mltable(folder: Path) -> pd.DataFrame:
    """Read an MLTable from a folder, by Azure's own reader."""
    import mltable
    from azureml.dataprep.api import _rslex_executor

    # Disable usage data: it is sent as the process ends, which takes three seconds without network access.
    _rslex_executor.HBI_MODE = True
    return mltable.load(str(folder)).to_pandas_dataframe()


def write_mltable(rows: pd.DataFrame, folder: Path) -> None:
    """Write rows as an MLTable of Parquet, as Azure's preprocessor writes its output."""
    (folder / "data").mkdir(parents=True)
    rows.to_parquet(folder / "data" / "part-0.parquet", index=False)
    content = {"paths": [{"pattern": "./data/*.parquet"}], "transformations": ["read_parquet"]}
    (folder / "MLTable").write_text(yaml.safe_dump(content), encoding="utf-8")
