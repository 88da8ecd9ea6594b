"""Decides the next step of a rollout or rollback, and whether a new deployment may have traffic. Pure.

Every decision depends only on the current state of the endpoint. So a rollout that was killed continues when it runs
again, and one that another runner has overtaken does no harm.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from mlops.settings import Limits

LONGEST_NAME = 32


class Outcome(StrEnum):
    """The outcome of a rollout."""

    DEPLOYED = "DEPLOYED"
    UNCHANGED = "UNCHANGED"
    ROLLED_BACK = "ROLLED_BACK"


class Phase(IntEnum):
    """The phases of a rollout; every endpoint of the project ends one before the next begins."""

    PREPARE = 1
    WATCH = 2
    SWITCH = 3
    RETIRE = 4
    END = 5


class Action(StrEnum):
    """A step of a rollout or a rollback."""

    WITHDRAW = "withdraw"
    CLEAR = "clear"
    CREATE = "create"
    TEST = "test"
    SHARE = "share"
    WATCH = "watch"
    SWITCH = "switch"
    RETIRE = "retire"
    RESTORE = "restore"
    REMOVE = "remove"
    NOTHING = "nothing"


PHASES = {
    Action.WITHDRAW: Phase.PREPARE,
    Action.CLEAR: Phase.PREPARE,
    Action.CREATE: Phase.PREPARE,
    Action.TEST: Phase.PREPARE,
    Action.SHARE: Phase.WATCH,
    Action.WATCH: Phase.WATCH,
    Action.SWITCH: Phase.SWITCH,
    Action.RETIRE: Phase.RETIRE,
    Action.NOTHING: Phase.END,
}


@dataclass(frozen=True)
class Serving:
    """The state of an endpoint: its deployments, those that failed to start, and the shares of the traffic.

    The share of a deployment that does not exist counts as zero. A batch endpoint's default has all traffic.
    """

    deployments: frozenset[str]
    broken: frozenset[str] = frozenset()
    traffic: Mapping[str, int] = field(default_factory=dict)

    def share(self, name: str) -> int:
        """Return the share of a deployment, 0 if it does not exist."""
        return max(0, self.traffic.get(name, 0)) if name in self.deployments else 0

    def others(self, new: str) -> dict[str, int]:
        """Return the shares of the serving deployments, without the new one's."""
        return {name: self.share(name) for name in sorted(self.deployments - {new}) if self.share(name)}


@dataclass(frozen=True)
class Step:
    """An action, with the shares that it sets or the deployments that it deletes."""

    action: Action
    shares: Mapping[str, int] = field(default_factory=dict)
    delete: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """One request to a new deployment."""

    status: int
    milliseconds: float
    problem: str = ""


@dataclass(frozen=True)
class Observed:
    """A deployment's requests from callers, the failed ones among them, and the 95th percentile of their latency."""

    requests: float
    failures: float
    p95_milliseconds: float | None = None


def deployment_name(version: str) -> str:
    """Return the name of a model version's deployment: 3 to 32 characters, lower-case letters, digits, hyphens."""
    name = f"model-{version}".lower()
    if len(name) <= LONGEST_NAME:
        return name
    # Two long versions must not share a deployment.
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(version.encode()).hexdigest()[:8]}"


def forward(new: str, now: Serving, done: frozenset[Action] = frozenset(), share: int | None = None) -> Step:
    """Return the next step until the new deployment serves alone.

    A deployment that has all traffic has passed: only its predecessors remain to be removed.

    Args:
        new: the deployment's name.
        now: the state of the endpoint.
        done: the actions that this run of the rollout has already begun.
        share: the percentage that it gets first; None if the endpoint cannot split traffic.
    """
    others, mine = now.others(new), now.share(new)
    if mine and not others and Action.CREATE not in done:
        return _alone(new, now, mine)
    if new not in now.deployments and now.traffic.get(new) and Action.WITHDRAW not in done:
        # It would get traffic as soon as it exists, before its test.
        return Step(Action.WITHDRAW, whole(others))
    if new in now.broken and Action.CREATE not in done:
        return Step(Action.WITHDRAW, whole(others)) if mine else Step(Action.CLEAR, delete=(new,))
    if Action.CREATE not in done and not mine:
        return Step(Action.CREATE)
    if Action.TEST not in done:
        return Step(Action.TEST)
    if share is not None and others and not mine:
        return Step(Action.SHARE, {**whole(others, 100 - share), new: share})
    if share is not None and Action.WATCH not in done:
        return Step(Action.WATCH)
    return Step(Action.SWITCH, {new: 100}) if others or mine != 100 else _alone(new, now, mine)


