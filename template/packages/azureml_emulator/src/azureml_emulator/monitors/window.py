"""Reads a monitor's production rows between two times."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import isodate
import pandas as pd

from azureml_emulator.clock import DAY
from azureml_emulator.host.collector import files_of, read_records
from azureml_emulator.jobs.spark import run_component
from azureml_emulator.services import Services
from azureml_emulator.tables import write_mltable

CORRELATION = "correlationid"
NO_DATA = (
    "No data found for the given time window: {start} to {end} in input {folder}. "
    "We expect folder pattern <root>/YYYY/MM/DD/HH/<your_log>.jsonl"
)
"""What Azure's preprocessor says of a window without rows (azureml-assets, `mdc_utils.py`)."""

Data = Mapping[str, Any]


class NoDataError(Exception):
    """A window without rows, which fails a signal."""


class Window:
    """The rows of one run of a monitor, each source read once; `notes` name the skipped lines.

    Args:
        arm: the workspace.
        start: the end of the monitor's last run, where a window of one day begins.
        end: the time of this run.
        folder: the folder of this run.
    """

    def __init__(self, arm: Services, start: datetime, end: datetime, folder: Path):
        self._arm, self._folder = arm, folder
        self.start, self.end = start, end
        self.notes: list[str] = []
        self._read: dict[tuple[str, datetime, datetime], pd.DataFrame] = {}

    def rows(self, data: Data) -> pd.DataFrame:
        """Return the production rows of an input.

        Raises:
            NoDataError: the window has none.
            ComponentFailedError: the preprocessing component failed.
        """
        if data.get("pre_processing_component"):
            table = self.table(data)
            return self._once(data, lambda: pd.read_parquet(table / "data"))
        return self._once(data, lambda: self._collected(data))

    def table(self, data: Data) -> Path:
        """Return the folder of an MLTable: the asset itself, or what its preprocessing component makes of it.

        Raises:
            NoDataError: the window has no rows.
            ComponentFailedError: the preprocessing component failed.
        """
        path = self._arm.path_of(data["input_data"]["path"])
        if data["input_data"]["type"] == "mltable":
            return path
        start, end = self.bounds(data)
        output = self._folder / "preprocessed" / f"{path.name}-{start:%Y%m%d%H}-{end:%Y%m%d%H}"
        if output.exists():
            return output / "preprocessed_input_data"
        component = data.get("pre_processing_component")
        if not component:
            write_mltable(self.rows(data), output / "preprocessed_input_data")
        else:
            if not files_of(path, start, end):
                raise NoDataError(self._nothing(path, start, end))
            inputs = {"data_window_start": start.isoformat(), "data_window_end": end.isoformat()}
            run_component(self._arm, component, inputs | {"input_data": str(path)}, output, self._folder)
        return output / "preprocessed_input_data"

    def bounds(self, data: Data) -> tuple[datetime, datetime]:
        """Return the start and the end of an input's window.

        A window of one day begins at the monitor's last run, because people run it several times a day. So it excludes
        what a rollout sent before the monitor was bound to the deployment. A longer window includes that, as in Azure.
        """
        size, offset = (isodate.parse_duration(given or "P0D").days for given in data["window"])
        shift = offset * DAY
        start = min(self.start, self.end - size * DAY) if size > 1 else self.start
        return start - shift, self.end - shift

    def _collected(self, data: Data) -> pd.DataFrame:
        """Return collected records in the form of Azure's own preprocessor: a row for each element of `data`."""
        folder = self._arm.path_of(data["input_data"]["path"])
        start, end = self.bounds(data)
        rows = [
            row | {CORRELATION: f"{record.get(CORRELATION)}_{number}"}
            for record in read_records(folder, start, end, self.notes.append)
            for number, row in enumerate(record["data"])
        ]
        if not rows:
            raise NoDataError(self._nothing(folder, start, end))
        return pd.DataFrame(rows)

    def _nothing(self, folder: Path, start: datetime, end: datetime) -> str:
        return NO_DATA.format(start=start, end=end, folder=folder)

    def _once(self, data: Data, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        key = (str(data["input_data"]["path"]), *self.bounds(data))
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]
