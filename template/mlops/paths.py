"""Paths of this project's files. The YAML that defines an asset or resource also gives its name."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STATE = ROOT / ".azureml-local"

PIPELINE = ROOT / "pipelines" / "ci_pipeline.yml"
LOOK_AROUND = ROOT / "pipelines" / "look_around.yml"
TRAINING_ENVIRONMENT = ROOT / "environments" / "training.yml"
ONLINE_ENDPOINT = ROOT / "endpoints" / "online" / "endpoint" / "endpoint.yml"
ONLINE_DEPLOYMENT = ROOT / "endpoints" / "online" / "deployment" / "deployment.yml"
BATCH_ENDPOINT = ROOT / "endpoints" / "batch" / "endpoint" / "endpoint.yml"
BATCH_DEPLOYMENT = ROOT / "endpoints" / "batch" / "deployment" / "deployment.yml"
BATCH_ENVIRONMENT = ROOT / "environments" / "batch.yml"
SERVING_ENVIRONMENT = ROOT / "environments" / "inference.yml"
LABELLED_DATA = ROOT / "resources" / "data" / "labelled.yml"
LABELS = ROOT / "resources" / "data" / "labels.yml"
REFERENCE_DATA = ROOT / "resources" / "data" / "reference.yml"
PRODUCTION_DATA = ROOT / "resources" / "data" / "production.yml"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one of the project's YAML files."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def model_name() -> str:
    """Return the name under which the pipeline registers models."""
    return str(read_yaml(PIPELINE)["inputs"]["model_name"])
