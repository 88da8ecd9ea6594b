"""Writes the loop's report: one HTML page that contains its charts."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.files import write_text
from mlops.loop import charts as pictures
from mlops.loop.display import OUTCOMES, told_alerts
from mlops.paths import STATE, model_name

if TYPE_CHECKING:
    from mlops.loop.loop import Progress, Stage

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
  table {{ border-collapse: collapse; width: 100%; }}
  td, th {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }}
  td:nth-child(3) {{ text-align: right; white-space: nowrap; }}
  svg {{ max-width: 100%; height: auto; }}
  .outcome {{ font-size: 1.2rem; padding: .6rem 1rem; border-left: .4rem solid {colour}; background: #f5f5f5; }}
</style>
<h1>{title}</h1>
<p class="outcome"><strong>{outcome}</strong>: {meaning}.</p>
<table><tr><th>stage</th><th></th><th>seconds</th><th>what happened</th></tr>
{rows}
</table>
{sections}
</html>
"""


def write_report(progress: "Progress") -> Path:
    """Write `loop.html` and return its path."""
    stages = {stage.name: stage for stage in progress.stages}
    sections = [
        _section(
            "Drift of each feature against its threshold",
            "A bar beyond the line at 1 is an alert: each value is divided by its feature's threshold.",
            pictures.drift({name: _signals(stages[name]) for name in ("quiet", "breach", "quiet_again")}),
        ),
        _section(
            "Champion against challenger",
            "On one holdout, lower is better. The whisker is the 95 % interval of the improvement.",
            pictures.gates({name: stages[name].facts.get("gate") for name in ("train", "retrain")}),
        ),
        _section(
            "Traffic over time",
            "The share of the requests of each deployment.",
            pictures.traffic([change for stage in progress.stages for change in stage.facts.get("traffic", [])]),
        ),
    ]
    path = STATE / "loop.html"
    text = PAGE.format(
        title=html.escape(f"Once around the loop: {model_name()}"),
        outcome=progress.outcome,
        colour="#2a7d4f" if progress.outcome == "closed" else "#b3261e",
        meaning=OUTCOMES[progress.outcome],
        rows="\n".join(_row(stage) for stage in progress.stages),
        sections="\n".join(section for section in sections if section),
    )
    write_text(path, text)
    return path


def _section(title: str, text: str, picture: str | None) -> str:
    return f"<h2>{title}</h2>\n<p>{text}</p>\n{picture}" if picture else ""


def _row(stage: "Stage") -> str:
    facts = stage.facts
    told: list[str] = []
    if facts.get("gate"):
        told += facts["gate"]["reasons"]
    if "deployment" in facts:
        told.append(f"{facts['deployment']}: {facts['outcome'].lower()}")
    if "alerts" in facts:
        drift = f" with {', '.join(facts['shifts'])}" if facts["shifts"] else ""
        told += [f"{facts['rows']:,} rows{drift}", told_alerts(facts)]
    seconds = f"{stage.seconds:.1f}" if stage.seconds else ""
    cells = (stage.name, stage.status, seconds, "; ".join(told))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _signals(stage: "Stage") -> list[Mapping[str, Any]]:
    return list(stage.facts.get("monitor", {}).get("signals", []))
