"""Computes feature attribution drift: the difference between the feature rankings of reference and production.

Azure fits a LightGBM model to each side, takes its SHAP values and compares the rankings by their normalised discounted
cumulative gain (azureml-assets, feature_attribution_drift). LightGBM computes the same SHAP values itself
(`pred_contrib`).
"""

import numpy as np
import pandas as pd

PREDICTION = "prediction"


def cumulative_gain(reference: pd.DataFrame, target: str, production: pd.DataFrame) -> float:
    """Return the gain of production's ranking by the reference's importances: 1 if both rankings are equal."""
    features = [name for name in production if name in reference and name not in (target, PREDICTION)]
    return gain(
        _importances(reference[features], reference[target]), _importances(production[features], production[PREDICTION])
    )


def gain(reference: np.ndarray, production: np.ndarray) -> float:
    """Return the discounted sum of the reference's importances in production's order over that in its own.

    Jaervelin and Kekaelaeinen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    discounts = 1 / np.log2(np.arange(2, len(reference) + 2))
    ideal = np.sort(reference)[::-1] @ discounts
    return float(reference[np.argsort(-production, kind="stable")] @ discounts / ideal) if ideal else 1.0


def _importances(features: pd.DataFrame, target: pd.Series) -> np.ndarray:
    """Return each feature's share of the mean absolute SHAP values of a model fitted to these rows."""
    import lightgbm

    columns = features.apply(lambda column: column if column.dtype.kind == "f" else column.astype("category"))
    is_class = target.dtype.kind == "O"
    labels = target.astype("category").cat.codes if is_class else target
    classes = int(labels.nunique()) if is_class else 0
    objective = {"objective": "multiclass", "num_class": classes} if classes > 2 else {}
    settings = {"objective": "binary" if classes else "regression", "num_leaves": 15, "verbosity": -1, "num_threads": 1}
    model = lightgbm.train(settings | objective, lightgbm.Dataset(columns, labels), num_boost_round=20)
    shares = np.abs(np.asarray(model.predict(columns, pred_contrib=True))).mean(axis=0)
    # One column for each feature and one for the mean, for each class.
    by_feature = shares.reshape(-1, columns.shape[1] + 1)[:, :-1].sum(axis=0)
    return by_feature / by_feature.sum() if by_feature.sum() else by_feature
