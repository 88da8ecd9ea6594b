"""The gate: decides from losses whether a challenger is promoted (PROMOTE) or not (RETAIN), with reasons."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Decision = Literal["PROMOTE", "RETAIN"]
RESAMPLES = 1000


@dataclass(frozen=True)
class Gate:
    """The content of `gate.json`. Lower metrics are better; `interval` is for opponent minus challenger."""

    decision: Decision
    metric: str
    challenger: float | None
    champion: float | None
    baseline: float | None
    interval: tuple[float, float] | None
    reasons: tuple[str, ...]


def metric_name(task: str) -> str:
    """Return the task's metric. Both are proper scores, so they get worse when a model no longer fits its data."""
    return "rmse" if task == "regression" else "log_loss"


def score(metric: str, losses: np.ndarray) -> float:
    """Return the metric of rows' losses: squared errors for `rmse`, negative log likelihoods for `log_loss`."""
    mean = float(np.mean(losses))
    return float(np.sqrt(mean)) if metric == "rmse" else mean


def decide(
    metric: str,
    challenger: np.ndarray,
    champion: np.ndarray | None,
    baseline: np.ndarray,
    margin: float,
) -> Gate:
    """Promote a challenger that beats the champion, or the baseline if there is no champion.

    Args:
        metric: `rmse` or `log_loss`.
        challenger, champion, baseline: each holdout row's loss, shape (rows,), in the same order.
        margin: the least improvement, as a share of the opponent's metric.

    The improvement must be at least the margin and its 95 % bootstrap interval, resampled over rows in pairs
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13), must be above zero.
    """
    opponent_name, opponent = ("champion", champion) if champion is not None else ("baseline", baseline)
    scores = {
        "challenger": score(metric, challenger),
        "champion": None if champion is None else score(metric, champion),
        "baseline": score(metric, baseline),
    }
    mine, theirs = scores["challenger"], scores[opponent_name]
    if mine is None or theirs is None or not np.isfinite([mine, theirs]).all():
        broken = "challenger" if mine is None or not np.isfinite(mine) else opponent_name
        reason = f"The {broken} has no finite {metric} on the holdout: nothing is promoted."
        return _gate("RETAIN", metric, scores, None, reason)

    low, high = _interval(metric, challenger, opponent)
    improvement, needed = theirs - mine, margin * theirs
    compared = f"The challenger's {metric} is {mine:.4g}, the {opponent_name}'s {theirs:.4g}"
    if improvement < needed or improvement <= 0:
        reason = f"{compared}: an improvement of {improvement:.4g}, less than the required {needed:.4g}."
        return _gate("RETAIN", metric, scores, (low, high), reason)
    if low <= 0:
        reason = f"{compared}, but the 95 % interval of the improvement, {low:.4g} to {high:.4g}, reaches zero."
        return _gate("RETAIN", metric, scores, (low, high), reason)
    reason = f"{compared}: an improvement of {improvement:.4g} (95 % interval {low:.4g} to {high:.4g})."
    return _gate("PROMOTE", metric, scores, (low, high), reason)


def _interval(metric: str, challenger: np.ndarray, opponent: np.ndarray) -> tuple[float, float]:
    draw = np.random.default_rng(0)
    differences = np.empty(RESAMPLES)
    for sample in range(RESAMPLES):
        rows = draw.integers(len(challenger), size=len(challenger))
        differences[sample] = score(metric, opponent[rows]) - score(metric, challenger[rows])
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def _gate(
    decision: Decision, metric: str, scores: dict[str, float | None], interval: tuple[float, float] | None, reason: str
) -> Gate:
    finite = {name: value if value is not None and np.isfinite(value) else None for name, value in scores.items()}
    return Gate(decision, metric, finite["challenger"], finite["champion"], finite["baseline"], interval, (reason,))
