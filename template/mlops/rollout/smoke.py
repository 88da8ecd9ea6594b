"""Tests a deployment with the model's own input example, and compares with its predictions at training."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlops.errors import WrongInputError
from model.contract import load_contract

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class SmokeTest:
    """A request file, and the predictions of a correct answer."""

    request: Path
    expected: tuple[Any, ...]

    def problem(self, answer: str) -> str | None:
        """Return the problem of an answer, or None."""
        try:
            content = json.loads(answer)
            predictions = (json.loads(content) if isinstance(content, str) else content)["predictions"]
        except (ValueError, KeyError, TypeError, RecursionError):
            predictions = None
        if not isinstance(predictions, list):
            return f"it answered {answer[:500]!r}, which does not hold predictions"
        if len(predictions) != len(self.expected):
            return f"it answered {len(predictions)} predictions for {len(self.expected)} rows"
        for given, expected in zip(predictions, self.expected, strict=True):
            if not _same(given, expected):
                return f"it predicted {given!r} but the model predicted {expected!r} when it was trained"
        return None


def load_smoke_test(client: "MLClient", model: Any, folder: Path) -> SmokeTest:
    """Download a model version and write its input example as a request.

    Raises:
        WrongInputError: the version has no example with predictions.
    """
    client.models.download(name=str(model.name), version=str(model.version), download_path=folder)
    try:
        home = next(folder.rglob("MLmodel")).parent
        description = yaml.safe_load((home / "MLmodel").read_text(encoding="utf-8"))
        example_file = home / description["saved_input_example_info"]["artifact_path"]
        # MLflow writes missing values as NaN, which is not JSON.
        example = json.loads(example_file.read_text(encoding="utf-8"), parse_constant=lambda _: None)
        columns, data = example["columns"], example["data"]
        expected = tuple(description["metadata"]["example_predictions"])
    except (StopIteration, KeyError, TypeError, ValueError, OSError, yaml.YAMLError) as error:
        raise WrongInputError(
            f"Version {model.version} of {model.name} has no input example with predictions to test a deployment with: "
            "only versions that this project's pipeline has registered can be deployed."
        ) from error
    identifier = load_contract().id_column
    table = {
        "columns": [identifier, *columns],
        "data": [[f"smoke-test-{number}", *row] for number, row in enumerate(data, 1)],
    }
    request = folder / "request.json"
    request.write_text(json.dumps({"input_data": table}), encoding="utf-8")
    return SmokeTest(request, expected)


def _same(given: Any, expected: Any) -> bool:
    if isinstance(expected, float | int) and isinstance(given, float | int):
        return math.isclose(given, expected, rel_tol=1e-6, abs_tol=1e-9)
    return bool(given == expected)
