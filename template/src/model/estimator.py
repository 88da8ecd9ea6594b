"""The model. This file is yours: `copier update` never changes it.

Change `build_estimator` to try another model. It returns any scikit-learn estimator; a classifier needs
`predict_proba`. The pipeline trains it and promotes it only if it beats the champion.
"""

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model.contract import Contract


def build_estimator(contract: Contract) -> BaseEstimator:
    """Return an untrained estimator for the contract's columns; all of them may have missing values."""
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    codes = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    columns = ColumnTransformer(
        [("numbers", numbers, list(contract.numerical)), ("codes", codes, list(contract.categorical))]
    )
    model = LogisticRegression(max_iter=1000) if contract.is_classification else Ridge()
    return Pipeline([("columns", columns), ("model", model)])
