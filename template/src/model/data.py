"""Loads this project's rows. This file is yours: `copier update` never changes it.

Change `load_rows` to join, filter or derive rows before any other step uses them. Scoring does not call it, so each
request has to contain a column that is derived here. If a value can be computed from other columns of the same row,
compute it in the model's own pipeline, in `estimator.py`.
"""

from importlib import import_module

import pandas as pd

from model.contract import NUMBERED, Contract


def load_rows(contract: Contract) -> pd.DataFrame:
    """Return all labelled rows with the contract's columns.

    Rows of a source without an identifier are numbered, so that rows added at the end do not change the others.
    """
    module, function = contract.source.split(":")
    rows: pd.DataFrame = getattr(import_module(module), function)()
    if contract.id_column == NUMBERED and NUMBERED not in rows:
        rows = rows.assign(**{NUMBERED: [f"row-{number:07d}" for number in range(1, len(rows) + 1)]})
    return rows
