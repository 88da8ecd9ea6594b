"""Runs a monitor over one window: a job, a child for each signal, and in it the step that sets the breach's tag."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from azureml_emulator.monitors.definition import Signal, signals
from azureml_emulator.monitors.spark import ComponentFailedError, run_component
from azureml_emulator.monitors.window import Window

if TYPE_CHECKING:
    from azureml_emulator.arm.resource_manager import ResourceManager

BREACH_TAG = "azureml_modelmonitor_threshold_breached"
RESULTS = "results.json"


class MonitorJob:
    """One run of a schedule's monitor."""

    def __init__(self, arm: "ResourceManager", name: str, action: dict[str, Any], start: datetime, end: datetime):
        self._arm, self._name = arm, name
        self._folder = arm.state / "monitoring" / name
        self._signals = signals(action)
        self._window = Window(arm, start, end, self._folder)

    @property
    def steps(self) -> list[str]:
        """Return the signals: each is a pipeline of its own in the monitor's job."""
        return list(self._signals)

    def run(self) -> str:
        """Compute every signal, and return how the job ends: one that could not be computed fails it."""
        results, ended = [], "Completed"
        for name, signal in self._signals.items():
            child, step = f"{self._name}-{name}", f"{self._name}-{name}-evaluate"
            self._arm.jobs.put_run(child, "Running")
            result, problem = self._computed(name, signal)
            status = "Failed" if problem else "Completed"
            tags = {BREACH_TAG: _tag(result)} if result and result.breached else {}
            self._arm.jobs.put_run(
                step, status, parent=child, root=self._name, display="evaluate_metric_thresholds", tags=tags
            )
            self._arm.jobs.put_run(child, status)
            ended = "Failed" if problem else ended
            results.append(asdict(result) if result else {"name": name, "problem": problem})
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / RESULTS).write_text(json.dumps(results), encoding="utf-8")
        return ended

    def _computed(self, name: str, signal: Signal) -> tuple[Any, str]:
        """Return what a signal found, or why nothing could be measured."""
        from azureml_metrics.columns import MetricsError
        from azureml_metrics.signals import Tables, compute
        from model.tables import read_mltable

        try:
            if signal["type"] == "custom":
                return self._custom(name, signal), ""
            production = self._window.production(signal)
            if production.empty:
                return None, "DataNotFoundError: no data was found in the window."
            reference = signal["reference_data"]
            rows = read_mltable(self._arm.path_of(reference["input_data"]["path"]))
            target = reference["data_column_names"].get("target_column")
            return compute(name, signal, Tables(rows, production, target)), ""
        except (MetricsError, ComponentFailedError) as error:
            return None, str(error)

    def _custom(self, name: str, signal: Signal) -> Any:
        from azureml_metrics.signals import Measurement, SignalResult

        inputs = {f"{given['metric_name']}_threshold": str(given["threshold"]) for given in signal["metric_thresholds"]}
        inputs |= {port: str(self._window.table(data)) for port, data in signal["input_data"].items()}
        output = self._folder / name
        run_component(self._arm, signal["component_id"], inputs, output, self._folder)
        metrics = pd.read_parquet(output / "signal_metrics" / "data")
        found = tuple(
            Measurement(
                row.group,
                "all",
                row.metric_name,
                row.metric_value,
                row.threshold_value,
                row.metric_value > row.threshold_value,
            )
            for row in metrics.itertuples()
        )
        return SignalResult(name, "custom", found, (), signal["alert_enabled"])


def results(state: Path, job: str) -> list[dict[str, Any]]:
    """Return what a run measured, signal by signal: on Azure the studio shows it."""
    content: list[dict[str, Any]] = json.loads((state / "monitoring" / job / RESULTS).read_text(encoding="utf-8"))
    return content


def _tag(result: Any) -> str:
    from azureml_metrics.signals import breach_tag

    return breach_tag(result)
