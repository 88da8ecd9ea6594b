"""A rollout's pure decisions: names, what has to change, and whether a new deployment is fit for traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a rollout ended."""

    DEPLOYED = "DEPLOYED"
    UNCHANGED = "UNCHANGED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True)
class Plan:
    """What a rollout of one version does to the deployments that exist."""

    new: str
    create: bool
    keep_serving: str | None
    delete: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether the version serves alone already."""
        return not self.create and self.keep_serving is None and not self.delete


@dataclass(frozen=True)
class Probe:
    """One request to a new deployment."""

    status: int
    milliseconds: float
    problem: str = ""


@dataclass(frozen=True)
class Limits:
    """What a new deployment must keep while it has a share of the traffic."""

    error_rate: float = 0.0
    milliseconds: float = 1000.0


def deployment_name(version: str) -> str:
    """Return the name of a model version's deployment: 3 to 32 characters, letters, digits and hyphens."""
    return f"model-{version}"[:32]


def plan(version: str, existing: Sequence[str], traffic: Mapping[str, int]) -> Plan:
    """Return what leads from the deployments there are to this version serving alone.

    A deployment without traffic is what an earlier rollout left when it was interrupted: one of this version's
    name is made anew, any other is deleted.
    """
    new = deployment_name(version)
    serving = [name for name in existing if traffic.get(name, 0) > 0 and name != new]
    old = max(serving, key=lambda name: traffic[name], default=None)
    stands = new in existing and traffic.get(new, 0) > 0
    return Plan(new, create=not stands, keep_serving=old, delete=tuple(name for name in existing if name != new))


def verdict(probes: Sequence[Probe], limits: Limits) -> str | None:
    """Return why a deployment must not have traffic, or None if it is fit."""
    if not probes:
        return "it was never asked anything"
    failed = [probe for probe in probes if probe.problem or probe.status != 200]
    if len(failed) > limits.error_rate * len(probes):
        worst = failed[-1]
        return f"{len(failed)} of {len(probes)} requests failed, the last with {worst.problem or worst.status}"
    slow = sorted(probe.milliseconds for probe in probes)[int(0.95 * (len(probes) - 1))]
    if slow > limits.milliseconds:
        return f"95 % of the requests took up to {slow:.0f} ms, more than {limits.milliseconds:.0f} ms"
    return None
