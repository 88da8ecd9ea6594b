"""Register the model that the gate promoted."""

import argparse
import os
from pathlib import Path

import mlflow
import yaml

from model.tables import read_json


def main() -> None:
    """Register the challenger with its origin as tags; do nothing after a RETAIN."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--gate", type=Path, required=True)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--git-commit", required=True)
    arguments = parser.parse_args()

    gate = read_json(arguments.gate / "gate.json")
    if gate["decision"] != "PROMOTE":
        print(f"Not registered: {' '.join(gate['reasons'])}")
        return
    metadata = yaml.safe_load((arguments.model / "MLmodel").read_text(encoding="utf-8")).get("metadata") or {}
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(arguments.model), "model")
        tags = {
            "metric": gate["metric"],
            "metric_value": repr(gate["challenger"]),
            "data_version": str(metadata.get("version", "unknown")),
            "git_commit": arguments.git_commit,
            "job": os.environ.get("AZUREML_ROOT_RUN_ID", run.info.run_id),
        }
        version = mlflow.register_model(f"runs:/{run.info.run_id}/model", arguments.model_name, tags=tags)
    print(f"Registered {arguments.model_name} version {version.version}")


if __name__ == "__main__":
    main()
