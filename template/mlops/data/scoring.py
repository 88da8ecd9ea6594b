"""Scores rows with the project's endpoint."""

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pandas as pd

from mlops.data.batch_scoring import default_deployment, score_folder
from mlops.data.records import HOUR
from mlops.errors import RunFailedError, WrongInputError
from mlops.paths import BATCH_ENDPOINT, ONLINE_DEPLOYMENT, ONLINE_ENDPOINT, read_yaml
from mlops.refusals.explain import is_missing
from mlops.workspace import now

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


Progress = Callable[[int, int], None]
REQUESTS = 20
MOST_ROWS_A_REQUEST = 500
# Number of retries of a request that is asked to come back later, and their longest total wait.
MOST_TRIES = 4
LONGEST_WAIT = 30.0
# Azure's own limit for a scoring request, unless the deployment's YAML sets another.
AZURES_LIMIT = 5.0
MARGIN = 5.0
SHOWN = 500


@dataclass(frozen=True)
class Answer:
    """The answer to one scoring request and its time; the status is 0 if there was no answer."""

    status: int
    text: str
    milliseconds: float
    retry_after: str = ""

    def reason(self) -> str:
        """Return the content of the answer, short enough for a message."""
        said: Any = self.text
        with suppress(ValueError, RecursionError, AttributeError):
            content = json.loads(self.text)
            inner = content.get("error") or content.get("message")
            said = (inner.get("message") if isinstance(inner, dict) else inner) or said
        words = " ".join(str(said).split())
        shown = f"{words[:SHOWN]}..." if len(words) > SHOWN else words
        return f"{self.status}: {shown}" if self.status and shown else str(self.status or shown)


class Scorer:
    """Sends each scoring request in a single HTTP request to an online endpoint's own address."""

    def __init__(self, client: "MLClient", endpoint: str, limit: float | None = None):
        self._client, self._endpoint = client, endpoint
        self._limit = limit or request_limit() + MARGIN
        self._address, self._key = "", ""
        # The server may close a connection that has been idle for longer at the moment of its next use.
        limits = httpx.Limits(keepalive_expiry=2.0)
        self._http = httpx.Client(trust_env=False, timeout=httpx.Timeout(self._limit, connect=10), limits=limits)

    def __enter__(self) -> "Scorer":
        """Keep connections open between requests."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, body: bytes, deployment: str | None = None) -> Answer:
        """Send a request and return its answer, whatever its status.

        After a rotated key or a refused connection the key and address are read again once. A busy deployment is asked
        again after the time that it names, within bounds.

        Args:
            body: the request.
            deployment: the deployment that answers; without it the shares of the traffic decide.

        Raises:
            AzureError: the endpoint's address or key cannot be read.
        """
        if not self._address:
            self._open()
        answer, unreached = self._post(body, deployment)
        if unreached or answer.status == httpx.codes.UNAUTHORIZED:
            self._open()
            answer, _ = self._post(body, deployment)
        remaining = LONGEST_WAIT
        for _ in range(MOST_TRIES - 1):
            pause = _pause(answer.retry_after)
            if answer.status != httpx.codes.TOO_MANY_REQUESTS or pause > remaining:
                break
            time.sleep(pause)
            remaining -= pause
            answer, _ = self._post(body, deployment)
        return answer

    def _open(self) -> None:
        # Read the key first: on the laptop this starts the serving process, which may then listen at another address.
        keys: Any = self._client.online_endpoints.get_keys(name=self._endpoint)
        endpoint = self._client.online_endpoints.get(name=self._endpoint)
        self._key = str(getattr(keys, "primary_key", None) or getattr(keys, "access_token", None) or "")
        self._address = str(endpoint.scoring_uri or "")
        if not self._address:
            raise RunFailedError(
                f"The endpoint {self._endpoint} has no scoring address yet: look at its state in the studio."
            )

    def _post(self, body: bytes, deployment: str | None) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection failed before any server saw the request."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        started = time.perf_counter()
        try:
            with self._http.stream("POST", self._address, content=body, headers=headers) as response:
                content = b"".join(self._in_time(response, started))
                text = content.decode("utf-8", errors="replace")
                retry_after = response.headers.get("Retry-After", "")
                return Answer(response.status_code, text, _since(started), retry_after), False
        except Exception as error:
            # Any fault on the way counts as no answer.
            said = f"no answer after {_since(started) / 1000:.1f} s ({type(error).__name__}: {error})"
            return Answer(0, said, _since(started)), isinstance(error, httpx.ConnectError)

    def _in_time(self, response: httpx.Response, started: float) -> Any:
        """Read an answer; httpx limits the wait for each piece of it, this method the total wait."""
        for piece in response.iter_bytes():
            if _since(started) > 1000 * self._limit:
                raise httpx.ReadTimeout(f"more than {self._limit:g} s for one answer")
            yield piece


def score(client: "MLClient", rows: pd.DataFrame, progress: Progress | None = None) -> int:
    """Send rows to the endpoint and return the number of requests.

    Raises:
        WrongInputError: there is no endpoint yet, or none of its deployments serves.
        RunFailedError: it refused a request.
    """
    is_online = ONLINE_ENDPOINT.exists()
    name = str(read_yaml(ONLINE_ENDPOINT if is_online else BATCH_ENDPOINT)["name"])
    try:
        endpoint: Any = (client.online_endpoints if is_online else client.batch_endpoints).get(name=name)
    except Exception as error:
        if is_missing(error):
            raise WrongInputError(f"There is no endpoint {name} yet: run `mlops deploy` first.") from error
        raise
    serves = any((endpoint.traffic or {}).values()) if is_online else bool(default_deployment(endpoint))
    if not serves:
        raise WrongInputError(f"No deployment of the endpoint {name} has traffic: run `mlops deploy` first.")
    if is_online:
        return _send(client, name, rows, progress)
    score_folder(client, name, rows, now(client).strftime(HOUR))
    return 1


def _send(client: "MLClient", endpoint: str, rows: pd.DataFrame, progress: Progress | None) -> int:
    """Send rows to an online endpoint in about twenty requests and return the number of requests."""
    size = max(1, min(MOST_ROWS_A_REQUEST, -(-len(rows) // REQUESTS)))
    parts = [rows.iloc[start : start + size] for start in range(0, len(rows), size)]
    with Scorer(client, endpoint) as scorer:
        for number, part in enumerate(parts, 1):
            answer = scorer.ask(request_text(part).encode())
            if answer.status != httpx.codes.OK:
                raise RunFailedError(f"The endpoint {endpoint} refused a request: {answer.reason()}")
            if progress:
                progress(number, len(parts))
    return len(parts)


def request_text(rows: pd.DataFrame) -> str:
    """Return the request that scores rows; a missing value is null."""
    data: list[list[Any]] = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    return json.dumps({"input_data": {"columns": list(rows), "data": data}})


def request_limit() -> float:
    """Return the number of seconds after which Azure gives up on a request to this project's deployment."""
    settings = read_yaml(ONLINE_DEPLOYMENT).get("request_settings") or {}
    return float(settings.get("request_timeout_ms") or 1000 * AZURES_LIMIT) / 1000


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def _pause(retry_after: str) -> float:
    """Return the seconds to wait that a header names, as a number or a date; one second without a header."""
    with suppress(ValueError):
        seconds = float(retry_after or 1)
        return max(0.0, seconds) if math.isfinite(seconds) else math.inf
    try:
        wanted = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return 1.0
    wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
    return max(0.0, (wanted - datetime.now(UTC)).total_seconds())
