"""The lines of a look: what was looked at, the outcome, and the remedy. People send them to others."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a look, the worst first."""

    PROBLEM = "PROBLEM"
    NOT_KNOWN = "NOT KNOWN"
    OK = "OK"


ORDER = list(Outcome)
# Identifiers of people, subscriptions and applications, addresses of people, and signatures of storage addresses.
PRIVATE = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"[\w.+#-]+@[\w-]+(?:\.[\w-]+)+"), "<person>"),
    (
        re.compile(r"\b(sig|code|key|password|secret|AccountKey|SharedAccessSignature)=[^\s&;'\"]+", re.IGNORECASE),
        r"\1=<secret>",
    ),
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)*"), "<token>"),
)


@dataclass(frozen=True)
class Line:
    """One look: what was looked at, the outcome, what was found, and what to do about it."""

    looked_at: str
    outcome: Outcome
    found: str
    remedy: str = ""


def ok(looked_at: str, found: str) -> Line:
    """Return a line without a remedy."""
    return Line(looked_at, Outcome.OK, found)


def problem(looked_at: str, found: str, remedy: str) -> Line:
    """Return a line about something that stands in the way."""
    return Line(looked_at, Outcome.PROBLEM, found, remedy)


def not_known(looked_at: str, found: str, remedy: str) -> Line:
    """Return a line about a question without an answer."""
    return Line(looked_at, Outcome.NOT_KNOWN, found, remedy)


def presentable(lines: Iterable[Line]) -> list[Line]:
    """Return lines for people, the worst first, without secrets and identifiers of people."""
    clean = [replace(line, found=without_private(line.found), remedy=without_private(line.remedy)) for line in lines]
    return sorted(clean, key=lambda line: ORDER.index(line.outcome))


def as_dictionaries(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Return lines in the form of their JSON."""
    return [asdict(line) for line in lines]


def without_private(text: str) -> str:
    """Return a text without secrets and identifiers of people."""
    for pattern, instead in PRIVATE:
        text = pattern.sub(instead, text)
    return text
