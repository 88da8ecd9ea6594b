"""Runs a monitor over one window: a job, a child for each signal, and in it the step that sets the breach's tag."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from azureml_emulator.events.event_grid import BREACH_TAG, breaches
from azureml_emulator.files import read_json, write_json
from azureml_emulator.jobs.spark import ComponentFailedError, run_component
from azureml_emulator.monitors.attribution import attribution, in_order, join
from azureml_emulator.monitors.custom import METRICS, judge
from azureml_emulator.monitors.definition import Signal, signals
from azureml_emulator.monitors.window import NoDataError, Window
from azureml_emulator.services import Services
from azureml_emulator.tables import read_mltable
from azureml_metrics.columns import MetricsError
from azureml_metrics.results import MonitorRun, from_json, to_json
from azureml_metrics.signals import SignalResult, State, Tables, breach_tag, compute

RESULTS = "results.json"
# Azure's preprocessor sets this tag of the root run (azureml-assets, `mdc_preprocessor_helper.py` and its callers).
ERROR_TAG, NO_DATA_TAG = "azureml.modelmonitor.error", "No data found for the given time window."


class MonitorJob:
    """One run of a schedule's monitor.

    Args:
        arm: the workspace.
        name: the job's name.
        monitor: the schedule's name.
        action: the schedule's action in the REST form.
        start: the window's start.
        end: the window's end.
    """

    def __init__(self, arm: Services, name: str, monitor: str, action: dict[str, Any], start: datetime, end: datetime):
        self._arm, self._name, self._monitor = arm, name, monitor
        self._folder = arm.state / "monitoring" / name
        self._signals = signals(action)
        self._window = Window(arm, start, end, self._folder)

    @property
    def steps(self) -> list[str]:
        """Return the signals: each is a pipeline of its own in the monitor's job."""
        return list(self._signals)

    def run(self) -> str:
        """Compute every signal, and return the job's final status.

        A window without rows fails a signal on Azure too; the job's error names a component that failed.
        """
        results, problems, statuses = [], [], []
        for name, signal in self._signals.items():
            child, step = f"{self._name}-{name}", f"{self._name}-{name}-evaluate"
            self._arm.jobs.put_run(child, "Running")
            # A component of a custom signal that judged nothing has completed.
            fails = signal["type"] != "custom"
            try:
                result = self._computed(name, signal)
            except NoDataError as error:
                fails, result = True, _unmeasured(name, signal, str(error))
                self._arm.jobs.put_run(self._name, "Running", tags={ERROR_TAG: NO_DATA_TAG})
            except ComponentFailedError as error:
                problems.append(str(error))
                fails, result = True, _unmeasured(name, signal, str(error))
            status = "Failed" if fails and result.state is State.NOT_MEASURED else "Completed"
            statuses.append(status)
            tags = {BREACH_TAG: breach_tag(result)} if result.is_tagged else {}
            self._arm.jobs.put_run(
                step, status, parent=child, root=self._name, display="evaluate_metric_thresholds", tags=tags
            )
            self._arm.jobs.put_run(child, status)
            results.append(result)
        window = self._window
        run = MonitorRun(self._name, self._monitor, window.start.isoformat(), window.end.isoformat(), tuple(results))
        write_json(self._folder / RESULTS, to_json(run))
        self._arm.events.put(breaches(self._arm.workspace.id, self._name, run.tags))
        if problems:
            self._arm.jobs.put_run(self._name, "Running", error="\n".join(problems))
        return "Failed" if "Failed" in statuses else "Completed"

    def _computed(self, name: str, signal: Signal) -> SignalResult:
        """Return the result of a signal, or why nothing could be measured.

        Raises:
            NoDataError: the window has no rows.
            ComponentFailedError: a component of the monitor failed.
        """
        if signal["type"] == "custom":
            return self._custom(name, signal)
        is_attribution = signal["type"] == "feature_attribution_drift"
        given = in_order(signal["production_data"]) if is_attribution else [signal["production_data"]]
        production = [self._window.rows(data) for data in given]
        reference = self._reference(signal)
        target = signal["reference_data"]["data_column_names"].get("target_column")
        if is_attribution:
            return attribution(name, signal, reference, join(*production), target)
        try:
            return compute(name, signal, Tables(reference, production[0], target))
        except MetricsError as error:
            return _unmeasured(name, signal, str(error))

    def _reference(self, signal: Signal) -> pd.DataFrame:
        folder = self._arm.path_of(signal["reference_data"]["input_data"]["path"])
        if not (folder / "MLTable").exists():
            raise ComponentFailedError(f"Failed to read MLTable {folder}, it is not found or not accessible.")
        return read_mltable(folder)

    def _custom(self, name: str, signal: Signal) -> SignalResult:
        """Run the signal's own component with the thresholds as inputs, and judge the metrics that it wrote."""
        inputs = {f"{given['metric_name']}_threshold": str(given["threshold"]) for given in signal["metric_thresholds"]}
        inputs |= {port: str(self._window.table(data)) for port, data in signal["input_data"].items()}
        output = self._folder / name
        run_component(self._arm, signal["component_id"], inputs, output, self._folder)
        return judge(name, signal, output / METRICS)


def read_result(state: Path, job: str) -> MonitorRun:
    """Return the measurements of a run, which Azure's studio shows.

    Raises:
        FileNotFoundError: there is no such run, or it measured nothing.
    """
    return from_json(read_json(state / "monitoring" / job / RESULTS))


def last_result(state: Path, monitor: str) -> MonitorRun | None:
    """Return the results of a monitor's last run, None if it never ran."""
    files = sorted((state / "monitoring").glob(f"{monitor}-*/{RESULTS}"))
    runs = [run for file in files if (run := from_json(read_json(file))).monitor == monitor]
    return runs[-1] if runs else None


def _unmeasured(name: str, signal: Signal, reason: str) -> SignalResult:
    return SignalResult(name, signal["type"], (), (reason,), signal["alert_enabled"])
