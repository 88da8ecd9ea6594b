"""The online endpoint's rollout: smoke test, a share of the traffic, all of it."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_online_deployment, load_online_endpoint
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from mlops.project import ONLINE_DEPLOYMENT, ONLINE_ENDPOINT, SERVING_ENVIRONMENT
from mlops.rollout import Limits, Probe, deployment_name, plan, verdict
from mlops.rollout_steps import NotFitError, TrafficChange
from mlops.smoke import SmokeTest, load_smoke_test
from mlops.training import register_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.client import Client

SHARE = 10
PROBES = 20


class OnlineRollout:
    """The rollout of a model version on the online endpoint."""

    def __init__(self, client: "Client", version: str, limits: Limits, say: "Callable[[str], None]"):
        self._client, self._limits, self._say = client, limits, say
        self._entity = _ensure_endpoint(client)
        self.endpoint = str(self._entity.name)
        self.changes: list[TrafficChange] = []
        self._plan = plan(version, self._existing(), dict(self._entity.traffic or {}))
        self._smoke: SmokeTest | None = None

    def unchanged(self) -> bool:
        """Return whether the version has all traffic already."""
        return self._plan.changes_nothing

    def prepare(self, model: Any) -> None:
        """Create the deployment and ask it for the predictions that the model made when it was trained.

        Raises:
            NotFitError: it does not come up or answers wrongly.
        """
        self._folder = tempfile.TemporaryDirectory()
        self._smoke = load_smoke_test(self._client, model, Path(self._folder.name))
        if self._plan.create:
            self._say(f"creating {self._plan.new}")
            self._create(model)
            self._say("smoke test")
            problem = self._smoke.problem(self._ask()[1])
            if problem:
                raise NotFitError(problem)

    def switch(self) -> None:
        """Give it a share of the traffic, watch errors and latency, then give it all.

        Raises:
            NotFitError: it fails or is slow.
        """
        if self._plan.keep_serving:
            self._say(f"{SHARE} % of the traffic")
            self._set_traffic({self._plan.keep_serving: 100 - SHARE, self._plan.new: SHARE})
        problem = verdict([self._probe() for _ in range(PROBES)], self._limits)
        if problem:
            raise NotFitError(problem)
        self._say("all traffic")
        self._set_traffic({self._plan.new: 100})

    def abandon(self) -> None:
        """Give the old deployment all traffic and delete the new one."""
        self._say(f"taking {self._plan.new} back")
        self._set_traffic({self._plan.keep_serving: 100} if self._plan.keep_serving else {})
        self._delete([self._plan.new])

    def retire(self) -> None:
        """Delete the deployments without traffic."""
        self._delete(self._plan.delete)

    def _delete(self, names: "tuple[str, ...] | list[str]") -> None:
        for name in set(names) & set(self._existing()):
            self._say(f"deleting {name}")
            self._client.online_deployments.begin_delete(name=name, endpoint_name=self.endpoint).result()

    def _existing(self) -> list[str]:
        return [str(known.name) for known in self._client.online_deployments.list(endpoint_name=self.endpoint)]

    def _create(self, model: Any) -> None:
        deployment = load_deployment(self._client, model)
        try:
            self._client.online_deployments.begin_create_or_update(deployment).result()
        except AzureError as error:
            raise NotFitError(f"it did not come up: {error}") from error

    def _ask(self) -> tuple[int, str]:
        assert self._smoke
        try:
            return 200, self._client.online_endpoints.invoke(
                endpoint_name=self.endpoint, request_file=str(self._smoke.request), deployment_name=self._plan.new
            )
        except HttpResponseError as error:
            return int(error.status_code or 0), str(error.message)

    def _probe(self) -> Probe:
        assert self._smoke
        started = time.perf_counter()
        status, answer = self._ask()
        milliseconds = 1000 * (time.perf_counter() - started)
        return Probe(status, milliseconds, (self._smoke.problem(answer) or "") if status == 200 else answer)

    def _set_traffic(self, shares: dict[str, int]) -> None:
        self._entity.traffic = shares
        self._client.online_endpoints.begin_create_or_update(self._entity).result()
        self.changes.append(TrafficChange(time.time(), shares))


def load_deployment(client: "Client", model: Any) -> Any:
    """Load the deployment's YAML and fix what a rollout decides: its name, model version and environment version."""
    deployment = load_online_deployment(ONLINE_DEPLOYMENT)
    deployment.name = deployment_name(str(model.version))
    deployment.model = f"azureml:{model.name}:{model.version}"
    deployment.environment = register_environment(client, SERVING_ENVIRONMENT)
    return deployment


def _ensure_endpoint(client: "Client") -> Any:
    definition = load_online_endpoint(ONLINE_ENDPOINT)
    try:
        return client.online_endpoints.get(name=str(definition.name))
    except ResourceNotFoundError:
        client.online_endpoints.begin_create_or_update(definition).result()
        return client.online_endpoints.get(name=str(definition.name))
