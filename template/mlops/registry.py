"""Decides which version of a model counts: the champion, and the one to roll out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops.errors import WrongInputError
from mlops.paths import model_name
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FAILED = "failed"


def newest_standing(rollouts: Mapping[str, str | None]) -> str | None:
    """Return the newest version whose rollout has not failed, None if there is none.

    Args:
        rollouts: the tag `rollout` of each version, None if nobody has tried to roll it out yet.
    """
    standing = [version for version, state in rollouts.items() if state != FAILED]
    return max(standing, key=int, default=None)


def rollouts_of(client: "MLClient", name: str) -> dict[str, str | None]:
    """Return the versions of a model with the state of their rollout."""
    return {version: tags.get("rollout") for version, tags in tags_of(client, name).items()}


def tags_of(client: "MLClient", name: str) -> dict[str, dict[str, str]]:
    """Return the versions of a model with their tags, none if there is no model yet."""
    try:
        models = list(client.models.list(name=name))
    except Exception as error:
        if not is_missing(error):
            raise
        return {}
    return {str(model.version): dict(model.tags or {}) for model in models if str(model.version).isdecimal()}


def version_to_deploy(client: "MLClient", wanted: str | None) -> Any:
    """Return the wanted model version, or the newest whose rollout has not failed.

    Raises:
        WrongInputError: there is none.
    """
    name = model_name()
    try:
        if wanted:
            return client.models.get(name, version=wanted)
        known = {str(model.version): model for model in client.models.list(name=name) if str(model.version).isdecimal()}
    except Exception as error:
        if not is_missing(error):
            raise
        raise WrongInputError(f"There is no model {name}{f' with version {wanted}' if wanted else ''}.") from error
    newest = newest_standing({version: (model.tags or {}).get("rollout") for version, model in known.items()})
    if newest is None:
        raise WrongInputError(f"There is no version of the model {name} to deploy: run `mlops train` first.")
    return known[newest]
