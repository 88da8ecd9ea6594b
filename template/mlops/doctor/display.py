"""Shows the lines of a look on one screen, the worst first."""

import json

from rich.markup import escape

from mlops.console import console
from mlops.doctor.lines import Line, Outcome, as_dictionaries

STYLES = {Outcome.PROBLEM: "bold red", Outcome.NOT_KNOWN: "yellow", Outcome.OK: "green"}


def show_lines(lines: list[Line], as_json: bool) -> None:
    """Show lines, and their number by outcome."""
    if as_json:
        print(json.dumps(as_dictionaries(lines), indent=1))
        return
    for line in lines:
        text = f"[{STYLES[line.outcome]}]{line.outcome}[/] {escape(line.looked_at)}: {escape(line.found)}"
        console.print(text, highlight=False, soft_wrap=True)
        if line.remedy:
            console.print(f"  [dim]→[/] {escape(line.remedy)}", highlight=False, soft_wrap=True)
    console.print(_summary(lines), highlight=False, soft_wrap=True)


def _summary(lines: list[Line]) -> str:
    problems, unknown = (sum(line.outcome is kind for line in lines) for kind in (Outcome.PROBLEM, Outcome.NOT_KNOWN))
    if not problems and not unknown:
        return f"[bold green]Nothing wrong[/] in {len(lines)} looks."
    return f"[bold]{problems} problem(s), {unknown} not known[/] in {len(lines)} looks."
