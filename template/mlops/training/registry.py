"""Decides which version of a model counts: the champion, and the one that a rollout is about."""

from collections.abc import Mapping

FAILED = "failed"


def newest_standing(rollouts: Mapping[str, str | None]) -> str | None:
    """Return the newest version whose rollout has not failed, None if there is none.

    Args:
        rollouts: the tag `rollout` of each version, None where nobody has tried to roll it out yet.
    """
    standing = [version for version, state in rollouts.items() if state != FAILED]
    return max(standing, key=int, default=None)
