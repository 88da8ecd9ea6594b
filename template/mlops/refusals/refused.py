"""Holds the facts of a refusal: Azure's status, code and message, and the request."""

import re
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 300
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
HTML = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[/!?a-z][^>]*>", re.IGNORECASE | re.DOTALL)
SEGMENT = {
    "subscription": re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE),
    "group": re.compile(r"/resourceGroups/([^/?]+)", re.IGNORECASE),
    "workspace": re.compile(r"/workspaces/([^/?]+)", re.IGNORECASE),
}
BELOW = re.compile(r"/workspaces/[^/?]+/([^?]+)", re.IGNORECASE)
DOES = {"GET": "read", "HEAD": "read", "DELETE": "delete"}


class Kind(StrEnum):
    """The source of a refusal, as the end of a message if there is no answer of Azure."""

    ANSWER = "Azure said nothing more"
    CONNECTION = "no answer of Azure"
    LOGIN = "no sign-in"
    SDK = "error of azure-ai-ml"
    UNREADABLE = "error of the SDK while it read an answer"


@dataclass(frozen=True)
class Refusal:
    """A refusal; `asked` is the request's verb and address, `codes` are Azure's code and the inner ones."""

    kind: Kind
    message: str
    status: int | None = None
    codes: tuple[str, ...] = ()
    asked: str = ""
    request: str = ""
    retry_after: str = ""

    @property
    def said(self) -> str:
        """Return Azure's own message on one line."""
        return clean(self.message).rstrip(".") or "it gave no reason"

    @property
    def tried(self) -> str:
        """Return the request in words: `read data/labels/versions`."""
        verb, _, address = self.asked.partition(" ")
        below = BELOW.search(address)
        what = below[1] if below else re.sub(r"^https?://|\?.*", "", address)
        return f"{DOES.get(verb, 'change')} {what[:120]}".strip() if what else "read a resource"

    @property
    def mark(self) -> str:
        """Return status, code and request id, which a person or Microsoft's support can search for."""
        code = f"{self.status or ''} {self.codes[0] if self.codes else ''}".strip()
        parts = [code, f"request {self.request}" if self.request else ""]
        known = ", ".join(part for part in parts if part)
        return f"Azure said {known}" if known else str(self.kind)

    def part(self, name: str) -> str:
        """Return the subscription, group or workspace of the request."""
        found = SEGMENT[name].search(self.asked)
        return found[1] if found else ""


def clean(text: str) -> str:
    """Return foreign text on one line, without colours and markup, shortened."""
    readable = "".join(sign if sign.isprintable() else " " for sign in HTML.sub(" ", ANSI.sub("", text)))
    plain = " ".join(readable.split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN].rsplit(' ', 1)[0]} ..."
