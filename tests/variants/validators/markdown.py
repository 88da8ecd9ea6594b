"""Markdown documents: valid diagrams, links and headings."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mermaidx
from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable("table")


def diagrams_parse(project: Path, paths: list[str]) -> list[str]:
    """Mermaid can draw every diagram."""
    return [
        f"{path}: {refusal}"
        for path in paths
        for token in PARSER.parse((project / path).read_text(encoding="utf-8"))
        if token.type == "fence" and token.info.strip() == "mermaid" and (refusal := _refusal(token.content))
    ]


@cache
def _refusal(diagram: str) -> str:
    try:
        mermaidx.render(diagram).svg()
    except RuntimeError as error:
        return " ".join(str(error).split())
    return ""


def links(text: str) -> list[str]:
    """Return the link targets of a Markdown text."""
    return list(_links(PARSER.parse(text)))


def _links(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        yield from _links(token.children or [])
        for attribute in ("href", "src"):
            if attribute in token.attrs:
                yield str(token.attrs[attribute])


def anchors(text: str) -> set[str]:
    """Return the anchors of headings as on GitHub: lower case, no punctuation, hyphens for spaces."""
    headings = [after for token, after in itertools.pairwise(PARSER.parse(text)) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.content.lower()).replace(" ", "-") for heading in headings}
