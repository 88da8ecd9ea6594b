"""Prints the results of commands."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from mlops.console import console

if TYPE_CHECKING:
    from azureml_metrics.drift import Report
    from azureml_metrics.results import MonitorRun
    from mlops.data.assets import BuiltAsset
    from mlops.data.production import Sent
    from mlops.monitoring.calibrate import Calibration
    from mlops.rollout.deploy import RolloutResult
    from mlops.training.pipeline import TrainingResult
    from mlops.workspace import Hop


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
        console.print(reason, highlight=False, soft_wrap=True)
    if result.version:
        console.print(f"[bold green]PROMOTE[/]: registered {result.model} version {result.version}")
    else:
        console.print(f"[bold]{gate['decision']}[/]: nothing was registered")


def show_step(text: str) -> None:
    """Show a step of a longer operation."""
    console.print(f"  [dim]{text}[/]", highlight=False)


def show_hop(hop: "Hop") -> None:
    """Show one stage of an event's way to a workflow, and the result of each of the workflow's steps."""
    mark = "[green]✓[/]" if hop.ok else "[red]✗[/]"
    console.print(f"  {mark} {escape(hop.hop)}: {escape(hop.outcome)}", highlight=False, soft_wrap=True)


def show_rollout(result: "RolloutResult") -> None:
    """Show the outcome of a rollout."""
    style = "bold red" if result.outcome == "ROLLED_BACK" else "bold green"
    console.print(
        f"[{style}]{result.outcome}[/]: {result.deployment} at {', '.join(result.endpoints)}: {result.reason}"
    )


def show_sent(sent: "Sent") -> None:
    """Show the number of rows sent."""
    drift = f" with {', '.join(sent.shifts)}" if sent.shifts else ""
    console.print(f"Sent {sent.rows:,} rows{drift} in {sent.requests} requests")


def show_monitor(run: "MonitorRun") -> None:
    """Show every signal, feature, metric and threshold, and the state of the run."""
    for signal in run.signals:
        console.print(f"[bold]{signal.name}[/] {_state(signal.state)}")
        table = Table("feature", "metric", "value", "threshold", "", box=None, pad_edge=False)
        for found in signal.measurements:
            mark = "[red]✗[/]" if found.breached else "[green]✓[/]"
            table.add_row(
                found.feature or "all rows", found.metric, f"{found.value:.4g}", f"{found.threshold:.4g}", mark
            )
        if signal.measurements:
            console.print(table)
        if signal.breached and not signal.alert_enabled:
            console.print("  [yellow]It is beyond its thresholds, but its alerts are off.[/]")
        for note in signal.notes:
            console.print(f"  [yellow]{note}[/]", highlight=False)
    unmeasured = ", ".join(signal.name for signal in run.unmeasured)
    names = ", ".join(signal.name for signal in run.breached) or (unmeasured if run.state == "not measured" else "")
    told = f"[bold]{_state(run.state, upper=True)}[/]{f': {names}' if names else ''}"
    others = f"; not measured: {unmeasured}" if unmeasured and unmeasured != names else ""
    console.print(f"{told}{others}", highlight=False, soft_wrap=True)


def _state(state: str, upper: bool = False) -> str:
    style = {"alert": "red", "no alert": "green"}.get(state, "yellow")
    return f"[{style}]{state.upper() if upper else state}[/]"


def show_comparison(reports: "dict[str, Report]", as_json: bool) -> None:
    """Show the metrics of two files, as JSON or as tables."""
    if as_json:
        content = {
            part: {
                metric: {name: {"type": value.kind, "value": value.value} for name, value in features.items()}
                for metric, features in report.values.items()
            }
            for part, report in reports.items()
        }
        print(json.dumps(content, indent=1))
        for note in _notes(reports):
            print(f"mlops: {note}", file=sys.stderr)
        return
    for part, report in reports.items():
        table = Table("feature", "metric", "value", title=part, title_justify="left", box=None, pad_edge=False)
        for name in dict.fromkeys(name for features in report.values.values() for name in features):
            found = {metric: features[name] for metric, features in report.values.items() if name in features}
            for metric, value in found.items():
                table.add_row(name, metric, "" if value.value is None else f"{value.value:.6g}")
        console.print(table)
    for note in _notes(reports):
        console.print(f"[yellow]{note}[/]", highlight=False)


def _notes(reports: "dict[str, Report]") -> list[str]:
    return list(dict.fromkeys(note for report in reports.values() for note in report.notes))


def show_calibration(calibration: "Calibration", file: Path) -> None:
    """Show the new thresholds and the smallest shifts that they detect."""
    table = Table("signal", "data type", "metric", "threshold", box=None, pad_edge=False)
    for group, threshold in calibration.thresholds.items():
        table.add_row(group.signal, group.kind, group.metric, f"{threshold:.4g}")
    console.print(table)
    shifts = Table("feature", "smallest shift that alerts 19 times in 20", box=None, pad_edge=False)
    for feature, deviations in calibration.visible_shifts.items():
        shifts.add_row(feature, f"{deviations:.2f} standard deviations")
    console.print(shifts)
    console.print(
        f"{calibration.reference_rows:,} reference rows, windows of {calibration.window_rows:,}, "
        f"{calibration.resamples} resamples; written to {file.name}"
    )
