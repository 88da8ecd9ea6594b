"""Reads MLTable folders on this machine, and explains why a folder cannot be read."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mlops.errors import RunFailedError
from model.tables import read_mltable

CAUSE = re.compile(r"Error Message: (.+?)(?:\||\n|$)")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def read_folder(folder: Path, asset: str, address: str = "") -> pd.DataFrame:
    """Read an MLTable folder.

    Args:
        folder: the folder.
        asset: name and version of the data asset, for messages.
        address: the address of the asset's files in the workspace, for messages.

    Raises:
        RunFailedError: its files are missing, outside the folder, or unreadable.
    """
    file = folder / "MLTable"
    if not file.exists():
        raise RunFailedError(
            f"The data asset {asset} has no MLTable file in {address or folder}: its files were deleted or moved, "
            "or it is an asset of another type. Register its next version."
        )
    try:
        elsewhere = next(_elsewhere(yaml.safe_load(file.read_text(encoding="utf-8"))), None)
        if elsewhere is None:
            return read_mltable(folder)
    # mltable raises errors of many kinds, TypeError among them.
    except Exception as error:
        found = CAUSE.search(str(error))
        cause = found[1] if found else f"{type(error).__name__}: {error}"
        raise RunFailedError(
            f"The data asset {asset} cannot be read: {' '.join(cause.split())}. Register its next version."
        ) from error
    raise RunFailedError(
        f"The MLTable file of the data asset {asset} names {elsewhere}, which is not in its folder and can be opened "
        "by jobs only. Register a version whose files are in its own folder."
    )


def _elsewhere(table: Any) -> Iterator[str]:
    """Yield the paths of an MLTable file that lead out of its folder."""
    paths = table.get("paths") if isinstance(table, dict) else None
    for entry in paths if isinstance(paths, list) else []:
        for path in entry.values() if isinstance(entry, dict) else []:
            if ADDRESS.match(str(path)) and not str(path).startswith("file://."):
                yield str(path)
