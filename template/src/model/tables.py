"""Reads and writes tables: MLTable assets, and Parquet folders between the steps."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

ROWS = "rows.parquet"


def read_mltable(folder: Path | str) -> pd.DataFrame:
    """Read an MLTable asset, from a folder or an azureml:// address, with Azure's own library."""
    import mltable
    from azureml.dataprep.api import _rslex_executor

    # Disable usage data. It is sent when the process ends, which waits three seconds if the network blocks it.
    _rslex_executor.HBI_MODE = True
    return mltable.load(str(folder)).to_pandas_dataframe()


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata that `write_mltable` stored with an asset, such as its name and version."""
    text = yaml.safe_load((folder / "MLTable").read_text(encoding="utf-8"))
    return text.get("metadata") or {}


def write_mltable(rows: pd.DataFrame, folder: Path, metadata: dict[str, Any]) -> None:
    """Write rows as an MLTable asset. Parquet keeps column types: read from text, 0/1 would become booleans."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / ROWS, index=False)
    table = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/MLTable.schema.json",
        "type": "mltable",
        "metadata": metadata,
        "paths": [{"file": f"./{ROWS}"}],
        "transformations": ["read_parquet"],
    }
    (folder / "MLTable").write_text(yaml.safe_dump(table, sort_keys=False), encoding="utf-8")


def read_rows(folder: Path) -> pd.DataFrame:
    """Read the rows that an earlier step wrote."""
    return pd.read_parquet(folder / ROWS)


def write_rows(rows: pd.DataFrame, folder: Path) -> None:
    """Write rows for the next step."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / ROWS, index=False)


def read_json(path: Path) -> dict[str, Any]:
    """Read a step's result."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a step's result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
