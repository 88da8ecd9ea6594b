"""Progression of diabetes after one year, from scikit-learn."""

import pandas as pd
from sklearn.datasets import load_diabetes


def load() -> pd.DataFrame:
    """Return 442 patients in the original units, with the disease's progression as `target`."""
    return load_diabetes(as_frame=True, scaled=False).frame
