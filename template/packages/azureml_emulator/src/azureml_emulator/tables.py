"""Reads MLTable assets."""

from pathlib import Path

import pandas as pd


def read_mltable(folder: Path) -> pd.DataFrame:
    """Read an MLTable from a folder, by Azure's own reader."""
    import mltable
    from azureml.dataprep.api import _rslex_executor

    # Disable usage data: it is sent as the process ends, which takes three seconds without network access.
    _rslex_executor.HBI_MODE = True
    return mltable.load(str(folder)).to_pandas_dataframe()
