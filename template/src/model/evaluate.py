"""Score challenger, champion and a baseline on the same holdout, and decide about the challenger's promotion."""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import mlflow.artifacts
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from sklearn.dummy import DummyClassifier, DummyRegressor

from model.contract import Contract, load_contract
from model.gate import decide, metric_name
from model.registry import Champion, find_champion
from model.tables import read_rows, write_json


def row_losses(model: Any, rows: pd.DataFrame, contract: Contract) -> np.ndarray:
    """Return each row's squared error or negative log likelihood; a class unknown to the model has likelihood 0."""
    features, target = rows[contract.features], rows[contract.target]
    if not contract.is_classification:
        return (np.asarray(model.predict(features)) - target.to_numpy()) ** 2
    likelihood = pd.DataFrame(model.predict_proba(features), columns=model.classes_).reindex(
        columns=sorted({*model.classes_, *target}), fill_value=0.0
    )
    own = likelihood.to_numpy()[np.arange(len(target)), likelihood.columns.get_indexer(target)]
    return -np.log(np.clip(own, np.finfo(float).eps, 1.0))


def champion_losses(champion: Champion, rows: pd.DataFrame, contract: Contract) -> np.ndarray:
    """Return the champion's losses. They are NaN, which never promotes, if it cannot score the current columns.

    Raises:
        SystemExit: its files cannot be fetched.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Fetching is separate from loading: a refused download says nothing about the champion.
        files = fetch(champion, Path(folder))
        try:
            return row_losses(mlflow.sklearn.load_model(str(files)), rows, contract)
        except Exception as error:  # an older model may raise anything on newer columns
            print(f"The champion {champion.uri} cannot score the holdout: {error}")
            return np.full(len(rows), np.nan)


def fetch(champion: Champion, folder: Path) -> Path:
    """Download the champion's files and return their folder.

    Raises:
        SystemExit: they cannot be fetched; the message gives the reason.
    """
    try:
        files = Path(mlflow.artifacts.download_artifacts(champion.uri, dst_path=str(folder)))
    except Exception as error:  # each kind of store raises its own errors
        reason = f"{type(error).__name__}: {error}"
        raise SystemExit(f"The champion {champion.uri} cannot be fetched, so nothing was decided: {reason}") from error
    # A store may answer with an empty list of files instead of an error.
    if not (files / "MLmodel").is_file():
        raise SystemExit(f"The champion {champion.uri} cannot be fetched, so nothing was decided: it has no files.")
    return files


def main() -> None:
    """Evaluate, log the metrics and write `gate.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--holdout", type=Path, required=True)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--margin", type=float, required=True)
    parser.add_argument("--gate", type=Path, required=True)
    arguments = parser.parse_args()

    contract = load_contract()
    training, holdout = read_rows(arguments.training), read_rows(arguments.holdout)
    dummy = DummyClassifier() if contract.is_classification else DummyRegressor()
    dummy.fit(training[contract.features], training[contract.target])
    try:
        champion = find_champion(arguments.model_name)
    except MlflowException as error:
        raise SystemExit(f"The registry did not say which model is the champion: {error}") from error
    gate = decide(
        metric_name(contract.task),
        row_losses(mlflow.sklearn.load_model(str(arguments.model)), holdout, contract),
        champion_losses(champion, holdout, contract) if champion else None,
        row_losses(dummy, holdout, contract),
        arguments.margin,
    )
    scores = {"challenger": gate.challenger, "champion": gate.champion, "baseline": gate.baseline}
    with mlflow.start_run():
        mlflow.log_metrics({f"{name}_{gate.metric}": value for name, value in scores.items() if value is not None})
        mlflow.set_tags({"decision": gate.decision, "champion": champion.uri if champion else "none"})
    write_json(arguments.gate / "gate.json", asdict(gate))
    print(f"{gate.decision}: {' '.join(gate.reasons)}")


if __name__ == "__main__":
    main()
