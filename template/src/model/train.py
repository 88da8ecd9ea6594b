"""Train the estimator and save it in MLflow's format."""

import argparse
import time
from importlib.metadata import version
from pathlib import Path

import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature

from model.contract import load_contract
from model.estimator import build_estimator
from model.tables import read_json, read_rows

# The first four unpickle and run the model; a no-code deployment does not start without the last two.
PACKAGES = (
    "mlflow-skinny",
    "numpy",
    "pandas",
    "scikit-learn",
    "azureml-ai-monitoring",
    "azureml-inference-server-http",
)


def main() -> None:
    """Train on the training part and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()

    contract = load_contract()
    rows = read_rows(arguments.training)
    features = rows[contract.features]
    started = time.perf_counter()
    estimator = build_estimator(contract).fit(features, rows[contract.target])
    seconds = time.perf_counter() - started

    example = features.head(5)
    # `save_model`, not `log_model`: newer clients of the latter ask Azure ML for an API that it does not have.
    mlflow.sklearn.save_model(
        estimator,
        arguments.model,
        signature=infer_signature(features, estimator.predict(example)),
        input_example=example,
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        metadata=read_json(arguments.training / "asset.json"),
    )
    with mlflow.start_run():
        mlflow.log_metrics({"training_rows": len(rows), "training_seconds": seconds})
    print(f"Trained on {len(rows)} rows in {seconds:.1f} s")


if __name__ == "__main__":
    main()
