"""Shows the loop's stages while it runs, and its outcome."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from mlops.console import MARKS, console
from mlops.loop.loop import Progress, Stage
from mlops.monitoring.schedule import monitor_file
from mlops.paths import ROOT


class LoopDisplay:
    """The loop's stages while it runs."""

    def __init__(self, progress: Progress):
        self._progress, self._text = progress, ""
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._stages, console=console, refresh_per_second=8)

    def __enter__(self) -> "LoopDisplay":
        """Start showing."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop showing."""
        self._live.__exit__(None, None, None)
        if not console.is_terminal:
            console.print()

    def update(self, progress: Progress, text: str) -> None:
        """Show the current stage of the loop."""
        self._progress, self._text = progress, text

    def _stages(self) -> Table:
        table = Table.grid(padding=(0, 1))
        marks = {"waiting": MARKS["NotStarted"], "done": MARKS["Completed"], "failed": MARKS["Failed"]}
        for stage in self._progress.stages:
            running = stage.status == "running"
            facts = f"[dim]{self._text}[/]" if running else _stage_summary(stage)
            mark = self._spinner if running else marks[stage.status]
            table.add_row(" ", mark, stage.name, f"{stage.seconds:.1f} s" if stage.seconds else "", facts)
        return table

    def show_end(self, report: Path) -> None:
        """Show the outcome and the path of the report."""
        outcome = self._progress.outcome
        style = "bold green" if outcome == "closed" else "bold red"
        for stage in self._progress.stages:
            gate = stage.facts.get("gate")
            if gate and stage.facts.get("version"):
                metric = f"{gate['metric']} {gate['challenger']:.4g}"
                if gate["champion"] is not None:
                    metric += f", the predecessor's on the same rows {gate['champion']:.4g}"
                console.print(f"registered {stage.facts['model']} version {stage.facts['version']}: {metric}")
        console.print(f"[{style}]{outcome}[/]: {OUTCOMES[outcome]}")
        console.print(f"Report: {report}", soft_wrap=True)
        console.print(f"Calibrated thresholds are in {monitor_file().relative_to(ROOT)}: commit or `git restore` them.")


OUTCOMES = {
    "closed": "drift was detected, a better model was deployed, and the monitor no longer alerts",
    "no_alert": "the monitor did not alert: there is no drift, or it is too small for the thresholds",
    "retained": "the monitor alerted, but no challenger beat the champion; it still alerts",
    "false_alert": "the monitor alerted before there was any drift",
    "still_alerting": "a new model was deployed, but the monitor still alerts",
    "not_measured": "rows were sent, but the monitor could not measure them: `mlops monitor` says why",
}


def _stage_summary(stage: Stage) -> str:
    facts = stage.facts
    if "gate" in facts:
        gate = facts["gate"]
        rival = "champion" if gate["champion"] is not None else "baseline"
        values = f"{gate['challenger']:.4g} against the {rival}'s {gate[rival]:.4g}"
        return f"{gate['decision']}: {gate['metric']} {values}"
    if "alerts" in facts:
        return f"{facts['rows']:,} rows, {told_alerts(facts)}"
    return str(facts["deployment"]) if "deployment" in facts else ""


def told_alerts(facts: Mapping[str, Any]) -> str:
    """Return the result of a monitored window, from the facts of its stage."""
    if facts["alerts"]:
        return f"alert: {', '.join(facts['alerts'])}"
    return str(facts.get("state", "no alert"))
