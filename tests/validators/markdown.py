"""Documents: links lead somewhere, and diagrams are diagrams."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mermaidx
from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable("table")
ELSEWHERE = ("https://", "mailto:")


def links_resolve(project: Path, paths: list[str]) -> list[str]:
    """Every link inside the project leads to a file, a folder or a heading that is there."""
    return [
        f"{path}: the link {target} leads nowhere"
        for path in paths
        for target in _links(_tokens(project / path))
        if not target.startswith(ELSEWHERE) and not _leads_somewhere(project, path, target)
    ]


def _leads_somewhere(project: Path, path: str, target: str) -> bool:
    file, _, anchor = target.partition("#")
    found = (project / path).parent / file if file else project / path
    if not found.resolve().is_relative_to(project.resolve()) or not found.exists():
        return False
    return not anchor or (found.suffix == ".md" and anchor in _anchors(_tokens(found)))


def diagrams_parse(project: Path, paths: list[str]) -> list[str]:
    """Mermaid itself can draw every diagram."""
    return [
        f"{path}: {refusal}"
        for path in paths
        for token in _tokens(project / path)
        if token.type == "fence" and token.info.strip() == "mermaid" and (refusal := _refusal(token.content))
    ]


@cache
def _refusal(diagram: str) -> str:
    try:
        mermaidx.render(diagram).svg()
    except RuntimeError as error:
        return " ".join(str(error).split())
    return ""


def _tokens(path: Path) -> list[Token]:
    return PARSER.parse(path.read_text(encoding="utf-8"))


def _links(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        yield from _links(token.children or [])
        for attribute in ("href", "src"):
            if attribute in token.attrs:
                yield str(token.attrs[attribute])


def _anchors(tokens: list[Token]) -> set[str]:
    """The headings as GitHub names them: lower case, no punctuation, blanks as hyphens."""
    headings = [after for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.content.lower()).replace(" ", "-") for heading in headings}
