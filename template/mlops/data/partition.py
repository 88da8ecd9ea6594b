"""Partitions the source's rows: labelled rows, production rows held out from them, and the rows of a later period."""

from dataclasses import dataclass

import pandas as pd

from model.contract import Contract, ContractError
from model.split import split

PRODUCTION_SHARE = 0.3


@dataclass(frozen=True)
class Partition:
    """The source's rows by the time at which the project gets them.

    All have labels, which production learns only later.
    """

    labelled: pd.DataFrame
    production: pd.DataFrame
    later: pd.DataFrame


def partition(rows: pd.DataFrame, contract: Contract) -> Partition:
    """Separate the later rows, and hold out production rows from the rest at random, by a hash of the identifier.

    Raises:
        ContractError: an invalid time, or too few rows for all parts.
    """
    later = _is_later(rows, contract)
    labelled, production = split(rows[~later], rows.loc[~later, contract.id_column], PRODUCTION_SHARE, "production")
    if labelled.empty or production.empty:
        raise ContractError(f"{len(rows)} rows are too few to hold out some of them as production.")
    return Partition(labelled, production, rows[later])


def _is_later(rows: pd.DataFrame, contract: Contract) -> pd.Series:
    if not contract.time_column:
        return pd.Series(False, index=rows.index)
    times = pd.to_datetime(rows[contract.time_column], utc=True, errors="coerce", format="ISO8601")
    if times.isna().any():
        first = rows.loc[times.isna(), contract.time_column].iloc[0]
        raise ContractError(
            f"The column '{contract.time_column}' has {first!r}, which is not a date or time such as 2026-11-23T09:00."
        )
    if not contract.training_until:
        return pd.Series(False, index=rows.index)
    return times >= pd.Timestamp(contract.training_until, tz="UTC") + pd.Timedelta(days=1)
