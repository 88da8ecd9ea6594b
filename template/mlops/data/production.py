"""Simulates production on the laptop and in demonstrations: sends rows to the endpoint and delivers labels later."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops.data.assets import (
    NEXT_PERIOD,
    PRODUCTION_TRUTH,
    newest_version,
    read_asset,
    register_rows,
    versions_of,
    write_table,
)
from mlops.data.scoring import score
from mlops.data.shifts import Shift, shift_rows
from mlops.errors import WrongInputError
from mlops.files import locked, read_json, restored, write_json
from mlops.paths import LABELS, PRODUCTION_DATA, ROOT, STATE, read_yaml
from model.contract import Contract, load_contract
from model.split import REPEAT
from model.tables import read_mltable

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PENDING_LABELS = ROOT / "data" / "pending_labels"
WINDOW_NUMBER = STATE / "visits.json"
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Sent:
    """The facts about one window of production."""

    rows: int
    requests: int
    shifts: tuple[str, ...]


def window_rows(client: "MLClient") -> int:
    """Return the expected number of rows in a window: all production rows, up to 20,000.

    Raises:
        WrongInputError: there is no production data yet.
    """
    versions = versions_of(client, str(read_yaml(PRODUCTION_DATA)["name"]))
    if not versions:
        raise WrongInputError("There is no production data yet: run `mlops data` first.")
    newest = max(versions, key=lambda data: int(str(data.version)))
    rows = str((newest.tags or {}).get("rows", ""))
    return min(int(rows), MOST_ROWS) if rows.isascii() and rows.isdecimal() else MOST_ROWS


def invoke(
    client: "MLClient",
    shifts: Sequence[Shift] = (),
    rows: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sent:
    """Send production rows to the endpoint, with the given shifts, and keep their labels until they are due.

    Raises:
        WrongInputError: there is no data or no endpoint.
        RunFailedError: the endpoint refused a request.
    """
    contract = load_contract()
    window = production_window(contract, shifts, rows or window_rows(client))
    _keep_labels(window[[contract.id_column, contract.target]])
    requests = score(client, window[[contract.id_column, *contract.features]], progress)
    return Sent(len(window), requests, tuple(shifts))


def _keep_labels(labels: pd.DataFrame) -> None:
    """Add labels to the pending ones; simultaneous commands lose none."""
    with locked(_state()):
        pending = pd.concat([read_mltable(PENDING_LABELS), labels]) if restored(PENDING_LABELS).exists() else labels
        write_table(pending, PENDING_LABELS)


def _state() -> Path:
    STATE.mkdir(parents=True, exist_ok=True)
    return STATE


def production_window(contract: Contract, shifts: Sequence[Shift], rows: int) -> pd.DataFrame:
    """Return the next window's rows, each with a new identifier; prefer rows that the last window did not have.

    Raises:
        WrongInputError: the data has no later season.
    """
    usual = usual_rows()
    pool = next_season(contract) if Shift.NEXT_SEASON in shifts else usual
    number = next_window_number()
    order = np.random.default_rng(0).permutation(len(pool))
    taken = pool.iloc[order[(np.arange(min(rows, len(pool))) + (number - 1) * rows) % len(pool)]]
    window = numbered(taken, number, contract)
    for shift in shifts:
        window = shift_rows(window, shift, usual, contract)
    return window


def usual_rows() -> pd.DataFrame:
    """Return production's rows without any drift, with the labels that nobody knows yet.

    Raises:
        WrongInputError: there is no production data yet.
    """
    return read_mltable(_prepared(PRODUCTION_TRUTH))


def next_window_number() -> int:
    """Return the number of the next window.

    The same row may be sent in several windows; the number makes each distinct.
    """
    with locked(_state()):
        counted = read_json(WINDOW_NUMBER) if WINDOW_NUMBER.exists() else {}
        number = int(counted.get("count", 0)) + 1
        write_json(WINDOW_NUMBER, {"count": number})
        return number


def numbered(rows: pd.DataFrame, number: int, contract: Contract) -> pd.DataFrame:
    """Return rows with the identifiers that they have in a window."""
    names = rows[contract.id_column] + f"{REPEAT}{number}"
    return rows.assign(**{contract.id_column: names}).reset_index(drop=True)


def next_season(contract: Contract) -> pd.DataFrame:
    """Return the rows of the first quarter of a year after the training period."""
    if not contract.training_until:
        raise WrongInputError(
            "This data has no later season: src/model/contract.yml does not name the end of the training period."
        )
    later = read_mltable(_prepared(NEXT_PERIOD))
    times = pd.to_datetime(later[str(contract.time_column)], utc=True, format="ISO8601")
    return later[times < times.min() + pd.Timedelta(days=91)]


def deliver_labels(client: "MLClient") -> int:
    """Register the labels of the rows sent so far as the next version of the labels asset; return their number.

    They simulate the outcomes that your own systems find for real rows. This runs on the laptop only: on Azure the
    system that knows the labels registers them.
    """
    with locked(_state()):
        if not restored(PENDING_LABELS).exists():
            return 0
        name, contract = str(read_yaml(LABELS)["name"]), load_contract()
        known = newest_version(client, name)
        due = read_mltable(PENDING_LABELS)
        old = read_asset(client, name, known) if known else due.head(0)
        register_rows(client, LABELS, pd.concat([old, due]).drop_duplicates(contract.id_column, ignore_index=True))
        shutil.rmtree(PENDING_LABELS)
        return len(due)


def _prepared(folder: Path) -> Path:
    if not restored(folder).exists():
        raise WrongInputError(f"There is no production data in {folder.relative_to(ROOT)}: run `mlops data` first.")
    return folder
