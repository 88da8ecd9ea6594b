"""Simulates the state of an endpoint, to test a rollout in every possible state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from azure.core.exceptions import HttpResponseError

from mlops.rollout.plan import Serving
from mlops.rollout.protocol import NotFitError, Rollout, roll_out

NEW = "model-2"


class Killed(BaseException):
    """The process was killed: its later calls have no effect."""


def refusal() -> HttpResponseError:
    return HttpResponseError("(AuthorizationFailed) The client does not have authorization to perform this.")


@dataclass(frozen=True)
class Fault:
    """A fault at a call. `at` counts all calls of a run; `is_late` means after the call's effect."""

    at: int
    kind: str  # refused, refused permanently, interrupted, killed
    is_late: bool = False


@dataclass
class World:
    """Endpoints under one rollout, with their faults and the rules that must never be broken."""

    fault: Fault | None = None
    calls: int = 0
    is_dead: bool = False
    violations: list[str] = field(default_factory=list)

    def arrive(self) -> None:
        if self.is_dead:
            raise Killed
        if self.fault and self.fault.kind == "refused for good" and self.calls > self.fault.at:
            self.calls += 1
            raise refusal()
        self._strike(is_late=False)

    def leave(self) -> None:
        self._strike(is_late=True)
        self.calls += 1

    def _strike(self, is_late: bool) -> None:
        if not self.fault or self.fault.at != self.calls or self.fault.is_late != is_late:
            return
        self.calls += 1
        if self.fault.kind == "killed":
            self.is_dead = True
            raise Killed
        raise KeyboardInterrupt if self.fault.kind == "interrupted" else refusal()


class Simulated:
    """An online endpoint, or a batch endpoint if it has no share; it refuses what Azure refuses."""

    def __init__(self, world: World, deployments: Mapping[str, str], traffic: Mapping[str, int], share: int | None):
        self.name, self.share = "endpoint", share
        self.world, self.deployments, self.traffic = world, dict(deployments), dict(traffic)
        self.unfit = ""
        self.log: list[str] = []

    def serving(self) -> dict[str, int]:
        return {name: share for name, share in self.traffic.items() if share and name in self.deployments}

    def look(self) -> Serving:
        self.world.arrive()
        broken = frozenset(name for name, state in self.deployments.items() if state == "broken")
        seen = Serving(frozenset(self.deployments), broken, dict(self.traffic))
        self.world.leave()
        return seen

    def create(self) -> None:
        self._call("create", self._create)

    def test(self) -> None:
        self._call("test", lambda: self._judge("test"))

    def watch(self) -> None:
        self._call("watch", lambda: self._judge("watch"))

    def give(self, shares: Mapping[str, int]) -> None:
        self._call(f"give {dict(shares)}", lambda: self._give(shares))

    def delete(self, name: str) -> None:
        self._call(f"delete {name}", lambda: self._delete(name))

    def _call(self, what, work) -> None:
        self.world.arrive()
        self.log.append(what)
        served = self.serving()
        try:
            work()
        finally:
            if served and not self.serving():
                self.world.violations.append(f"{what}: {served} served, and now nobody does")
        self.world.leave()

    def _create(self) -> None:
        self.deployments[NEW] = "broken" if self.unfit == "create" else "sound"
        self._judge("create")

    def _judge(self, step: str) -> None:
        if self.deployments.get(NEW) is None:
            self.world.violations.append(f"{step} of a deployment that does not exist")
        if self.unfit == step:
            raise NotFitError(step)

    def _give(self, shares: Mapping[str, int]) -> None:
        if sum(shares.values()) != (100 if shares else 0) or not shares.keys() <= self.deployments.keys():
            self.world.violations.append(f"{dict(shares)} is not a valid traffic of {sorted(self.deployments)}")
            raise refusal()
        self.traffic = dict(shares)

    def _delete(self, name: str) -> None:
        if self.serving().get(name):
            self.world.violations.append(f"{name} was to be deleted while it serves")
            raise refusal()
        self.deployments.pop(name)


def run(*endpoints: Simulated) -> str:
    """Roll out version 2; return `serves`, `unfit`, or the kind of interruption."""
    try:
        problem = roll_out([Rollout(endpoint, "2", lambda line: None) for endpoint in endpoints])
    except Killed:
        return "killed"
    except KeyboardInterrupt:
        return "interrupted"
    except Exception as error:
        return f"refused: {error}"
    return "unfit" if problem else "serves"
