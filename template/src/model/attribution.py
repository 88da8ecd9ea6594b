"""Computes feature attribution drift: how far production ranks the features differently from the reference.

Azure's own signal computes the same importances, but judges no threshold (azureml-assets, `feature_importance_metrics`
and `feature_attribution_drift_signal_monitor`): it writes NaN for every threshold and takes none as an input.
"""

import numpy as np
import pandas as pd

# A leaf of LightGBM holds at least 20 rows, so fewer than 40 rows give a model without a split.
FEWEST = 40


def attribution_drift(
    reference: pd.DataFrame, production: pd.DataFrame, target: str, numerical: list[str], categorical: list[str]
) -> float | None:
    """Return 1 minus the normalised discounted cumulative gain of production's importances: 0 if both rank alike.

    Args:
        reference: the features and the labels in the column `target`.
        production: the features and the predictions in the column `target`.
        target: the name of that column.
        numerical: the numerical features.
        categorical: the categorical features.

    Returns:
        The drift, None if either side has too few rows or one value of the target, or no feature matters there.
    """
    columns = [*numerical, *categorical]
    # A feature that nobody sent is missing in every row.
    sides = [rows.reindex(columns=[*columns, target]).dropna(subset=[target]) for rows in (reference, production)]
    sides = [rows.astype(dict.fromkeys(numerical, float)) for rows in sides]
    if any(len(rows) < FEWEST or rows[target].nunique() < 2 for rows in sides):
        return None
    expected, found = (importances(rows, target, categorical) for rows in sides)
    if not expected.any() or not found.any():
        return None
    return 1 - gain(expected, found)


def importances(rows: pd.DataFrame, target: str, categorical: list[str]) -> np.ndarray:
    """Return the mean absolute SHAP value of each feature, in the order of the columns.

    The model and the half of the rows that it explains are those of Azure's `feature_importance_metrics`, so the values
    are too. Several classes count by their mean.
    """
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.model_selection import train_test_split

    features = rows.drop(columns=target)
    features = features.astype({name: "category" for name in categorical})
    # LightGBM refuses some characters in names.
    features.columns = [str(number) for number in range(features.shape[1])]
    is_class = rows[target].dtype.kind not in "fiu"
    kind = LGBMClassifier if is_class else LGBMRegressor
    model = kind(learning_rate=0.1, max_depth=5, n_estimators=200, n_jobs=1, random_state=777, verbosity=-1)
    model.fit(features, rows[target])
    _, explained = train_test_split(features, test_size=5000 if len(rows) > 10_000 else 0.5, random_state=0)
    values = np.asarray(model.predict(explained, pred_contrib=True))
    # One column for each feature and one for the mean, for each class.
    by_class = np.abs(values).mean(axis=0).reshape(-1, features.shape[1] + 1)
    return by_class[:, :-1].mean(axis=0)


def gain(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the discounted sum of the expected importances in the found order over that in their own.

    Jaervelin and Kekaelaeinen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    from sklearn.metrics import ndcg_score

    return float(ndcg_score([expected], [found])) if len(expected) > 1 else 1.0
