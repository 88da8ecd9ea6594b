"""Draws charts of data and of drift. Position, line style, hatching and labels make them readable without colour."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlops.data.collected import SCORED_AT
from mlops.monitoring.chance import PREDICTION
from mlops.notebooks.explore import DAY
from mlops.notebooks.simulated_days import Drift, rarest
from model.contract import Contract

BINS = 20
MOST_CATEGORIES = 8
MOST_LINES = 12
IN_A_ROW = 3
STYLES = (("#444444", "-", ""), ("#d95f0e", "--", "///"), ("#2c7fb8", ":", "..."), ("#756bb1", "-.", "xx"))
"""Colour, line style and hatching of each table or class in a picture; more cannot be distinguished."""


def distributions(tables: Mapping[str, pd.DataFrame], features: Sequence[str]) -> Figure:
    """Draw the distribution of each feature in each table: lines for numbers, bars for categories."""
    lines = math.ceil(len(features) / IN_A_ROW)
    size = (4 * min(IN_A_ROW, len(features)), 2.4 * lines + 0.5)
    figure, grid = plt.subplots(lines, min(IN_A_ROW, len(features)), figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(features) :]:
        axes.set_visible(False)
    for axes, feature in zip(grid.flat, features, strict=False):
        columns = {name: table[feature] for name, table in tables.items()}
        is_number = all(column.dtype.kind in "fi" for column in columns.values())
        (_lines if is_number else _bars)(axes, columns)
        axes.set_xlabel(feature)
        axes.set_ylabel("% of rows")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return _finished(figure)


def _lines(axes: Axes, columns: Mapping[str, pd.Series]) -> None:
    """Draw the share of rows in each of some bins, which are the same for all tables."""
    edges = np.histogram_bin_edges(pd.concat(list(columns.values())).dropna(), BINS)
    for (name, column), (colour, line, _) in zip(columns.items(), STYLES[: len(columns)], strict=True):
        counts = np.histogram(column.dropna(), edges)[0]
        axes.stairs(100 * counts / len(column), edges, label=name, color=colour, linestyle=line, linewidth=1.8)


def _bars(axes: Axes, columns: Mapping[str, pd.Series]) -> None:
    """Draw each category's share of the rows, the most frequent first; missing values are one category."""
    shares = pd.DataFrame({name: _shares(column) for name, column in columns.items()}).fillna(0.0)
    shares = shares.loc[shares.max(axis=1).sort_values(ascending=False, kind="stable").index[:MOST_CATEGORIES]]
    width = 0.8 / len(shares.columns)
    for number, (name, (colour, _, hatch)) in enumerate(zip(shares, STYLES[: len(shares.columns)], strict=True)):
        places = np.arange(len(shares)) - 0.4 + width * (number + 0.5)
        axes.bar(places, 100 * shares[name], width, label=name, facecolor="white", edgecolor=colour, hatch=hatch)
    axes.set_xticks(range(len(shares)), [str(name) for name in shares.index], rotation=30 if len(shares) > 4 else 0)


def _shares(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "(missing)").value_counts(normalize=True)


def target(rows: pd.DataFrame, feature: str, contract: Contract) -> Figure:
    """Draw the relation of a feature to the target: points for a number to predict, else a line or bar for each class.

    Of many classes only the most frequent ones are drawn, and the picture says so.
    """
    if contract.is_classification:
        classes = rows[contract.target].value_counts().index
        drawn = classes[: len(STYLES)]
        figure = distributions({str(name): rows[rows[contract.target] == name] for name in drawn}, [feature])
        if len(drawn) < len(classes):
            figure.suptitle(f"the {len(drawn)} most frequent of {len(classes)} classes", fontsize=10)
        return figure
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    known = rows.dropna(subset=[feature])
    axes.scatter(known[feature], known[contract.target], s=14, facecolors="none", edgecolors="#2c7fb8")
    if feature in contract.numerical:
        tenths = known.groupby(pd.qcut(known[feature], 10, duplicates="drop"), observed=True)
        means = tenths[[feature, contract.target]].mean()
        axes.plot(means[feature], means[contract.target], color="#444444", marker="s", label="mean of each tenth")
        axes.legend()
    axes.set_xlabel(feature)
    axes.set_ylabel(contract.target)
    return _finished(figure)


