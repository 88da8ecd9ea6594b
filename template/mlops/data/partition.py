"""Parts the source's rows: labelled rows, the production rows held out from them, and the rows of a later period."""

from dataclasses import dataclass

import pandas as pd

from model.contract import Contract, ContractError
from model.split import split

PRODUCTION_SHARE = 0.3


@dataclass(frozen=True)
class Partition:
    """The source's rows by when the project meets them; all carry labels, which production learns only later."""

    labelled: pd.DataFrame
    production: pd.DataFrame
    later: pd.DataFrame


def partition(rows: pd.DataFrame, contract: Contract) -> Partition:
    """Keep later rows apart and hold production rows out of the rest at random, by a hash of the identifier.

    Raises:
        ContractError: a time that is none, or too few rows for every part to have some.
    """
    later = _is_later(rows, contract)
    labelled, production = split(rows[~later], rows.loc[~later, contract.id_column], PRODUCTION_SHARE, "production")
    if labelled.empty or production.empty:
        raise ContractError(f"{len(rows)} rows are too few to keep some of them apart as production.")
    return Partition(labelled, production, rows[later])


def _is_later(rows: pd.DataFrame, contract: Contract) -> pd.Series:
    if not contract.time_column:
        return pd.Series(False, index=rows.index)
    times = pd.to_datetime(rows[contract.time_column], utc=True, errors="coerce", format="ISO8601")
    if times.isna().any():
        first = rows.loc[times.isna(), contract.time_column].iloc[0]
        raise ContractError(
            f"The column '{contract.time_column}' has {first!r}, which is no date or time such as 2026-11-23T09:00."
        )
    if not contract.training_until:
        return pd.Series(False, index=rows.index)
    return times >= pd.Timestamp(contract.training_until, tz="UTC") + pd.Timedelta(days=1)
