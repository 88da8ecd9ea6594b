"""Breast cancer, malignant or benign, from scikit-learn."""

import pandas as pd
from sklearn.datasets import load_breast_cancer


def load() -> pd.DataFrame:
    """Return 569 tumours with thirty measurements each and their `diagnosis` as text."""
    bunch = load_breast_cancer(as_frame=True)
    diagnosis = bunch.target.map(dict(enumerate(bunch.target_names))).rename("diagnosis")
    return bunch.data.join(diagnosis)
