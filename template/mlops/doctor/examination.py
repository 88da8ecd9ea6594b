"""Runs checks one after the other. A check only reads, and a refused question is not an answer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.doctor.lines import Line, not_known, problem
from mlops.errors import RunFailedError, WrongInputError
from mlops.refusals.explain import explained, refusal_of

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class Check:
    """A check: its subject, which a line about a refusal names, and the look, which yields lines."""

    subject: str
    look: Callable[["MLClient"], Iterable[Line]]


def examine(client: "MLClient", checks: Sequence[Check]) -> list[Line]:
    """Return the lines of all checks. Questions that were refused for the same reason share a line."""
    lines: list[Line] = []
    refused: dict[str, list[str]] = {}
    for check in checks:
        for found in _looked(client, check):
            if isinstance(found, Line):
                lines.append(found)
            else:
                refused.setdefault(str(explained(found)), []).append(check.subject)
    return lines + [not_known(", ".join(subjects), "no answer", reason) for reason, subjects in refused.items()]


def _looked(client: "MLClient", check: Check) -> Iterator[Line | Exception]:
    """Yield a check's lines, and the refusal that ended it."""
    try:
        yield from check.look(client)
    except (RunFailedError, WrongInputError) as error:
        # The message of these errors ends with the remedy.
        found, _, remedy = str(error).partition(": ")
        yield problem(check.subject, found, remedy) if remedy else problem(check.subject, str(error), "")
    except Exception as error:
        if refusal_of(error) is None:
            raise
        yield error
