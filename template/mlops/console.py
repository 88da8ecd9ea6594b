"""The terminal: what commands print to, the marks of statuses, and remarks that are not a command's result."""

import sys

from rich.console import Console

console = Console()
errors = Console(stderr=True)

MARKS = {
    "NotStarted": "[dim]·[/]",
    "Completed": "[green]✓[/]",
    "Failed": "[red]✗[/]",
    "Canceled": "[red]✗[/]",
    "NotResponding": "[red]✗[/]",
}


def warn(text: str) -> None:
    """Tell a person something that neither stops the command nor is its result."""
    print(f"mlops: {text}", file=sys.stderr)
