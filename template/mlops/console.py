"""The terminal: the console of the commands, the marks of statuses, and warnings."""

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
    """Print a warning: it does not stop the command and is not its result."""
    print(f"mlops: {text}", file=sys.stderr)
