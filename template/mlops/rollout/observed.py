"""Reads the results of a deployment's requests from Azure Monitor."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops.errors import RunFailedError
from mlops.rollout.plan import Observed
from mlops.workspace import access

if TYPE_CHECKING:
    pass

API_VERSION = "2023-10-01"
# 424 is the model's own error: its status is a separate dimension, and 4xx there is the caller's fault.
MODEL_ERROR, TOO_SLOW = "424", "408"


class NotObservableError(Exception):
    """The results of callers' requests cannot be read; the message says why. It does not mean that all is well."""


class AzureMonitor:
    """The metrics of one deployment of an online endpoint; they arrive about two minutes late.

    Azure Monitor has an average for each minute, so the number of requests is approximate.
    """

    def __init__(self, client: Any, endpoint: str, deployment: str):
        self._client, self._endpoint, self._deployment = client, endpoint, deployment
        self._since = datetime.now(UTC).replace(second=0, microsecond=0)

    def __call__(self) -> Observed:
        """Return the requests since this object was created.

        Raises:
            NotObservableError: Azure refuses, or answers in another format.
        """
        one = f"deployment eq '{self._deployment}'"
        requests = self._ask("RequestsPerMinute", f"{one} and statusCode eq '*' and modelStatusCode eq '*'")
        latency = self._ask("RequestLatency_P95", one)
        try:
            counted = [(_is_failure(named), sum(values)) for named, values in _series(requests) if _counts(named)]
            minutes = [value for _, values in _series(latency) for value in values]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotObservableError("Azure Monitor's answer is not as documented") from error
        return Observed(
            sum(number for _, number in counted),
            sum(number for failed, number in counted if failed),
            sum(minutes) / len(minutes) if minutes else None,
        )

    def _ask(self, metric: str, dimensions: str) -> Any:
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        from mlops.refusals.explain import explained

        until = max(datetime.now(UTC), self._since + timedelta(minutes=1))
        query = {
            "api-version": API_VERSION,
            "metricnames": metric,
            "aggregation": "Average",
            "interval": "PT1M",
            "timespan": f"{self._since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}",
            "$filter": dimensions,
            # By default at most ten series are returned.
            "top": "100",
        }
        address = f"{_manager(self._client)}{self._endpoint}/providers/Microsoft.Insights/metrics"
        request = HttpRequest("GET", address, params=query)
        try:
            with _pipeline(self._client) as pipeline:
                response = pipeline.send_request(request)
                response.raise_for_status()
                return json.loads(response.text())
        except (AzureError, RunFailedError) as error:
            raise NotObservableError(str(explained(error))) from error
        except ValueError as error:
            raise NotObservableError("Azure Monitor did not answer with JSON") from error


def _pipeline(client: Any) -> Any:
    """Return a pipeline of requests to Resource Manager with the credential of an MLClient, which keeps it private."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    address, given = _manager(client), access(client)
    signing = BearerTokenCredentialPolicy(given.pop("credential"), f"{address}/.default")
    return PipelineClient(address, policies=[RetryPolicy(retry_total=2), signing], **given)


def _manager(client: Any) -> str:
    """Return the address of Resource Manager in the cloud of an MLClient."""
    return str(getattr(client, "_base_url", None) or "https://management.azure.com").rstrip("/")


def _series(content: Any) -> Iterator[tuple[dict[str, str], list[float]]]:
    """Return each series of a metric: the values of its dimensions, and those of its minutes."""
    for metric in content["value"]:
        for series in metric["timeseries"]:
            named = {
                str(one["name"]["value"]).lower(): str(one["value"]).lower()
                for one in series.get("metadatavalues") or []
            }
            minutes = [point.get("average") for point in series.get("data") or []]
            yield named, [float(value) for value in minutes if value is not None]


def _counts(named: dict[str, str]) -> bool:
    """Return whether requests of these statuses count for the deployment: 4xx is the caller's fault."""
    status = named.get("statuscode", "")
    return not status.startswith("4") or _is_failure(named)


def _is_failure(named: dict[str, str]) -> bool:
    status, model = named.get("statuscode", ""), named.get("modelstatuscode", "")
    if status == MODEL_ERROR:
        return not model.startswith("4")
    return status == TOO_SLOW or status.startswith("5")
