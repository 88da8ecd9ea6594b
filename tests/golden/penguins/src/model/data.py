"""Where this project's rows come from. This file is yours: `copier update` never touches it.

Change `load_rows` when rows should be joined, filtered or derived before anything else sees them. It is not called
where rows are scored: a column that is derived here has to come with each request. What follows from other columns
alone is better computed by the model's own pipeline, in `estimator.py`.
"""

from importlib import import_module

import pandas as pd

from model.contract import NUMBERED, Contract


def load_rows(contract: Contract) -> pd.DataFrame:
    """Return every row there is, labelled, with the contract's columns.

    Rows of a source without an identifier are numbered, so that rows added at its end change no others.
    """
    module, function = contract.source.split(":")
    rows: pd.DataFrame = getattr(import_module(module), function)()
    if contract.id_column == NUMBERED and NUMBERED not in rows:
        rows = rows.assign(**{NUMBERED: [f"row-{number:07d}" for number in range(1, len(rows) + 1)]})
    return rows
