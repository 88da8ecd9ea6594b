"""Rolls a model version out on every endpoint of the project; anything wrong puts the old deployments back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import RunFailedError, WrongInputError
from mlops.files import read_json, write_json
from mlops.monitor import bind
from mlops.project import BATCH_ENDPOINT, ONLINE_ENDPOINT, STATE, model_name
from mlops.reference import register_reference
from mlops.rollout import Limits, Outcome, deployment_name
from mlops.rollout_steps import NotFitError, Rollout, TrafficChange

if TYPE_CHECKING:
    from mlops.client import Client

Say = Callable[[str], None]


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended, and why."""

    outcome: Outcome
    endpoints: tuple[str, ...]
    deployment: str
    version: str
    reason: str
    traffic: tuple[TrafficChange, ...] = ()


def deploy(
    client: "Client", version: str | None = None, limits: Limits | None = None, say: Say = print
) -> RolloutResult:
    """Have a model version serve on every endpoint, after tests that leave the old one serving.

    The same call twice changes nothing; a rollout that was interrupted goes on. A deployment that does not come up,
    answers wrongly or slowly is removed, its version tagged `rollout=failed`, and the old one goes on alone.

    Raises:
        WrongInputError: there is no such version, or nothing to deploy.
    """
    model = version_to_deploy(client, version)
    result = _roll_out(client, model, limits or Limits(), say)
    _tag(client, model, "failed" if result.outcome is Outcome.ROLLED_BACK else "deployed")
    write_json(_record(result.version), asdict(result))
    return result


def _roll_out(client: "Client", model: Any, limits: Limits, say: Say) -> RolloutResult:
    number = str(model.version)
    register_reference(client, model)
    rollouts = rollouts_of(client, number, limits, say)
    name, endpoints = deployment_name(number), tuple(rollout.endpoint for rollout in rollouts)
    changing = [rollout for rollout in rollouts if not rollout.unchanged()]
    try:
        for rollout in changing:
            rollout.prepare(model)
        for rollout in changing:
            rollout.switch()
    except NotFitError as error:
        for rollout in changing:
            rollout.abandon()
        return RolloutResult(Outcome.ROLLED_BACK, endpoints, name, number, str(error), _changes(rollouts))
    for rollout in changing:
        rollout.retire()
    bind(client, name, number)
    if not changing:
        return RolloutResult(Outcome.UNCHANGED, endpoints, name, number, "it serves alone already")
    return RolloutResult(Outcome.DEPLOYED, endpoints, name, number, "it answered as it should", _changes(rollouts))


def read_rollout(version: str) -> dict[str, Any]:
    """Return how the last rollout of a model version from this machine ended.

    Raises:
        RunFailedError: there was none, or it was taken back.
    """
    if not _record(version).exists():
        raise RunFailedError(f"Version {version} was not rolled out.")
    record: dict[str, Any] = read_json(_record(version))
    if record["outcome"] == Outcome.ROLLED_BACK:
        raise RunFailedError(f"{record['deployment']} was taken back: {record['reason']}")
    return record


def _record(version: str) -> Path:
    return STATE / "rollouts" / f"{version}.json"


def rollouts_of(client: "Client", version: str, limits: Limits, say: Say) -> list[Rollout]:
    """Return the rollout on each endpoint that the project has."""
    rollouts: list[Rollout] = []
    if BATCH_ENDPOINT.exists():
        from mlops.batch import BatchRollout

        rollouts.append(BatchRollout(client, version, say))
    if ONLINE_ENDPOINT.exists():
        from mlops.online import OnlineRollout

        rollouts.append(OnlineRollout(client, version, limits, say))
    return rollouts


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
    return max(standing, key=lambda model: int(str(model.version)))


def refuse_failed(result: RolloutResult) -> None:
    """Turn a rollout that was taken back into a failed run.

    Raises:
        RunFailedError: it was.
    """
    if result.outcome is Outcome.ROLLED_BACK:
        raise RunFailedError(f"{result.deployment} was taken back and tagged rollout=failed: {result.reason}")


def _changes(rollouts: list[Rollout]) -> tuple[TrafficChange, ...]:
    return tuple(change for rollout in rollouts for change in rollout.changes)


def _tag(client: "Client", model: Any, rollout: str) -> None:
    if (model.tags or {}).get("rollout") != rollout:
        model.tags = {**(model.tags or {}), "rollout": rollout}
        client.models.create_or_update(model)