def back(new: str, now: Serving, before: Mapping[str, int], is_ours: bool) -> Step:
    """Return the next step back to the old deployments; the new one keeps serving if no other can.

    Args:
        new: the deployment that is rolled back.
        now: the state of the endpoint.
        before: the shares of the others when the rollout began.
        is_ours: whether the new deployment is this rollout's to remove.
    """
    others, mine = now.others(new), now.share(new)
    able = now.deployments - (now.broken - others.keys())
    wanted = whole({name: part for name, part in before.items() if name in able}) or whole(others)
    if (mine or not others) and wanted:
        return Step(Action.RESTORE, wanted)
    if is_ours and not mine and new in now.deployments:
        return Step(Action.REMOVE, delete=(new,))
    return Step(Action.NOTHING)


def whole(shares: Mapping[str, int], total: int = 100) -> dict[str, int]:
    """Scale shares so that they add up to a total; without shares the result is empty."""
    known = {name: share for name, share in shares.items() if share > 0}
    if not known:
        return {}
    exact = {name: total * share / sum(known.values()) for name, share in known.items()}
    scaled = {name: math.floor(part) for name, part in exact.items()}
    for name in sorted(exact, key=lambda name: scaled[name] - exact[name])[: total - sum(scaled.values())]:
        scaled[name] += 1
    return {name: share for name, share in scaled.items() if share}


def verdict(probes: Sequence[Probe], limits: Limits) -> str | None:
    """Return why a deployment must not have traffic, or None if it is fit."""
    if not probes:
        return "it received no requests"
    failed = [probe for probe in probes if _failure(probe)]
    if len(failed) > limits.error_rate * len(probes):
        return f"{len(failed)} of {len(probes)} requests failed, the last with {_failure(failed[-1])}"
    measured = sorted(probe.milliseconds for probe in probes if math.isfinite(probe.milliseconds))
    return _slowness(measured[int(0.95 * (len(measured) - 1))], limits) if measured else None


def is_hopeless(probes: Sequence[Probe], planned: int, limits: Limits) -> bool:
    """Return whether so many probes have failed that the remaining ones cannot change the verdict."""
    return sum(1 for probe in probes if _failure(probe)) > limits.error_rate * planned


def verdict_of_callers(observed: Observed, limits: Limits) -> str | None:
    """Return why a deployment must lose its share, by the results of callers' requests, or None if it is fit."""
    if observed.failures > limits.error_rate * observed.requests:
        return f"{observed.failures:.0f} of {observed.requests:.0f} requests of callers failed"
    if observed.p95_milliseconds is None:
        return None
    slow = _slowness(observed.p95_milliseconds, limits)
    return f"callers waited too long: {slow}" if slow else None


def _alone(new: str, now: Serving, mine: int) -> Step:
    left = tuple(sorted(now.deployments - {new}))
    if mine != 100:
        return Step(Action.SWITCH, {new: 100})
    # The others may still be needed if this one did not start properly.
    return Step(Action.RETIRE, delete=left) if left and new not in now.broken else Step(Action.NOTHING)


def _failure(probe: Probe) -> str:
    if probe.problem or probe.status != 200:
        return probe.problem or str(probe.status)
    return "" if math.isfinite(probe.milliseconds) else "a time that is not a number"


def _slowness(milliseconds: float, limits: Limits) -> str | None:
    if milliseconds <= limits.milliseconds:
        return None
    return f"95 % of the requests took up to {milliseconds:.0f} ms, more than {limits.milliseconds:.0f} ms"
