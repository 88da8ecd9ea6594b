"""Draws the charts of the loop's report as SVG text.

Position, hatching and labels make them readable without colour.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

STYLES = {
    "quiet": ("#9ecae1", "", "before drift"),
    "breach": ("#d95f0e", "///", "drift"),
    "quiet_again": ("#31a354", "...", "after redeployment"),
}
MOST_FEATURES = 12
LONGEST_BAR = 4.0


def drift(windows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """Draw each feature's drift as a multiple of its threshold, in every window."""
    ratios: dict[str, dict[str, float]] = {
        window: {
            found["feature"]: found["value"] / found["threshold"]
            for signal in signals
            if signal["type"] in ("data_drift", "prediction_drift")
            for found in signal["measurements"]
            if found["threshold"]
        }
        for window, signals in windows.items()
    }
    worst: dict[str, float] = {}
    for values in ratios.values():
        for name, ratio in values.items():
            worst[name] = max(worst.get(name, 0.0), ratio)
    features = sorted(worst, key=lambda name: -worst[name])[:MOST_FEATURES][::-1]
    if not features:
        return None
    figure, axes = plt.subplots(figsize=(9, 1 + 0.6 * len(features)), layout="constrained")
    present = [window for window in STYLES if ratios.get(window)]
    height = 0.8 / len(present)
    for number, window in enumerate(reversed(present)):
        bars = ratios[window]
        colour, hatch, label = STYLES[window]
        places = [place - 0.4 + height * (number + 0.5) for place in range(len(features))]
        lengths = [bars.get(name, 0.0) for name in features]
        shown = [min(length, LONGEST_BAR) for length in lengths]
        axes.barh(places, shown, height, color=colour, hatch=hatch, edgecolor="#333", label=label)
        for place, length in zip(places, lengths, strict=True):
            if length > LONGEST_BAR:
                axes.text(LONGEST_BAR, place, f" {length:.1f}", va="center", fontsize=8)
    axes.axvline(1, color="#b3261e", linewidth=2)
    axes.text(1, 1.01, "alert", color="#b3261e", ha="center", transform=axes.get_xaxis_transform())
    axes.set_yticks(range(len(features)), features)
    axes.set_xlim(0, LONGEST_BAR * 1.1)
    axes.set_xlabel("drift / threshold")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="lower right")
    return _svg(figure, "Drift of each feature as a multiple of its threshold")


def gates(gates: Mapping[str, Mapping[str, Any] | None]) -> str | None:
    """Draw challenger, champion and baseline of each training, with the interval of the improvement."""
    given = {name: gate for name, gate in gates.items() if gate}
    if not given:
        return None
    figure, row = plt.subplots(1, len(given), figsize=(4.5 * len(given), 3), squeeze=False, layout="constrained")
    for axes, (name, gate) in zip(row[0], given.items(), strict=True):
        models = [model for model in ("baseline", "champion", "challenger") if gate[model] is not None]
        hatches = {"baseline": "", "champion": "...", "challenger": "///"}
        bars = axes.bar(models, [gate[model] for model in models], color="#c6dbef", edgecolor="#333")
        for bar, model in zip(bars, models, strict=True):
            bar.set_hatch(hatches[model])
        for bar, model in zip(bars, models, strict=True):
            place = (bar.get_x() + bar.get_width() / 2, 0.08 * max(gate[known] for known in models))
            axes.annotate(f"{gate[model]:.3g}", place, ha="center", bbox={"facecolor": "white", "edgecolor": "#333"})
        opponent = gate["champion"] if gate["champion"] is not None else gate["baseline"]
        if gate["interval"]:
            low, high = (opponent - bound for bound in gate["interval"])
            axes.vlines(len(models) - 1, min(low, high), max(low, high), color="#333", linewidth=2)
        axes.set_title(f"{name}: {gate['decision']}")
        axes.set_ylabel(gate["metric"])
        axes.margins(y=0.2)
    return _svg(figure, "Metrics of challenger, champion and baseline")


def traffic(changes: Sequence[Mapping[str, Any]]) -> str | None:
    """Draw the deployments' shares of the traffic over time."""
    if not changes:
        return None
    start, names = changes[0]["at"], list(dict.fromkeys(name for change in changes for name in change["shares"]))
    moments = [change["at"] - start for change in changes]
    moments.append(moments[-1] + max(5.0, 0.15 * moments[-1]))
    figure, axes = plt.subplots(figsize=(9, 2.5), layout="constrained")
    shares = [[change["shares"].get(name, 0) for change in changes] for name in names]
    stack = axes.stackplot(moments, [[*share, share[-1]] for share in shares], step="post", edgecolor="#333")
    for area, hatch in zip(stack, ("", "///", "...", "xx") * len(names), strict=False):
        area.set_hatch(hatch)
    axes.legend(stack, names, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_ylim(0, 100)
    axes.set_ylabel("% of requests")
    axes.set_xlabel("seconds since the first deployment")
    return _svg(figure, "Shares of the traffic over time")


def _svg(figure: Figure, title: str) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Title": title, "Date": None})
    plt.close(figure)
    text = written.getvalue()
    return text[text.index("<svg") :]
