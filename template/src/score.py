"""What an online deployment runs: Azure's inference server calls `init` once a worker and `run` for each request."""

import atexit
import logging
from typing import Any

import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.init import teardown
from azureml_inference_server_http.api.aml_response import AMLResponse

from model.contract import Contract, ContractError, load_contract
from model.serving import Rows, load_model, read_request

log = logging.getLogger("azmlinfsrv.score")


class Scoring:
    """A loaded model, its contract and its collectors."""

    def __init__(self) -> None:
        self.contract: Contract = load_contract()
        self.model: Any = load_model()
        self.inputs = _collector("model_inputs")
        self.outputs = _collector("model_outputs")
        # The SDK sends from a thread that a stopping worker would not wait for.
        atexit.register(teardown, wait_for_flush=True)

    def score(self, rows: Rows) -> list[Any]:
        """Predict, and collect what went in and what came out under one correlation id."""
        predictions = self.model.predict(rows.features).tolist()
        context = BasicCorrelationContext()
        if self.inputs:
            self.inputs.collect(rows.features, context)
        if self.outputs:
            outputs = pd.DataFrame({self.contract.id_column: rows.identifiers, "prediction": predictions})
            self.outputs.collect(outputs, context)
        return predictions


def _collector(name: str) -> Collector | None:
    """Return the collector of a collection, or None where it is not switched on: scoring works all the same."""
    refusals: list[Exception] = []
    Collector(name=name, on_error=refusals.append)
    if refusals:
        log.warning("%s is not collected: %s", name, refusals[0])
        return None
    return Collector(name=name, on_error=lambda error: log.error("%s lost a record: %s", name, error))


scoring: Scoring


def init() -> None:
    """Load the model and open the collectors."""
    global scoring
    scoring = Scoring()


def run(body: str) -> dict[str, Any] | AMLResponse:
    """Answer a request: predictions with the rows' identifiers, or 400 and one sentence that says what is wrong."""
    try:
        rows = read_request(body, scoring.contract)
    except ContractError as error:
        return AMLResponse({"error": {"code": "BadRequest", "message": str(error)}}, 400, json_str=True)
    return {"predictions": scoring.score(rows), "ids": rows.identifiers}
