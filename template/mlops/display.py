"""What commands show on the screen."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

if TYPE_CHECKING:
    from mlops.assets import BuiltAsset
    from mlops.local.jobs import Run
    from mlops.training import TrainingResult

console = Console()
errors = Console(stderr=True)

MARKS = {"NotStarted": "[dim]·[/]", "Completed": "[green]✓[/]", "Failed": "[red]✗[/]"}


def show_steps(read: "Callable[[], Run]", is_running: Callable[[], bool]) -> None:
    """Show a job's steps, refreshed until it ends."""
    spinner = Spinner("dots")
    with Live(_steps(read(), spinner), console=console, refresh_per_second=8) as live:
        while is_running():
            time.sleep(0.1)
            live.update(_steps(read(), spinner))
        live.update(_steps(read(), spinner))


def _steps(run: "Run", spinner: Spinner) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in run.steps:
        mark = spinner if step.status == "Running" else MARKS[step.status]
        table.add_row(" ", mark, step.name, f"[dim]{step.seconds:.1f} s[/]" if step.seconds else "")
    return table


def show_assets(assets: "list[BuiltAsset]") -> None:
    """Show data assets and whether they are new."""
    table = Table("data asset", "version", "rows", "", box=None, pad_edge=False)
    for asset in assets:
        table.add_row(asset.name, asset.version, f"{asset.rows:,}", "new" if asset.is_new else "unchanged")
    console.print(table)


def show_training(result: "TrainingResult") -> None:
    """Show metrics and the gate's decision."""
    gate = result.gate
    table = Table("model", gate["metric"], box=None, pad_edge=False)
    for name in ("challenger", "champion", "baseline"):
        table.add_row(name, "none" if gate[name] is None else f"{gate[name]:.4g}")
    console.print(table)
    for reason in gate["reasons"]:
        console.print(reason, highlight=False)
    if result.version:
        console.print(f"[bold green]PROMOTE[/]: registered {result.model} version {result.version}")
    else:
        console.print(f"[bold]{gate['decision']}[/]: nothing was registered")
