"""Train the estimator and save it in MLflow's format."""

import argparse
import time
from importlib.metadata import version
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

from model.contract import Contract, load_contract
from model.estimator import build_estimator
from model.tables import read_json, read_rows, write_mltable

# The first four load and run the model; a no-code deployment does not start without the last two.
FOLDS = 5
PACKAGES = (
    "mlflow-skinny",
    "numpy",
    "pandas",
    "scikit-learn",
    "azureml-ai-monitoring",
    "azureml-inference-server-http",
)


def reference(rows: pd.DataFrame, contract: Contract, newest: int) -> pd.DataFrame:
    """Return the monitor's reference: the newest training rows, without identifier, with predictions.

    The predictions are cross-validated. A model fits its own training rows better than new rows, so a monitor that
    compared with plain predictions would alert without drift.
    """
    features, target = rows[contract.features], rows[contract.target]
    # Shuffled, because the newest rows are adjacent: a fold of only these would be predicted by models of older rows.
    kind = StratifiedKFold if contract.is_classification else KFold
    folds = min(FOLDS, target.value_counts().min() if contract.is_classification else len(rows))
    if folds < 2:
        predictions = build_estimator(contract).fit(features, target).predict(features)
    else:
        cv = kind(folds, shuffle=True, random_state=0)
        predictions = cross_val_predict(build_estimator(contract), features, target, cv=cv)
    columns = [*contract.features, contract.target]
    return rows[columns].assign(prediction=predictions).tail(newest)


def main() -> None:
    """Train on the training part and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    arguments = parser.parse_args()

    contract = load_contract()
    metadata = read_json(arguments.training / "asset.json")
    rows = read_rows(arguments.training)
    features = rows[contract.features]
    started = time.perf_counter()
    estimator = build_estimator(contract).fit(features, rows[contract.target])
    seconds = time.perf_counter() - started

    example = features.head(5)
    # `save_model`, not `log_model`: newer clients of the latter need an API that Azure ML does not have.
    mlflow.sklearn.save_model(
        estimator,
        arguments.model,
        signature=infer_signature(features, estimator.predict(example)),
        input_example=example,
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        # The predictions that a deployment has to return in its smoke test.
        metadata=metadata | {"example_predictions": estimator.predict(example).tolist()},
    )
    write_mltable(reference(rows, contract, metadata["newest_training_rows"]), arguments.reference, {})
    with mlflow.start_run():
        mlflow.log_metrics({"training_rows": len(rows), "training_seconds": seconds})
    print(f"Trained on {len(rows)} rows in {seconds:.1f} s")


if __name__ == "__main__":
    main()
