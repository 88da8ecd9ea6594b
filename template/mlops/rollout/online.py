"""Rolls out on the online endpoint: its deployments, their shares of the traffic, and the requests of the new one."""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_online_deployment, load_online_endpoint

from mlops.data.scoring import Scorer
from mlops.paths import ONLINE_DEPLOYMENT, ONLINE_ENDPOINT, SERVING_ENVIRONMENT
from mlops.refusals.explain import is_missing
from mlops.rollout.observed import AzureMonitor, NotObservableError
from mlops.rollout.plan import Probe, Serving, deployment_name, is_hopeless, verdict, verdict_of_callers
from mlops.rollout.protocol import NotFitError, bring_up
from mlops.rollout.smoke import SmokeTest, load_smoke_test
from mlops.settings import Limits, RolloutSettings
from mlops.training.environments import register_environment
from mlops.workspace import is_local

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


BROKEN, DELETING = ("failed", "canceled"), "deleting"
SECONDS_BETWEEN_LOOKS = {True: 0.5, False: 15.0}


class Online:
    """The online endpoint in the rollout of one model version."""

    def __init__(
        self,
        client: "MLClient",
        model: Any,
        settings: RolloutSettings,
        report: Callable[[str], None],
        cleanup: ExitStack,
    ):
        self._client, self._model, self._settings, self._report = client, model, settings, report
        self._new = deployment_name(str(model.version))
        self.name = str(_ensure_endpoint(client).name)
        self.share: int | None = settings.share
        self._scorer = cleanup.enter_context(Scorer(client, self.name))
        self._folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        self._known: SmokeTest | None = None
        self._probes: list[Probe] = []

    def look(self) -> Serving:
        """Return the existing deployments and their shares of the traffic."""
        endpoint = self._client.online_endpoints.get(name=self.name)
        found = list(self._client.online_deployments.list(endpoint_name=self.name))
        return serving(found, endpoint.traffic or {})

    def create(self) -> None:
        """Create the new deployment.

        Raises:
            NotFitError: it does not start.
        """
        # Check first that the version can be tested, before a machine costs money.
        self._smoke_test()
        deployment = load_deployment(self._client, self._model)
        bring_up(lambda: self._client.online_deployments.begin_create_or_update(deployment))

    def test(self) -> None:
        """Request the predictions that the model made at its training, before the deployment gets traffic.

        Raises:
            NotFitError: its answer differs, is missing or is slow.
        """
        _refuse(self._probe().problem)
        self._probe_often()

    def watch(self) -> None:
        """Send probes while it has its share of the traffic, and watch the results of callers' requests for a while.

        Raises:
            NotFitError: it fails or is slow.
        """
        endpoint = self._client.online_endpoints.get(name=self.name)
        if not self.look().share(self._new):
            return
        seconds = self._settings.watch_seconds(is_local(self._client))
        observe = AzureMonitor(self._client, str(endpoint.id), self._new)
        self._probe_often()
        if seconds:
            self._report(f"watching its callers for {seconds / 60:.3g} minutes" if seconds >= 60 else "watching")
            self._watch_callers(observe, seconds, self._settings.limits)

    def give(self, shares: Mapping[str, int]) -> None:
        """Set the shares of the traffic and change nothing else of the endpoint."""
        endpoint = self._client.online_endpoints.get(name=self.name)
        endpoint.traffic = dict(shares)
        if endpoint.mirror_traffic and len(shares) == 1:
            # A deployment that mirrors traffic cannot be deleted.
            endpoint.mirror_traffic = {}
        self._client.online_endpoints.begin_create_or_update(endpoint).result()

    def delete(self, name: str) -> None:
        """Delete a deployment."""
        self._client.online_deployments.begin_delete(name=name, endpoint_name=self.name).result()

    def _watch_callers(self, observe: AzureMonitor, seconds: float, limits: Limits) -> None:
        """Check the results of callers' requests until the time is over, with a probe at each check.

        If they cannot be read, a message says so, and the probes alone decide.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(SECONDS_BETWEEN_LOOKS[is_local(self._client)], left))
            try:
                seen = observe()
            except NotObservableError as error:
                self._report(
                    "The results of callers' requests cannot be read, "
                    f"so its {len(self._probes)} probes decide. {error}"
                )
                return
            _refuse(verdict_of_callers(seen, limits))
            self._probes.append(self._probe())
            _refuse(verdict(self._probes, limits))
        self._report(f"{seen.requests:.0f} requests of callers, {seen.failures:.0f} failed")

    def _probe_often(self) -> None:
        planned, limits = self._settings.probes, self._settings.limits
        self._probes = []
        while len(self._probes) < planned and not is_hopeless(self._probes, planned, limits):
            self._probes.append(self._probe())
        _refuse(verdict(self._probes, limits))

    def _smoke_test(self) -> SmokeTest:
        if self._known is None:
            self._known = load_smoke_test(self._client, self._model, self._folder)
        return self._known

    def _probe(self) -> Probe:
        known = self._smoke_test()
        answer = self._scorer.ask(known.request.read_bytes(), self._new)
        problem = known.problem(answer.text) if answer.status == 200 else answer.reason()
        return Probe(answer.status, answer.milliseconds, problem or "")


def serving(deployments: list[Any], traffic: Mapping[str, Any]) -> Serving:
    """Return the state that a list of deployments and the shares of the traffic describe.

    The SDK writes the names in the shares in lower case, whatever the deployments' names.
    """
    state = {str(known.name): str(known.provisioning_state or "").lower() for known in deployments}
    called = {name.lower(): name for name in state}
    shares = {called.get(name.lower(), name): int(share or 0) for name, share in traffic.items()}
    names = frozenset(name for name, provisioning in state.items() if provisioning != DELETING or shares.get(name))
    return Serving(names, frozenset(name for name in names if state[name] in BROKEN), shares)


def load_deployment(client: "MLClient", model: Any) -> Any:
    """Load the deployment's YAML and set the values of a rollout: its name, model version and environment version."""
    deployment = load_online_deployment(ONLINE_DEPLOYMENT)
    deployment.name = deployment_name(str(model.version))
    deployment.model = f"azureml:{model.name}:{model.version}"
    deployment.environment = register_environment(client, SERVING_ENVIRONMENT)
    return deployment


def _refuse(problem: str | None) -> None:
    if problem:
        raise NotFitError(problem)


def _ensure_endpoint(client: "MLClient") -> Any:
    definition = load_online_endpoint(ONLINE_ENDPOINT)
    try:
        return client.online_endpoints.get(name=str(definition.name))
    except Exception as error:
        if not is_missing(error):
            raise
    client.online_endpoints.begin_create_or_update(definition).result()
    return client.online_endpoints.get(name=str(definition.name))
