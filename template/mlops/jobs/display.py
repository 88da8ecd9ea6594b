"""Shows the steps of a job while it runs."""

from collections.abc import Iterable

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from mlops.console import MARKS, console
from mlops.jobs.watching import Progress


def show_steps(looks: Iterable[Progress]) -> Progress:
    """Show a job's steps at each look, and return the last look."""
    spinner = Spinner("dots")
    with Live(console=console, refresh_per_second=8) as live:
        for progress in looks:
            live.update(_steps(progress, spinner))
    if not console.is_terminal:  # Rich leaves the line of its last frame open there
        console.print()
    return progress


def _steps(progress: Progress, spinner: Spinner) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in progress.steps:
        mark = MARKS.get(step.status, spinner)
        seconds = f"[dim]{step.seconds:.1f} s[/]" if step.seconds else ""
        table.add_row(" ", mark, f"{'  ' * step.depth}{step.name}", seconds)
    return table
