"""Scoring script of an online deployment: Azure's inference server calls `init` once per worker, `run` per request."""

from typing import Any

from azureml_inference_server_http.api.aml_response import AMLResponse

from model.collection import Collection
from model.contract import Contract, ContractError, load_contract
from model.serving import load_model, read_request

contract: Contract
model: Any
collection: Collection


def init() -> None:
    """Load the model and open the collections."""
    global contract, model, collection
    contract, model = load_contract(), load_model()
    collection = Collection(contract)


def run(body: str) -> dict[str, Any] | AMLResponse:
    """Answer a request with predictions and the rows' identifiers, or with status 400 and an error message."""
    try:
        rows = read_request(body, contract)
    except ContractError as error:
        return AMLResponse({"error": {"code": "BadRequest", "message": str(error)}}, 400, json_str=True)
    predictions = model.predict(rows.features).tolist()
    collection.add(rows, predictions)
    return {"predictions": predictions, "ids": rows.identifiers}
