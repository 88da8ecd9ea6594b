"""Has rows scored by the endpoint that the monitor watches, and finds them again."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.batch import score_folder
from mlops.errors import RunFailedError, WrongInputError
from mlops.moment import now
from mlops.project import BATCH_ENDPOINT, ONLINE_ENDPOINT, read_yaml
from mlops.records import HOUR

if TYPE_CHECKING:
    from mlops.client import Client


Progress = Callable[[int, int], None]
REQUESTS = 20
MOST_ROWS_A_REQUEST = 500


def score(client: "Client", rows: pd.DataFrame, progress: Progress | None = None) -> int:
    """Send rows to the endpoint and return how many requests it took.

    Raises:
        WrongInputError: there is no endpoint yet.
        RunFailedError: it refused a request.
    """
    is_online = ONLINE_ENDPOINT.exists()
    name = str(read_yaml(ONLINE_ENDPOINT if is_online else BATCH_ENDPOINT)["name"])
    try:
        if is_online:
            return _send(client, name, rows, progress)
        score_folder(client, name, rows, now(client).strftime(HOUR))
        return 1
    except ResourceNotFoundError as error:
        raise WrongInputError(f"There is no endpoint {name} yet: run `mlops deploy` first.") from error
    except HttpResponseError as error:
        raise RunFailedError(f"The endpoint {name} refused a request: {error.message}") from error


def _send(client: "Client", endpoint: str, rows: pd.DataFrame, progress: Progress | None) -> int:
    """Send rows to an online endpoint in some twenty requests and return how many there were."""
    size = max(1, min(MOST_ROWS_A_REQUEST, -(-len(rows) // REQUESTS)))
    parts = [rows.iloc[start : start + size] for start in range(0, len(rows), size)]
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder) / "request.json"
        for number, part in enumerate(parts, 1):
            request.write_text(request_text(part), encoding="utf-8")
            client.online_endpoints.invoke(endpoint_name=endpoint, request_file=str(request))
            if progress:
                progress(number, len(parts))
    return len(parts)


def request_text(rows: pd.DataFrame) -> str:
    """Return the request that has rows scored; a missing value is null."""
    data: list[list[Any]] = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    return json.dumps({"input_data": {"columns": list(rows), "data": data}})
