"""Rolls a model version out blue/green on the online endpoint; anything wrong puts the old deployment back."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_online_deployment, load_online_endpoint
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from mlops.errors import RunFailedError, WrongInputError
from mlops.monitor import bind
from mlops.project import ONLINE_DEPLOYMENT, ONLINE_ENDPOINT, SERVING_ENVIRONMENT, model_name
from mlops.reference import register_reference
from mlops.rollout import Limits, Outcome, Plan, Probe, plan, verdict
from mlops.smoke import SmokeTest, load_smoke_test
from mlops.training import register_environment

if TYPE_CHECKING:
    from mlops.client import Client

SHARE = 10
PROBES = 20
Say = Callable[[str], None]


@dataclass(frozen=True)
class TrafficChange:
    """The shares that deployments had from a moment on, in seconds since 1970."""

    at: float
    shares: dict[str, int]


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended, and why."""

    outcome: Outcome
    endpoint: str
    deployment: str
    version: str
    reasons: tuple[str, ...]
    traffic: tuple[TrafficChange, ...] = ()


class NotFitError(Exception):
    """A new deployment must not have traffic; the message says why."""


def version_to_deploy(client: "Client", wanted: str | None) -> Any:
    """Return the wanted model version, or the newest whose rollout has not failed.

    Raises:
        WrongInputError: there is none.
    """
    name = model_name()
    try:
        if wanted:
            return client.models.get(name, version=wanted)
        standing = [model for model in client.models.list(name=name) if (model.tags or {}).get("rollout") != "failed"]
    except ResourceNotFoundError as error:
        raise WrongInputError(f"There is no model {name}{f' with version {wanted}' if wanted else ''}.") from error
    if not standing:
        raise WrongInputError(f"There is no version of the model {name} to deploy: run `mlops train` first.")
    return max(standing, key=lambda model: int(model.version))


def deploy(
    client: "Client", version: str | None = None, limits: Limits | None = None, say: Say = print
) -> RolloutResult:
    """Give a model version all traffic, by way of a smoke test and a share of the traffic.

    The same call twice changes nothing; a rollout that was interrupted goes on. A deployment that does not come up,
    answers wrongly or slowly is removed, its version tagged `rollout=failed`, and the old one keeps all traffic.

    Raises:
        WrongInputError: there is no such version, or nothing to deploy.
    """
    model = version_to_deploy(client, version)
    number = str(model.version)
    endpoint = _ensure_endpoint(client)
    register_reference(client, model)
    traffic = dict(endpoint.traffic or {})
    existing = [str(known.name) for known in client.online_deployments.list(endpoint_name=endpoint.name)]
    steps = plan(number, existing, traffic)
    unchanged = steps.changes_nothing
    changes: list[TrafficChange] = []
    if not unchanged:
        try:
            _roll_out(client, endpoint, model, steps, limits or Limits(), say, changes)
        except NotFitError as error:
            return _roll_back(client, endpoint, model, steps, str(error), say, changes)
    bind(client, steps.new, number)
    _tag(client, model, "deployed")
    outcome = Outcome.UNCHANGED if unchanged else Outcome.DEPLOYED
    reason = "it has all traffic already" if unchanged else f"it answered {PROBES} requests as it should"
    return RolloutResult(outcome, str(endpoint.name), steps.new, number, (reason,), tuple(changes))


def _ensure_endpoint(client: "Client") -> Any:
    definition = load_online_endpoint(ONLINE_ENDPOINT)
    try:
        return client.online_endpoints.get(name=str(definition.name))
    except ResourceNotFoundError:
        client.online_endpoints.begin_create_or_update(definition).result()
        return client.online_endpoints.get(name=str(definition.name))


def _roll_out(
    client: "Client", endpoint: Any, model: Any, steps: Plan, limits: Limits, say: Say, changes: list[TrafficChange]
) -> None:
    """Bring the new deployment up and give it the traffic; the caller takes back what a NotFitError leaves."""
    name = str(endpoint.name)
    with tempfile.TemporaryDirectory() as folder:
        smoke = load_smoke_test(client, model, Path(folder))
        if steps.create:
            say(f"creating {steps.new}")
            _create(client, model, steps)
            say("smoke test")
            _refuse(smoke.problem(_ask(client, name, steps.new, smoke)[1]))
        if steps.keep_serving:
            say(f"{SHARE} % of the traffic")
            _set_traffic(client, endpoint, {steps.keep_serving: 100 - SHARE, steps.new: SHARE}, changes)
        _refuse(verdict([_probe(client, name, steps.new, smoke) for _ in range(PROBES)], limits))
    say("all traffic")
    _set_traffic(client, endpoint, {steps.new: 100}, changes)
    for old in steps.delete:
        say(f"deleting {old}")
        client.online_deployments.begin_delete(name=old, endpoint_name=name).result()


def _refuse(problem: str | None) -> None:
    if problem:
        raise NotFitError(problem)


def _create(client: "Client", model: Any, steps: Plan) -> None:
    deployment = load_online_deployment(ONLINE_DEPLOYMENT)
    deployment.name = steps.new
    deployment.model = f"azureml:{model.name}:{model.version}"
    deployment.environment = register_environment(client, SERVING_ENVIRONMENT)
    try:
        client.online_deployments.begin_create_or_update(deployment).result()
    except AzureError as error:
        raise NotFitError(f"it did not come up: {error}") from error


def _ask(client: "Client", endpoint: str, deployment: str, smoke: SmokeTest) -> tuple[int, str]:
    try:
        return 200, client.online_endpoints.invoke(
            endpoint_name=endpoint, request_file=str(smoke.request), deployment_name=deployment
        )
    except HttpResponseError as error:
        return int(error.status_code or 0), str(error.message)


def _probe(client: "Client", endpoint: str, deployment: str, smoke: SmokeTest) -> Probe:
    started = time.perf_counter()
    status, answer = _ask(client, endpoint, deployment, smoke)
    milliseconds = 1000 * (time.perf_counter() - started)
    return Probe(status, milliseconds, (smoke.problem(answer) or "") if status == 200 else answer)


def _set_traffic(client: "Client", endpoint: Any, traffic: dict[str, int], changes: list[TrafficChange]) -> None:
    endpoint.traffic = traffic
    client.online_endpoints.begin_create_or_update(endpoint).result()
    changes.append(TrafficChange(time.time(), traffic))


def _roll_back(
    client: "Client", endpoint: Any, model: Any, steps: Plan, reason: str, say: Say, changes: list[TrafficChange]
) -> RolloutResult:
    say(f"taking {steps.new} back: {reason}")
    _set_traffic(client, endpoint, {steps.keep_serving: 100} if steps.keep_serving else {}, changes)
    if any(str(known.name) == steps.new for known in client.online_deployments.list(endpoint_name=endpoint.name)):
        client.online_deployments.begin_delete(name=steps.new, endpoint_name=str(endpoint.name)).result()
    _tag(client, model, "failed")
    return RolloutResult(
        Outcome.ROLLED_BACK, str(endpoint.name), steps.new, str(model.version), (reason,), tuple(changes)
    )


def _tag(client: "Client", model: Any, rollout: str) -> None:
    if (model.tags or {}).get("rollout") != rollout:
        model.tags = {**(model.tags or {}), "rollout": rollout}
        client.models.create_or_update(model)


def refuse_failed(result: RolloutResult) -> None:
    """Turn a rollout that was taken back into a failed run.

    Raises:
        RunFailedError: it was.
    """
    if result.outcome is Outcome.ROLLED_BACK:
        raise RunFailedError(f"{result.deployment} was taken back and tagged rollout=failed: {result.reasons[0]}")
