"""Finds the breaches of this project's monitor in the runs of its schedule.

A monitor's run is a tree: the root, a pipeline for each signal, and in it the step that evaluates the metrics. The run
of that step has the tag of a breach. The SDK does not tell whether a child has children, so each is queried for them,
down to a limit.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops.jobs.jobs import created_at, listed, status_of
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

BREACH_TAG = "azureml_modelmonitor_threshold_breached"
# A monitor's runs are younger than this when the poll sees them, even after a day without polls.
LOOKBACK = timedelta(days=2)
DEPTH = 5
RUNS = 300
ROOTS = 25
METRIC = re.compile(r'"metric_name":\s*"(\w+)"')
# Azure's pattern for the names of a schedule's jobs.
SCHEDULED = re.compile(r".+-\d{8}T\d{6}Z?")


@dataclass(frozen=True)
class Breach:
    """A signal beyond its thresholds: the monitor's run, the run with the tag, the signal, and that run's status."""

    root: str
    run: str
    signal: str
    status: str


def breaches(client: "MLClient", monitor: str, signal_prefix: str, now: datetime) -> Iterator[Breach]:
    """Return the recent breaches of a monitor whose signals' names begin with a prefix."""
    for root in roots(client, monitor, now):
        for run in (root, *descendants(client, str(root.name))):
            text = str((run.tags or {}).get(BREACH_TAG, ""))
            signal = text.partition("'")[2].partition("'")[0]
            if signal.lower().startswith(signal_prefix.lower()) and signal:
                yield Breach(str(root.name), str(run.name), signal, status_of(run))


def metrics_beyond(client: "MLClient", root: str, signal: str) -> frozenset[str]:
    """Return the metrics by which a signal of a monitor's run alerted; none if no run of it has the tag."""
    for run in descendants(client, root):
        text = str((run.tags or {}).get(BREACH_TAG, ""))
        if f"signal '{signal}'" in text:
            return frozenset(METRIC.findall(text))
    return frozenset()


def roots(client: "MLClient", monitor: str, now: datetime) -> list[Any]:
    """Return the recent runs of a monitor, in any order.

    The service is asked for the jobs of this schedule. That filter is documented for schedules of jobs, not for
    monitors, so its answer is checked: jobs that have the monitor's name, else those that may be a monitor's, up to 25.
    """
    of_schedule = list(_recent(listed(client, schedule=monitor), now))
    named = [job for job in of_schedule if mentions(job, monitor)]
    if named:
        return named
    if of_schedule:
        return [job for job in of_schedule if _may_be_monitor(job)][:ROOTS]
    return [job for job in _recent(listed(client), now) if mentions(job, monitor)]


def descendants(client: "MLClient", root: str) -> Iterator[Any]:
    """Return the runs under a run, level by level, up to a maximum depth and number."""
    left, level = RUNS, [root]
    for _ in range(DEPTH):
        below: list[str] = []
        for parent in level:
            for run in _children(client, parent):
                if not left:
                    return
                left -= 1
                yield run
                below.append(str(run.name))
        level = below


def _children(client: "MLClient", parent: str) -> list[Any]:
    from azure.ai.ml.exceptions import JobException

    try:
        return list(listed(client, parent))
    except JobException:
        # The SDK cannot read a step of this kind: it contains no signal.
        return []
    except Exception as error:
        if not is_missing(error):
            raise
        return []


def _recent(jobs: Iterable[Any], now: datetime) -> Iterator[Any]:
    for job in jobs:
        created = created_at(job)
        if created is None or created >= now - LOOKBACK:
            yield job


def mentions(job: Any, monitor: str) -> bool:
    """Return whether a job's names, tags or properties contain a monitor's name."""
    texts = [job.name, _text(job, "display_name"), _text(job, "experiment_name")]
    texts += [*(_dictionary(job, "tags").values()), *(_dictionary(job, "properties").values())]
    return any(monitor.lower() in str(text).lower() for text in texts)


def _may_be_monitor(job: Any) -> bool:
    """Return whether a job may be a monitor's run: it is a pipeline and does not belong to another schedule."""
    is_pipeline = _text(job, "type") in ("pipeline", "base", "")
    return is_pipeline and not SCHEDULED.fullmatch(_text(job, "display_name"))


def _text(job: Any, name: str) -> str:
    return str(getattr(job, name, None) or "")


def _dictionary(job: Any, name: str) -> dict[str, Any]:
    return dict(getattr(job, name, None) or {})
