"""Runs a monitor schedule on the laptop: the window's rows, each signal by Azure's definitions, breaches as tags."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from azureml_metrics.columns import MetricsError
from azureml_metrics.signals import Measurement, SignalResult, State, Tables, breach_tag, compute
from mlops.data.records import hour_of
from mlops.data.storage import Folder
from mlops.errors import aside
from mlops.local.clock import full_hour
from mlops.local.collector import read_records
from mlops.local.datastore import Datastore
from mlops.local.spark import run_component
from model.tables import read_mltable

CORRELATION = "correlationid"
NOTHING = "Nothing was collected in this window."
# These compare all rows of a window with the reference, and need no label.
DRIFT = ("data_drift", "prediction_drift", "feature_attribution_drift")


@dataclass(frozen=True)
class MonitorRun:
    """One run of a monitor over one window."""

    name: str
    monitor: str
    start: str
    end: str
    signals: tuple[SignalResult, ...]

    @property
    def breached(self) -> tuple[SignalResult, ...]:
        """Return the signals that alert."""
        return tuple(signal for signal in self.signals if signal.state is State.ALERT)

    @property
    def unmeasured(self) -> tuple[SignalResult, ...]:
        """Return the signals that measured nothing."""
        return tuple(signal for signal in self.signals if signal.state is State.NOT_MEASURED)

    @property
    def state(self) -> State:
        """Return what the run says as a whole.

        One alert is an alert. Otherwise the window counts as measured if a drift signal measured something, or in a
        monitor without drift signals any other one. A performance signal whose labels have not come in yet is usual.
        """
        if self.breached:
            return State.ALERT
        deciding = [signal for signal in self.signals if signal.type in DRIFT] or self.signals
        measured = any(signal.state is not State.NOT_MEASURED for signal in deciding)
        return State.NO_ALERT if measured else State.NOT_MEASURED

    @property
    def tags(self) -> dict[str, str]:
        """Return the tag text of each signal that alerts, as Azure's evaluate step has it on its run."""
        return {signal.name: breach_tag(signal) for signal in self.breached}


class Window:
    """A monitor's production rows between two moments, each source read once."""

    def __init__(
        self, datastore: Datastore, definition: Mapping[str, Any], start: datetime, end: datetime, folder: Path
    ):
        self._datastore, self._monitor, self._folder = datastore, definition["create_monitor"], folder
        self.start, self.end = start, end
        self._read: dict[str, pd.DataFrame] = {}

    def collected(self, collection: str) -> pd.DataFrame:
        """Return what a collection of the monitored deployment got, as Azure's own preprocessor makes it."""
        endpoint, deployment = self._monitor["monitoring_target"]["endpoint_deployment_id"].split(":")[1:]
        return self._once(
            collection, lambda: explode(self._datastore.collected(endpoint, deployment, collection), self)
        )

    def preprocessed(self, data: Mapping[str, Any]) -> Path:
        """Run a signal's preprocessing component over the window and return the table it wrote.

        Raises:
            MetricsError: there is nothing in the window to preprocess.
        """
        path = self._datastore.resolve(data["input_data"]["path"])
        if not _has_files(path, self.start, self.end):
            raise MetricsError(NOTHING)
        output = self._folder / "preprocessed" / path.name
        if not output.exists():
            inputs = {
                "data_window_start": self.start.isoformat(),
                "data_window_end": self.end.isoformat(),
                "input_data": str(path),
            }
            run_component(self._datastore.component(data["pre_processing_component"]), inputs, output, self._folder)
        return output / "preprocessed_input_data"

    def production(self, signal: Mapping[str, Any]) -> pd.DataFrame:
        """Return the rows that a signal's production data stands for."""
        data = signal.get("production_data")
        if signal["type"] == "feature_attribution_drift":
            inputs, outputs = self.collected("model_inputs"), self.collected("model_outputs")
            if inputs.empty or outputs.empty:
                return pd.DataFrame()
            return inputs.merge(outputs[[CORRELATION, "prediction"]], on=CORRELATION).drop(columns=CORRELATION)
        if not data:
            source = "model_outputs" if signal["type"] == "prediction_drift" else "model_inputs"
            return self.collected(source)
        table = self.preprocessed(data)
        return self._once(str(table), lambda: pd.read_parquet(table / "data"))

    def _once(self, key: str, read: Any) -> pd.DataFrame:
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]


def explode(folder: Path, window: Window) -> pd.DataFrame:
    """Return collected records as one row for each element of `data`, correlation ids numbered."""
    rows = [
        row | {CORRELATION: f"{record.get(CORRELATION)}_{number}"}
        for record in read_records(folder, window.start, window.end, aside)
        for number, row in enumerate(record.get("data") or [])
    ]
    return pd.DataFrame(rows)


def _has_files(folder: Path, start: datetime, end: datetime) -> bool:
    """Return whether a window has files. Where folders are not by the hour, every window has all of them."""
    names = Folder(folder).names("")
    hours = [hour for name in names if (hour := hour_of(name)) is not None]
    return any(full_hour(start) <= hour < end for hour in hours) if hours else bool(names)


def run_signals(
    definition: Mapping[str, Any], window: Window, datastore: Datastore, folder: Path
) -> list[SignalResult]:
    """Compute every signal; one that cannot be computed says why, and has no measurements."""
    results = []
    for name, signal in definition["create_monitor"]["monitoring_signals"].items():
        try:
            if signal["type"] == "custom":
                results.append(_custom(name, signal, window, datastore, folder))
            else:
                results.append(_built_in(name, signal, window, datastore))
        except MetricsError as error:
            results.append(SignalResult(name, signal["type"], (), (str(error),), bool(signal.get("alert_enabled"))))
    return results


def _built_in(name: str, signal: Mapping[str, Any], window: Window, datastore: Datastore) -> SignalResult:
    production = window.production(signal)
    if production.empty:
        raise MetricsError(NOTHING)
    reference = signal["reference_data"]
    target = (reference.get("data_column_names") or {}).get("target_column")
    rows = read_mltable(datastore.resolve(reference["input_data"]["path"]))
    return compute(name, signal, Tables(rows, production, target))


def _custom(name: str, signal: Mapping[str, Any], window: Window, datastore: Datastore, folder: Path) -> SignalResult:
    """Run the signal's own component with the thresholds as inputs, and read the metrics it wrote."""
    inputs = {f"{given['metric_name']}_threshold": str(given["threshold"]) for given in signal["metric_thresholds"]}
    for port, data in signal["input_data"].items():
        if data.get("pre_processing_component"):
            inputs[port] = str(window.preprocessed(data))
        else:
            inputs[port] = str(datastore.resolve(data["input_data"]["path"]))
    output = folder / name
    run_component(datastore.component(signal["component_id"]), inputs, output, folder)
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
    notes = () if found else ("No label of a row in this window has come in yet.",)
    return SignalResult(name, "custom", found, notes, bool(signal.get("alert_enabled")))


def to_json(run: MonitorRun) -> dict[str, Any]:
    """Return a run as it is filed."""
    return asdict(run)


def from_json(content: Mapping[str, Any]) -> MonitorRun:
    """Return a filed run."""
    signals = tuple(
        SignalResult(
            **{
                **signal,
                "measurements": tuple(Measurement(**found) for found in signal["measurements"]),
                "notes": tuple(signal["notes"]),
            }
        )
        for signal in content["signals"]
    )
    return MonitorRun(**{**content, "signals": signals})
