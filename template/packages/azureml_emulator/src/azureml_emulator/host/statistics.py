"""Counts the requests of an endpoint's router, which a rollout watches; on Azure these are the endpoint's metrics."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One answered request: its status, the model's own status (0 if it gave none) and the model's time."""

    at: float
    status: int
    model_status: int
    seconds: float


@dataclass(frozen=True)
class Statistics:
    """A deployment's answers, including mirrored requests; latencies are only of requests that the model answered.

    `errors` are the deployment's own fault (the model failed, was too slow or did not run), `bad_requests` are the
    caller's, and `rejected` exceeded the concurrency.
    """

    requests: int
    errors: int
    bad_requests: int
    rejected: int
    mean_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None


def summarise(answers: Sequence[Answer]) -> Statistics:
    """Count answers by the party at fault, with their latencies."""
    bad = sum(400 <= answer.model_status < 500 for answer in answers)
    rejected = sum(answer.status == 429 for answer in answers)
    good = sum(answer.status == 200 for answer in answers)
    seconds = sorted(answer.seconds for answer in answers if answer.model_status)
    return Statistics(
        requests=len(answers),
        errors=len(answers) - good - bad - rejected,
        bad_requests=bad,
        rejected=rejected,
        mean_seconds=sum(seconds) / len(seconds) if seconds else None,
        median_seconds=_quantile(seconds, 0.5),
        p95_seconds=_quantile(seconds, 0.95),
    )


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
