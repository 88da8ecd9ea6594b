"""Carries a rollout out on one endpoint, step by step, and rolls it back."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from azure.core.exceptions import AzureError

from mlops.console import warn
from mlops.errors import RunFailedError
from mlops.refusals.explain import code_of, explained
from mlops.rollout.plan import PHASES, Action, Phase, Serving, Step, back, deployment_name, forward

# A rollout has eight steps; an endpoint that needs more does not follow its instructions.
MOST_STEPS = 20
# Seconds to wait between attempts to restore the traffic.
PAUSES = (1.0, 4.0, 15.0)
TRAFFIC = (Action.WITHDRAW, Action.SHARE, Action.SWITCH, Action.RESTORE)
# Possible statuses of a failed operation if the deployment itself was at fault.
ENDED_BADLY = (200, 201, 202, 400)
# Reasons for a failed start that do not depend on the model: codes, and words of the first line.
NOT_THE_MODEL = ("quota", "capacity", "authoriz", "forbidden", "cancel", "internalserver", "unavailable", "conflict")
NOT_THE_MODEL_EITHER = ("quota", "out of capacity", "pull permission", "does not have authorization", "not authorized")


@dataclass(frozen=True)
class TrafficChange:
    """The shares of the deployments from a point in time on, in seconds since 1970."""

    at: float
    shares: dict[str, int]


class NotFitError(Exception):
    """A new deployment must not serve; the message says why."""


class Endpoint(Protocol):
    """The interface of an endpoint to a rollout.

    `share` is the percentage that a new deployment gets first, if possible.
    """

    name: str
    share: int | None

    def look(self) -> Serving:
        """Return the existing deployments and their shares."""

    def create(self) -> None:
        """Create the new deployment.

        Raises:
            NotFitError: it does not start.
        """

    def test(self) -> None:
        """Ask the new deployment for predictions that are known.

        Raises:
            NotFitError: its answer differs.
        """

    def watch(self) -> None:
        """Check the new deployment by its requests, including those of callers if it has traffic.

        Raises:
            NotFitError: it fails or is slow.
        """

    def give(self, shares: Mapping[str, int]) -> None:
        """Set the shares of the traffic."""

    def delete(self, name: str) -> None:
        """Delete a deployment."""


class Rollout:
    """The rollout of a model version on one endpoint."""

    def __init__(self, endpoint: Endpoint, version: str, report: Callable[[str], None]):
        self._endpoint, self._new, self._report = endpoint, deployment_name(version), report
        now = endpoint.look()
        self._before, self._had_share = now.others(self._new), bool(now.share(self._new))
        self._done: set[Action] = set()
        self.name = endpoint.name
        self.changes: list[TrafficChange] = []
        self.is_unchanged = forward(self._new, now, share=endpoint.share).action is Action.NOTHING

    def proceed(self, last: Phase) -> None:
        """Continue to the end of a phase.

        Raises:
            NotFitError: the new deployment must not serve.
        """
        for _ in range(MOST_STEPS):
            step = forward(self._new, self._endpoint.look(), frozenset(self._done), self._endpoint.share)
            if PHASES[step.action] > last:
                return
            self._do(step)
        raise RunFailedError(
            f"The endpoint {self.name} does not reach the requested state: another rollout may be changing it. "
            "Run `mlops deploy` again."
        )

    @property
    def may_have_traffic(self) -> bool:
        """Return whether the new deployment may have traffic that it must lose."""
        return self._had_share or bool(self._done & {Action.SHARE, Action.SWITCH})

    def roll_back(self) -> None:
        """Restore the old deployments, and remove the new one if it has no traffic.

        A deployment that cannot be removed is reported and left: it has no traffic, and the next rollout removes it.
        """
        is_ours = self._had_share or Action.CREATE in self._done
        for _ in range(MOST_STEPS):
            step = back(self._new, self._endpoint.look(), self._before, is_ours)
            if step.action is not Action.RESTORE:
                break
            self._do(step)
        if step.action is Action.REMOVE:
            try:
                self._do(step)
            except Exception as error:
                warn(f"{self._new} could not be deleted; it has no traffic. {explained(error)}")

    def _do(self, step: Step) -> None:
        self._done.add(step.action)
        for line in self._lines(step):
            self._report(line)
        match step.action:
            case Action.CREATE:
                self._endpoint.create()
            case Action.TEST:
                self._endpoint.test()
            case Action.WATCH:
                self._endpoint.watch()
            case _:
                if step.action in TRAFFIC:
                    self._endpoint.give(step.shares)
                    self.changes.append(TrafficChange(time.time(), dict(step.shares)))
                for name in step.delete:
                    self._endpoint.delete(name)

    def _lines(self, step: Step) -> Iterable[str]:
        yield from {
            Action.WITHDRAW: (f"{self._new} does not run: removing its traffic",),
            Action.CREATE: (f"creating {self._new}",),
            Action.TEST: ("smoke test",),
            Action.SHARE: (f"{step.shares.get(self._new, 0)} % of the traffic",),
            Action.SWITCH: ("all traffic",) if self._endpoint.share is not None else (),
            Action.RESTORE: (f"rolling {self._new} back",),
        }.get(step.action, ())
        yield from (f"deleting {name}" for name in step.delete)


def roll_out(rollouts: list[Rollout]) -> str | None:
    """Roll out on every endpoint; return why the version was rolled back, None if it serves.

    Any error before it has all traffic first restores the endpoints, and is then raised.

    Raises:
        RunFailedError: Azure also refused to restore the traffic, or to delete an old deployment.
    """
    changing = [rollout for rollout in rollouts if not rollout.is_unchanged]
    try:
        for phase in (Phase.PREPARE, Phase.WATCH, Phase.SWITCH):
            for rollout in changing:
                rollout.proceed(phase)
    except NotFitError as error:
        _roll_back(changing, str(error))
        return str(error)
    except BaseException as error:
        _roll_back(changing, str(explained(error)) if isinstance(error, Exception) else "It was interrupted.")
        raise
    _retire(changing)
    return None


def _retire(rollouts: list[Rollout]) -> None:
    """Remove the old deployments; from here on a rollback is neither possible nor needed."""
    for rollout in rollouts:
        try:
            rollout.proceed(Phase.RETIRE)
        except AzureError as error:
            raise RunFailedError(
                f"The new deployment of {rollout.name} has all traffic, but an old one could not be deleted. "
                f"{explained(error)} Run `mlops deploy` again: it removes what is left."
            ) from error


def _roll_back(rollouts: list[Rollout], why: str) -> None:
    failed: list[str] = []
    for rollout in rollouts:
        try:
            _again_and_again(rollout.roll_back)
        except Exception as error:
            if rollout.may_have_traffic:
                failed.append(f"The traffic of {rollout.name} could not be restored. {explained(error)}")
            else:
                warn(f"The new deployment of {rollout.name} could not be removed. {explained(error)}")
    if failed:
        advice = "Run `mlops deploy` again, or set the traffic in the studio."
        raise RunFailedError(" ".join([why, *failed, advice]))


def _again_and_again(work: Callable[[], None]) -> None:
    """Repeat work that must succeed, although Azure may be busy with a change or a person may interrupt.

    The first Ctrl-C waits until the work is done, the second one does not.
    """
    interrupt: KeyboardInterrupt | None = None
    for pause in (*PAUSES, None):
        try:
            work()
            break
        except KeyboardInterrupt as error:
            if interrupt:
                raise
            interrupt = error
        except Exception:
            if pause is None:
                raise
            time.sleep(pause)
    if interrupt:
        raise interrupt


def bring_up(begin: Callable[[], Any]) -> None:
    """Start an operation that creates a deployment, and wait for it.

    Raises:
        NotFitError: the deployment did not start through its own fault.
        Exception: Azure refused, which is not a fault of the model.
    """
    poller = begin()
    try:
        poller.result()
    except Exception as error:
        message = str(
            getattr(getattr(error, "error", None), "message", None) or getattr(error, "message", None) or error
        )
        if getattr(error, "status_code", None) not in ENDED_BADLY or not _is_of_the_model(error, message):
            raise
        raise NotFitError(f"it did not start: {message}") from error


def _is_of_the_model(error: Exception, message: str) -> bool:
    """Return whether a failed start is the fault of the deployment itself: its script, environment or model."""
    code = ""
    with suppress(Exception):
        code = code_of(error).lower()
    # The lines after the first are a log, which may contain any word.
    first_line = message.partition("\n")[0].lower()
    return not any(word in code for word in NOT_THE_MODEL) and not any(
        word in first_line for word in NOT_THE_MODEL_EITHER
    )
