"""Emulates Azure Monitor's metrics of online endpoints, from the counts of the endpoint's router."""

import re
from datetime import UTC, datetime
from typing import Any

from azureml_emulator.answers import Refused, answer
from azureml_emulator.arm.kind import Kind
from azureml_emulator.routes import Routes
from azureml_emulator.transport import Request, Response

ENDPOINT = "onlineEndpoints/{endpoint}/providers/microsoft.insights/metrics"
API_VERSION = "2023-10-01"
# The existing metrics, with the dimensions by which they can be split.
DIMENSIONS = {
    "RequestsPerMinute": ("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
    "RequestLatency_P95": ("deployment",),
}
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


class Metrics(Kind):
    """`ENDPOINT/providers/Microsoft.Insights/metrics`; `seen` holds each deployment's requests if the host does not."""

    routes = Routes()

    def __init__(self, *args: Any):
        super().__init__(*args)
        # (status, the model's own status) -> requests, by deployment; and its latency in milliseconds.
        self.seen: dict[str, dict[tuple[str, str], float]] = {}
        self.latency: dict[str, float] = {}

    @routes("GET", ENDPOINT)
    def metrics(self, request: Request, endpoint: str) -> Response:
        """Return one metric of one deployment.

        Raises:
            Refused: the request does not follow the documentation.
        """
        query = request.query
        metric, dimensions = query.get("metricnames", ""), _dimensions(query.get("$filter", ""))
        self._check(query, metric, dimensions)
        deployment = dimensions.pop("deployment")
        statuses, latency = self._seen(endpoint, deployment, query["timespan"].partition("/")[0])
        if metric == "RequestLatency_P95":
            series = [_series({"deployment": deployment}, latency)] if latency is not None else []
        else:
            series = [
                _series({"deployment": deployment, "statuscode": status, "modelstatuscode": model}, number)
                for (status, model), number in statuses.items()
            ]
        name = {"value": metric, "localizedValue": metric}
        found = {
            "id": metric,
            "type": "Microsoft.Insights/metrics",
            "name": name,
            "unit": "Count",
            "errorCode": "Success",
        }
        content = {"cost": 0, "timespan": query["timespan"], "interval": "PT1M", "resourceregion": "westeurope"}
        return answer(200, content | {"value": [found | {"timeseries": series}]})

    def _seen(self, endpoint: str, deployment: str, start: str) -> tuple[dict[tuple[str, str], float], float | None]:
        if deployment in self.seen:
            return self.seen[deployment], self.latency.get(deployment)
        since = datetime.strptime(start, MINUTE).replace(tzinfo=UTC)
        seconds = (datetime.now(UTC) - since).total_seconds()
        path = f"endpoints/{endpoint}/deployments/{deployment}/statistics?last_seconds={seconds}"
        known = self.arm.online.control("GET", path)
        good = known["requests"] - known["errors"] - known["bad_requests"] - known["rejected"]
        counted = {
            ("200", "200"): good,
            ("424", "500"): known["errors"],
            ("424", "400"): known["bad_requests"],
            ("429", ""): known["rejected"],
        }
        slowest = known["p95_seconds"]
        return {status: n for status, n in counted.items() if n}, None if slowest is None else 1000 * slowest

    def _check(self, query: Any, metric: str, dimensions: dict[str, str]) -> None:
        start, _, end = query.get("timespan", "").partition("/")
        try:
            is_span = datetime.strptime(start, MINUTE) < datetime.strptime(end, MINUTE)
            is_past = datetime.strptime(start, MINUTE).replace(tzinfo=UTC) <= datetime.now(UTC)
        except ValueError:
            is_span = is_past = False
        problems = {
            f"api-version {query.get('api-version')}": query.get("api-version") == API_VERSION,
            f"metric {metric}": metric in DIMENSIONS,
            f"timespan {query.get('timespan')}": is_span and is_past,
            f"interval {query.get('interval')}": query.get("interval") == "PT1M",
            f"aggregation {query.get('aggregation')}": query.get("aggregation") == "Average",
            f"filter {query.get('$filter')}": bool(dimensions.get("deployment"))
            and set(dimensions) <= set(DIMENSIONS.get(metric, ())),
        }
        wrong = [problem for problem, is_right in problems.items() if not is_right]
        if wrong:
            raise Refused(400, "BadRequest", f"Invalid {wrong[0]}.")


def _dimensions(text: str) -> dict[str, str]:
    """Return the dimensions of a filter such as `deployment eq 'model-2' and statusCode eq '*'`."""
    found = [re.fullmatch(r"(\w+) eq '([^']*)'", part) for part in text.split(" and ")]
    return {part[1]: part[2] for part in found if part} if all(found) else {}


def _series(dimensions: dict[str, str], value: float) -> Any:
    values = [{"name": {"value": name, "localizedValue": name}, "value": given} for name, given in dimensions.items()]
    now = datetime.now(UTC).strftime(MINUTE)
    # A minute without requests has no value.
    return {"metadatavalues": values, "data": [{"timeStamp": now}, {"timeStamp": now, "average": float(value)}]}
