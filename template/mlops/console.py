"""The terminal: what commands print to, the marks of statuses, and remarks that are not a command's result."""

import sys

from rich.console import Console

# A notebook keeps every frame of an animation: only the last one is wanted there.
IN_NOTEBOOK = "ipykernel" in sys.modules
console = Console(force_terminal=False, force_jupyter=False, width=100) if IN_NOTEBOOK else Console()
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
