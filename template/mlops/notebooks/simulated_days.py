"""Simulates production for notebooks: the rows of one day after the other, with drifts of a chosen feature."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.data.production import next_window_number, numbered, usual_rows
from mlops.data.shifts import most_predictive_features
from mlops.errors import WrongInputError
from model.contract import Contract

MOST_ROWS = 1000
BUSY = (0.7, 1.0)
"""The sizes of days, from the quietest to the busiest one, as shares of all rows."""


@dataclass(frozen=True)
class Drift:
    """A feature that drifts: not before the day `first`, fully from the day `full` on, evenly more in between.

    Args:
        feature: the column.
        amount: for numbers the standard deviations that are added; for categories the share of rows whose value
            becomes the rarest one, 1 or more for all of them.
        first: the first day that differs.
        full: the first day with the whole amount; the same as `first` for a sudden drift.

    Raises:
        WrongInputError: the whole amount comes before the first day.
    """

    feature: str
    amount: float
    first: int
    full: int

    def __post_init__(self) -> None:
        """Refuse a drift that is full before it begins."""
        if self.full < self.first:
            raise WrongInputError(f"A drift that begins on day {self.first} cannot be full on day {self.full}.")

    def on(self, day: int) -> float:
        """Return the amount on a day."""
        grown = (day - self.first + 1) / (self.full - self.first + 1)
        return self.amount * min(max(grown, 0.0), 1.0)


def features_by_weight(contract: Contract) -> list[str]:
    """Return the features: numbers first, the most predictive ones in front, then categories."""
    numbers = most_predictive_features(usual_rows(), contract) if contract.numerical else []
    return [*numbers, *contract.categorical]


def production_day(contract: Contract, day: int, drifts: Sequence[Drift] = (), most: int = MOST_ROWS) -> pd.DataFrame:
    """Return a day's rows: the same rows for the same day, under new identifiers.

    They have no labels: invented rows have no outcome, and no model is trained on them.
    """
    usual = usual_rows()
    rows = round(min(most, len(usual)) * np.random.default_rng(day).uniform(*BUSY))
    window = numbered(usual.sample(rows, random_state=day), next_window_number(), contract)
    for drift in drifts:
        window[drift.feature] = _drifted(window[drift.feature], drift.on(day), usual[drift.feature], contract)
    return window[[contract.id_column, *contract.features]]


def _drifted(values: pd.Series, amount: float, usual: pd.Series, contract: Contract) -> pd.Series:
    if values.name in contract.numerical:
        return values + amount * usual.std()
    changed = np.random.default_rng(0).random(len(values)) < amount
    return values.mask(changed, rarest(usual))


def rarest(usual: pd.Series) -> str:
    """Return the category that a drift of categories leads to."""
    return str(usual.value_counts().index[-1])
