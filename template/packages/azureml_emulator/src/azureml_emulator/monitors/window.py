"""Reads a monitor's production rows between two times."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from azureml_emulator.host.collector import files_of, read_records
from azureml_emulator.jobs.spark import run_component
from azureml_emulator.services import Services
from azureml_metrics.columns import MetricsError

CORRELATION = "correlationid"
NOTHING = "Nothing was collected in this window."


class Window:
    """The rows of one window, each source read once; `notes` name the skipped rows."""

    def __init__(self, arm: Services, start: datetime, end: datetime, folder: Path):
        self._arm, self._folder = arm, folder
        self.start, self.end = start, end
        self.notes: list[str] = []
        self._read: dict[str, pd.DataFrame] = {}

    def production(self, signal: Mapping[str, Any]) -> pd.DataFrame:
        """Return the production rows of a signal; those of inputs and outputs are joined for attributions.

        Raises:
            MetricsError: the window has none.
        """
        given = signal["production_data"]
        if isinstance(given, list):
            inputs, outputs = (self._rows(data) for data in sorted(given, key=lambda data: str(data["data_context"])))
            if inputs.empty or outputs.empty:
                raise MetricsError(NOTHING)
            joined = inputs.merge(outputs[[CORRELATION, "prediction"]], on=CORRELATION)
            return joined.drop(columns=CORRELATION)
        rows = self._rows(given)
        if rows.empty:
            raise MetricsError(NOTHING)
        return rows

    def table(self, data: Mapping[str, Any]) -> Path:
        """Return the folder of a table: the output of its preprocessing component, or the asset itself.

        Raises:
            MetricsError: the window has nothing to preprocess.
        """
        path = self._arm.path_of(data["input_data"]["path"])
        component = data.get("pre_processing_component")
        if not component:
            return path
        if not files_of(path, self.start, self.end):
            raise MetricsError(NOTHING)
        output = self._folder / "preprocessed" / path.name
        if not output.exists():
            inputs = {
                "data_window_start": self.start.isoformat(),
                "data_window_end": self.end.isoformat(),
                "input_data": str(path),
            }
            run_component(self._arm, component, inputs, output, self._folder)
        return output / "preprocessed_input_data"

    def _rows(self, data: Mapping[str, Any]) -> pd.DataFrame:
        if data.get("pre_processing_component"):
            table = self.table(data)
            return self._once(str(table), lambda: pd.read_parquet(table / "data"))
        folder = self._arm.path_of(data["input_data"]["path"])
        return self._once(str(folder), lambda: self._exploded(folder))

    def _exploded(self, folder: Path) -> pd.DataFrame:
        """Return collected records in the form of Azure's own preprocessor: a row for each element of `data`."""
        rows = [
            row | {CORRELATION: f"{record.get(CORRELATION)}_{number}"}
            for record in read_records(folder, self.start, self.end, self.notes.append)
            for number, row in enumerate(record["data"])
        ]
        return pd.DataFrame(rows)

    def _once(self, key: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]
