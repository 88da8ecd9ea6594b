"""Reads MLTable assets."""

from pathlib import Path

import pandas as pd


def read_mltable(folder: Path) -> pd.DataFrame:
    """Read an MLTable from a folder, by Azure's own reader."""
    import mltable
    from azureml.dataprep.api import _rslex_executor

    # No usage data: it is sent as the process ends, which waits for three seconds where it cannot leave the network.
    _rslex_executor.HBI_MODE = True
    return mltable.load(str(folder)).to_pandas_dataframe()
