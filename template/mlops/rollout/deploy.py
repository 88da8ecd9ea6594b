"""Rolls a model version out on every endpoint of the project; a failure restores the old deployments."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError

from mlops.errors import RunFailedError
from mlops.files import read_json, write_json
from mlops.lock import alone
from mlops.monitoring.reference import register_reference
from mlops.monitoring.schedule import bind
from mlops.paths import BATCH_ENDPOINT, ONLINE_ENDPOINT, STATE
from mlops.refusals.explain import explained
from mlops.registry import version_to_deploy
from mlops.rollout.plan import Outcome, deployment_name
from mlops.rollout.protocol import Endpoint, Rollout, TrafficChange, roll_out
from mlops.settings import RolloutSettings, load_settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

Report = Callable[[str], None]


@dataclass(frozen=True)
class RolloutResult:
    """The outcome of a rollout and its reason."""

    outcome: Outcome
    endpoints: tuple[str, ...]
    deployment: str
    version: str
    reason: str
    traffic: tuple[TrafficChange, ...] = ()


def deploy(
    client: "MLClient", version: str | None = None, settings: RolloutSettings | None = None, report: Report = print
) -> RolloutResult:
    """Have a model version serve on every endpoint, after tests during which the old one serves.

    The same call twice changes nothing; an interrupted rollout continues. A deployment that does not start, or answers
    wrongly or slowly, is removed, its version is tagged `rollout=failed`, and the old one serves alone. A refusal of
    Azure is not a fault of the model: everything is restored, and nothing is tagged.

    Args:
        client: the client.
        version: the model version; without it the newest whose rollout has not failed.
        settings: the limits of the new deployment, in place of `rollout` in infra/project.yml.
        report: receives a message for each step.

    Raises:
        WrongInputError: there is no such version, or nothing to deploy.
        RunFailedError: Azure refused, or another rollout of this project is running.
    """
    settings = settings or load_settings().rollout
    with alone(STATE / "deploy.lock", "Another `mlops deploy` of this project is running: wait until it has ended."):
        model = version_to_deploy(client, version)
        result = _roll_out(client, model, settings, report)
        write_json(_record(result.version), asdict(result))
        _tag(client, model, result)
        return result


def _roll_out(client: "MLClient", model: Any, settings: RolloutSettings, report: Report) -> RolloutResult:
    number = str(model.version)
    register_reference(client, model)
    with ExitStack() as cleanup:
        endpoints = _endpoints(client, model, settings, report, cleanup)
        rollouts = [Rollout(endpoint, number, report) for endpoint in endpoints]
        try:
            problem = roll_out(rollouts)
        except AzureError as error:
            raise RunFailedError(
                f"{explained(error)} The old deployments serve again, and version {number} is not tagged: "
                "this is not a fault of the model."
            ) from error
    if problem:
        outcome, reason = Outcome.ROLLED_BACK, problem
    elif all(rollout.is_unchanged for rollout in rollouts):
        outcome, reason = Outcome.UNCHANGED, "it already serves alone"
    else:
        outcome, reason = Outcome.DEPLOYED, "it answered as it should"
    if not problem:
        bind(client, deployment_name(number), number)
    changes = tuple(change for rollout in rollouts for change in rollout.changes)
    names = tuple(rollout.name for rollout in rollouts)
    return RolloutResult(outcome, names, deployment_name(number), number, reason, changes)


def read_rollout(version: str) -> dict[str, Any]:
    """Return the outcome of the last rollout of a model version from this machine.

    Raises:
        RunFailedError: there was none, or it was rolled back.
    """
    if not _record(version).exists():
        raise RunFailedError(f"Version {version} was not rolled out.")
    record: dict[str, Any] = read_json(_record(version))
    if record["outcome"] == Outcome.ROLLED_BACK:
        raise RunFailedError(f"{record['deployment']} was rolled back: {record['reason']}")
    return record


def _record(version: str) -> Path:
    return STATE / "rollouts" / f"{version}.json"


def _endpoints(
    client: "MLClient", model: Any, settings: RolloutSettings, report: Report, cleanup: ExitStack
) -> list[Endpoint]:
    """Return the endpoints that the project has."""
    endpoints: list[Endpoint] = []
    if BATCH_ENDPOINT.exists():
        from mlops.rollout.batch import Batch

        endpoints.append(Batch(client, model, cleanup))
    if ONLINE_ENDPOINT.exists():
        from mlops.rollout.online import Online

        endpoints.append(Online(client, model, settings, report, cleanup))
    return endpoints


def raise_if_rolled_back(result: RolloutResult) -> None:
    """Raise an error if a rollout was rolled back.

    Raises:
        RunFailedError: it was rolled back.
    """
    if result.outcome is Outcome.ROLLED_BACK:
        raise RunFailedError(f"{result.deployment} was rolled back and tagged rollout=failed: {result.reason}")


def _tag(client: "MLClient", model: Any, result: RolloutResult) -> None:
    """Tag the version with the outcome of its rollout.

    Raises:
        RunFailedError: Azure refused.
    """
    rollout = "failed" if result.outcome is Outcome.ROLLED_BACK else "deployed"
    if (model.tags or {}).get("rollout") == rollout:
        return
    model.tags = {**(model.tags or {}), "rollout": rollout}
    try:
        client.models.create_or_update(model)
    except AzureError as error:
        ended = f"{result.outcome}: {result.reason}. But version {result.version} could not be tagged rollout={rollout}"
        raise RunFailedError(f"{ended}, so the next rollout treats it as new. {explained(error)}") from error
