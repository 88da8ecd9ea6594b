"""Applies simulated drift to production rows and their labels."""

from enum import StrEnum

import numpy as np
import pandas as pd

from model.contract import Contract

SHIFTED_FEATURES = 2
DEVIATIONS = 1.5
FACTOR = 1.5
NOISE = 5.0
WRONG_LABELS = 0.05


class Shift(StrEnum):
    """A drift that `mlops invoke --drift` and `mlops loop --shift` accept."""

    NONE = "none"
    OFFSET = "offset"
    SCALE = "scale"
    NEXT_SEASON = "next_season"
    LABEL_NOISE = "label_noise"


def default_shift(contract: Contract) -> Shift:
    """Return the drift that suits the data: the real one of the following season if rows have a later period."""
    return Shift.NEXT_SEASON if contract.training_until else Shift.OFFSET


def most_predictive_features(rows: pd.DataFrame, contract: Contract) -> list[str]:
    """Return the numerical features in order of their own correlation with the target, the most predictive first."""
    from sklearn.feature_selection import f_classif, f_regression

    numbers = rows[list(contract.numerical)]
    test = f_classif if contract.is_classification else f_regression
    scores, _ = test(numbers.fillna(numbers.median()), rows[contract.target])
    order = np.argsort(-np.nan_to_num(scores), kind="stable")
    return [contract.numerical[position] for position in order]


def shift_rows(rows: pd.DataFrame, shift: Shift, usual: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return shifted rows; `usual` are rows without drift, which give the features' predictive power and spread.

    `offset` adds 1.5 standard deviations to the two most predictive features, as a sensor that lost its zero does.
    `scale` multiplies the next two by 1.5, as a changed unit does. `label_noise` offsets the least predictive feature,
    which raises an alert and harms no model, and blurs the labels, so that a retraining cannot learn from them. Without
    numerical features, every category becomes the rarest one in half of the rows.
    """
    if shift in (Shift.NONE, Shift.NEXT_SEASON):
        return rows
    shifted = rows.copy()
    predictive = most_predictive_features(usual, contract) if contract.numerical else []
    if not predictive:
        shifted = _rarest_categories(shifted, usual, contract)
    elif shift is Shift.SCALE:
        for feature in predictive[SHIFTED_FEATURES : 2 * SHIFTED_FEATURES] or predictive:
            shifted[feature] = shifted[feature] * FACTOR
    else:
        for feature in predictive[-1:] if shift is Shift.LABEL_NOISE else predictive[:SHIFTED_FEATURES]:
            shifted[feature] += DEVIATIONS * usual[feature].std()
    if shift is Shift.LABEL_NOISE:
        shifted[contract.target] = _blurred(shifted[contract.target], usual[contract.target])
    return shifted


def _blurred(labels: pd.Series, usual: pd.Series) -> pd.Series:
    """Return numbers with noise of five standard deviations, or classes of which one in twenty is another row's."""
    draw = np.random.default_rng(0)
    if labels.dtype.kind == "f":
        return labels + draw.normal(0, NOISE * usual.std(), len(labels))
    return labels.where(draw.random(len(labels)) >= WRONG_LABELS, draw.permutation(labels.to_numpy()))


def _rarest_categories(rows: pd.DataFrame, usual: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    changed = np.arange(len(rows)) % 2 == 0
    for feature in contract.categorical:
        rows.loc[changed, feature] = usual[feature].value_counts().index[-1]
    return rows
