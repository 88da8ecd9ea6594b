"""Measures the time that the emulator needs for Azure's metrics, and its growth with the number of rows.

Run: PYTHONPATH=template/packages/azureml_metrics/src python benchmarks/drift_metrics.py
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy import special, stats  # noqa: F401  imports are not part of the time

from azureml_metrics.drift import JENSEN_SHANNON, drift
from azureml_metrics.quality import quality

SIZES = (10_000, 100_000, 1_000_000)
AZURE_SECONDS = 39.0  # Azure's own code: Jensen-Shannon, 1,000,000 rows, the same 7 columns
GOALS = (AZURE_SECONDS / 50, 3.0)  # seconds at the largest size: Jensen-Shannon, everything
REPEATS = 3


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Return seven columns like those of the reference case mixed_types; another seed shifts them."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": np.arange(rows),
            "age": random.normal(40 + 5 * seed, 12, rows),
            "amount": random.lognormal(3 + 0.2 * seed, 1, rows),
            "ratio": random.beta(2, 5, rows),
            "visits": random.poisson(4 + seed, rows),
            "channel": random.choice(np.array(["web", "shop", "phone"], dtype=object), rows),
            "active": random.random(rows) < 0.7 - 0.1 * seed,
        }
    )


def distance(baseline: pd.DataFrame, production: pd.DataFrame) -> None:
    """Compute the Jensen-Shannon distance, for which Azure needs 39 seconds."""
    drift(baseline, production, metrics=[JENSEN_SHANNON])


def everything(baseline: pd.DataFrame, production: pd.DataFrame) -> None:
    """Compute every drift metric, then the data quality."""
    drift(baseline, production)
    quality(baseline, production)


def seconds(work: Callable[[], None]) -> float:
    """Return the time of the fastest of several runs, which other programs disturb least."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Print seconds and growth between sizes; return 1 if a goal is missed."""
    print(f"{'rows a side':>12} {'Jensen-Shannon':>20} {'everything':>20}")
    times = [0.0, 0.0]
    for rows in SIZES:
        data = frame(rows, 0), frame(rows, 1)
        before, times = times, [seconds(partial(work, *data)) for work in (distance, everything)]
        growth = [f"x {now / then:.1f}" if then else "" for now, then in zip(times, before, strict=True)]
        print(f"{rows:>12,} {times[0]:>10.3f} s {growth[0]:>7} {times[1]:>10.3f} s {growth[1]:>7}")
    print(f"Azure's own code takes {AZURE_SECONDS / times[0]:.0f} times as long for Jensen-Shannon.")
    return int(any(taken > goal for taken, goal in zip(times, GOALS, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
