"""Score challenger, champion and a baseline on the same holdout, and decide about the challenger's promotion."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from model.contract import Contract, load_contract
from model.gate import decide, metric_name
from model.registry import find_champion
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


def champion_losses(uri: str, rows: pd.DataFrame, contract: Contract) -> np.ndarray:
    """Return the champion's losses. They are NaN, which never promotes, if it cannot score the current columns."""
    try:
        return row_losses(mlflow.sklearn.load_model(uri), rows, contract)
    except Exception as error:  # an older model may raise anything on newer columns
        print(f"The champion {uri} cannot score the holdout: {error}")
        return np.full(len(rows), np.nan)


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
    champion = find_champion(arguments.model_name)
    gate = decide(
        metric_name(contract.task),
        row_losses(mlflow.sklearn.load_model(str(arguments.model)), holdout, contract),
        champion_losses(champion.uri, holdout, contract) if champion else None,
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
