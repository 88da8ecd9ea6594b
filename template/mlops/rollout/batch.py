"""Rolls out on the batch endpoint: a new deployment scores a sample before it becomes the default."""

import json
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from azure.ai.ml import load_batch_endpoint
from azure.ai.ml.entities._load_functions import load_model_batch_deployment

from mlops.data.batch_scoring import default_deployment, invoke
from mlops.errors import RunFailedError
from mlops.jobs.following import follow
from mlops.jobs.jobs import status_of
from mlops.paths import BATCH_DEPLOYMENT, BATCH_ENDPOINT, BATCH_ENVIRONMENT
from mlops.refusals.explain import is_missing
from mlops.rollout.plan import Serving, deployment_name
from mlops.rollout.protocol import NotFitError, bring_up
from mlops.rollout.smoke import SmokeTest, load_smoke_test
from mlops.storage import blob_path, container
from mlops.training.environments import register_environment

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

SMOKE_TESTS = "azureml://datastores/workspaceblobstore/paths/smoke-tests"


class Batch:
    """The batch endpoint in the rollout of one model version."""

    # A default has all of the traffic or none.
    share: int | None = None

    def __init__(self, client: "MLClient", model: Any, cleanup: ExitStack):
        self._client, self._model = client, model
        self._new = deployment_name(str(model.version))
        self.name = str(_ensure_endpoint(client).name)
        self._folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        self._known: SmokeTest | None = None

    def look(self) -> Serving:
        """Return the existing deployments; the default has all of the traffic."""
        from mlops.rollout.online import serving

        default = default_deployment(self._client.batch_endpoints.get(name=self.name))
        found = list(self._client.batch_deployments.list(endpoint_name=self.name))
        return serving(found, {default: 100} if default else {})

    def create(self) -> None:
        """Create the new deployment.

        Raises:
            NotFitError: it does not start.
        """
        self._smoke_test()
        deployment = load_deployment(self._client, self._model)
        bring_up(lambda: self._client.batch_deployments.begin_create_or_update(deployment))

    def test(self) -> None:
        """Score the model's input example with it.

        Raises:
            NotFitError: it fails or predicts wrong values.
        """
        known = self._smoke_test()
        problem = known.problem(json.dumps({"predictions": self._score_sample(known)}))
        if problem:
            raise NotFitError(problem)

    def watch(self) -> None:
        """Do nothing: a batch deployment has no callers before it is the default."""

    def give(self, shares: Mapping[str, int]) -> None:
        """Make the deployment with most of the traffic the default."""
        endpoint = self._client.batch_endpoints.get(name=self.name)
        default = max(shares, key=lambda name: shares[name], default=None)
        endpoint.defaults = {"deployment_name": default} if default else None
        self._client.batch_endpoints.begin_create_or_update(endpoint).result()

    def delete(self, name: str) -> None:
        """Delete a deployment."""
        self._client.batch_deployments.begin_delete(name=name, endpoint_name=self.name).result()

    def _smoke_test(self) -> SmokeTest:
        if self._known is None:
            self._known = load_smoke_test(self._client, self._model, self._folder / "model")
        return self._known

    def _score_sample(self, known: SmokeTest) -> list[Any]:
        sample = self._folder / "sample"
        sample.mkdir(exist_ok=True)
        request = json.loads(known.request.read_text(encoding="utf-8"))["input_data"]
        rows = pd.DataFrame(request["data"], columns=request["columns"])
        rows.to_json(sample / "rows.jsonl", orient="records", lines=True)
        target = f"{SMOKE_TESTS}/{self.name}/{uuid.uuid4().hex}.jsonl"
        job = invoke(self._client, self.name, sample, target, self._new)
        try:
            follow(self._client, job)
        except RunFailedError as error:
            if status_of(self._client.jobs.get(job)) == "Canceled":
                raise
            raise NotFitError(f"it did not score a sample: {error}") from error
        return _predictions(self._client, target, job)


def load_deployment(client: "MLClient", model: Any) -> Any:
    """Load the deployment's YAML and set the values of a rollout: its name, model version and environment version."""
    deployment = load_model_batch_deployment(BATCH_DEPLOYMENT)
    deployment.name = deployment_name(str(model.version))
    deployment.model = f"azureml:{model.name}:{model.version}"
    deployment.environment = register_environment(client, BATCH_ENVIRONMENT)
    return deployment


def _predictions(client: "MLClient", target: str, job: str) -> list[Any]:
    """Return the predictions that a job wrote to a file, or into files below it.

    Raises:
        NotFitError: there are none.
    """
    store = container(client)
    names = [name for name in store.names(blob_path(target)) if not name.endswith("/")]
    lines = [line for name in names for line in store.read(name).decode(errors="replace").splitlines()]
    if not lines:
        raise NotFitError(f"its job {job} scored a sample, but wrote no rows to {target}")
    try:
        return [json.loads(line)["prediction"] for line in lines if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        raise NotFitError(f"its job {job} wrote {lines[0][:200]!r}, which holds no prediction") from error


def _ensure_endpoint(client: "MLClient") -> Any:
    definition = load_batch_endpoint(BATCH_ENDPOINT)
    try:
        return client.batch_endpoints.get(name=str(definition.name))
    except Exception as error:
        if not is_missing(error):
            raise
    client.batch_endpoints.begin_create_or_update(definition).result()
    return client.batch_endpoints.get(name=str(definition.name))