def drift_by_day(days: Sequence[pd.DataFrame], usual: pd.DataFrame, drifts: Sequence[Drift]) -> Figure:
    """Draw each drifting feature from day to day, with its usual range."""
    figure, row = plt.subplots(1, len(drifts), figsize=(5 * len(drifts), 3.2), squeeze=False, layout="constrained")
    numbers = range(1, len(days) + 1)
    for axes, drift in zip(row[0], drifts, strict=True):
        columns = [day[drift.feature] for day in days]
        if usual[drift.feature].dtype.kind == "f":
            _quartiles(axes, columns, usual[drift.feature])
            axes.set_ylabel(drift.feature)
        else:
            category = rarest(usual[drift.feature])
            shares = [100 * float((column == category).mean()) for column in columns]
            bars = axes.bar(numbers, shares, facecolor="white", edgecolor="#444444", hatch="///")
            axes.bar_label(bars, fmt="%.0f %%")
            share = 100 * float((usual[drift.feature] == category).mean())
            axes.axhline(share, color="#444444", linestyle=":", label="usual share")
            axes.set_ylabel(f"% of rows with {drift.feature} = {category}")
        axes.axvline(drift.first - 0.5, color="#d95f0e", linestyle="--", label="drift begins")
        axes.set_xticks(numbers)
        axes.set_xlabel("day")
        axes.set_title(f"{drift.feature}, drifting from day {drift.first}")
        axes.margins(y=0.35)
        axes.legend(loc="upper left", fontsize=8)
    return _finished(figure)


def _quartiles(axes: Axes, columns: Sequence[pd.Series], usual: pd.Series) -> None:
    black = {"color": "black"}
    axes.boxplot([column.dropna() for column in columns], widths=0.5, whis=(5, 95), medianprops=black, showfliers=False)
    middle = (usual.quantile(0.25), usual.quantile(0.75))
    axes.axhspan(*middle, facecolor="none", edgecolor="#999999", hatch="...", label="usual, middle half")
    axes.axhline(usual.median(), color="#444444", linestyle=":", label="usual, median")


def volumes(days: pd.DataFrame) -> Figure:
    """Draw the number of rows scored in each hour, with the day on which they were sent."""
    hours = pd.to_datetime(days[SCORED_AT], utc=True, format="ISO8601").dt.floor("h")
    counts = days.groupby([hours, DAY]).size().unstack(DAY, fill_value=0)
    figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
    bottom = np.zeros(len(counts))
    places = range(len(counts))
    for number, day in enumerate(counts):
        heights = counts[day].to_numpy()
        hatch = ("", "///", "...", "xx", "\\\\\\", "oo")[number % 6]
        bars = axes.bar(places, heights, bottom=bottom, facecolor="white", edgecolor="#444444", hatch=hatch)
        labels = [f"day {day}\n{height} rows" if height else "" for height in heights]
        axes.bar_label(bars, labels, label_type="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        bottom += heights
    axes.set_xticks(places, [f"{hour:%d %b %H:%M}" for hour in counts.index])
    axes.set_ylim(0, 1.1 * bottom.max())
    axes.set_xlabel("hour of scoring (UTC)")
    axes.set_ylabel("rows collected")
    return _finished(figure)


def ratios(measured: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw each feature's drift as a multiple of its threshold, day by day; alerts are framed and hatched."""
    drifts = {name: table[table["signal"].str.contains("drift")] for name, table in measured.items()}
    worst = list(drifts.values())[-1].groupby("feature")["ratio"].max().sort_values(ascending=False, kind="stable")
    features = [str(name) for name in worst.index[:MOST_LINES]]
    size = (5.5 * len(drifts), 1.4 + 0.36 * len(features))
    figure, row = plt.subplots(1, len(drifts), figsize=size, squeeze=False, sharey=True, layout="constrained")
    for axes, (name, table) in zip(row[0], drifts.items(), strict=True):
        cells = table[table["feature"].isin(features)].groupby(["feature", DAY])[["ratio", "alerts"]].max()
        for (feature, day), (ratio, alerts) in cells.iterrows():
            line = features.index(feature)
            hatch, colour = ("///", "#fdd0a2") if alerts else ("", "white")
            cell = Rectangle((day - 0.5, line - 0.5), 1, 1, edgecolor="#444444", facecolor=colour, hatch=hatch)
            axes.add_patch(cell)
            text = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
            frame = {"facecolor": "white", "edgecolor": "none", "pad": 1} if alerts else None
            axes.text(day, line, text, ha="center", va="center", fontsize=8, bbox=frame)
        axes.set_xlim(table[DAY].min() - 0.5, table[DAY].max() + 0.5)
        axes.set_ylim(len(features) - 0.5, -0.5)
        axes.set_xticks(sorted(table[DAY].unique()))
        axes.set_yticks(range(len(features)), [_name(feature) for feature in features])
        axes.set_xlabel("day")
        axes.set_title(name)
    figure.suptitle("drift as a multiple of the threshold (hatched: beyond it, an alert)", fontsize=10)
    return _finished(figure)


def _name(feature: str) -> str:
    return "the prediction" if feature == PREDICTION else feature


def _finished(figure: Figure) -> Figure:
    """Close the figure: a notebook would show an open one twice."""
    plt.close(figure)
    return figure
