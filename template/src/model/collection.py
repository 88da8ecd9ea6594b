"""Collects what an online deployment scored, for the monitor to read."""

import atexit
import json
import logging
import threading
from typing import Any

import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.init import teardown

from model.contract import Contract
from model.serving import Rows

PAUSE = 0.1
MOST_ROWS = 1000
# The rows of a record of more than 4 MB are kept in another file, and neither a monitor nor a retraining finds them.
# What is posted is ASCII, so Azure's own spelling of it is no longer.
MOST_BYTES = 3_000_000
# A character is written as up to two escapes, such as \\ud83d\\ude00; a number has up to 25 characters, beside comma,
# colon and what may be around it.
ESCAPED, NUMBER = 12, 32

log = logging.getLogger("azmlinfsrv.collection")


class Collection:
    """The collections `model_inputs` and `model_outputs`, whose rows belong together by correlation id and position.

    The SDK posts each record by itself, which costs more than scoring a row. A request is collected at once, but what
    follows within a tenth of a second shares a record.
    """

    def __init__(self, contract: Contract):
        self._id_column = contract.id_column
        self._inputs, self._outputs = _collector("model_inputs"), _collector("model_outputs")
        self._waiting: list[tuple[Rows, list[Any]]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="collection", daemon=True)
        if self._inputs or self._outputs:
            self._thread.start()
            # A worker that is stopped would wait neither for this thread nor for the SDK's.
            atexit.register(self._close)

    def add(self, rows: Rows, predictions: list[Any]) -> None:
        """Collect rows and their predictions, where collection is switched on."""
        if self._thread.is_alive():
            with self._changed:
                self._waiting.append((rows, predictions))
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                self._collect(batch)
            except Exception:
                # Without this thread nothing would be collected until the deployment starts again.
                log.exception("%d requests are not collected.", len(batch))
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._is_full(), PAUSE)

    def _collect(self, batch: list[tuple[Rows, list[Any]]]) -> None:
        inputs = pd.concat([rows.features for rows, _ in batch], ignore_index=True)
        identifiers = [identifier for rows, _ in batch for identifier in rows.identifiers]
        predictions = [prediction for _, given in batch for prediction in given]
        outputs = pd.DataFrame({self._id_column: identifiers, "prediction": predictions})
        for part in record_parts(inputs, outputs):
            context = BasicCorrelationContext()
            if self._inputs:
                self._inputs.collect(inputs.iloc[part].reset_index(drop=True), context)
            if self._outputs:
                self._outputs.collect(outputs.iloc[part].reset_index(drop=True), context)

    def _is_full(self) -> bool:
        return sum(len(predictions) for _, predictions in self._waiting) >= MOST_ROWS

    def _close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        teardown(wait_for_flush=True)


def record_parts(inputs: pd.DataFrame, outputs: pd.DataFrame, most: int = MOST_BYTES) -> list[slice]:
    """Return the rows that each record takes, so that neither collection's record is larger than `most` bytes.

    Both collections are cut at the same rows: position and correlation id then belong together. A single row that is
    larger is left out of both.
    """
    if all(_most_bytes(table) <= most or _bytes(table) <= most for table in (inputs, outputs)):
        return [slice(0, len(inputs))]
    if len(inputs) == 1:
        log.error("A row of more than %d bytes is not collected.", most)
        return []
    middle = len(inputs) // 2
    first = record_parts(inputs.iloc[:middle], outputs.iloc[:middle], most)
    second = record_parts(inputs.iloc[middle:], outputs.iloc[middle:], most)
    return first + [slice(middle + part.start, middle + part.stop) for part in second]


def _bytes(table: pd.DataFrame) -> int:
    """Return how long a record of these rows is, written as the SDK writes it."""
    return len(table.to_json(orient="records"))


def _most_bytes(table: pd.DataFrame) -> int:
    """Return what a record of these rows has at most: far cheaper than writing it, and nearly always enough to know."""
    # pandas escapes slashes too.
    names = sum(len(json.dumps(str(name))) + str(name).count("/") for name in table)
    total = len(table) * (names + NUMBER * len(table.columns))
    for name in table:
        if table[name].dtype == object:
            total += ESCAPED * sum(len(value) for value in table[name] if isinstance(value, str))
    return total


def _collector(name: str) -> Collector | None:
    """Return a collection's collector, or None where it is not switched on: scoring works all the same."""
    refusals: list[Exception] = []
    Collector(name=name, on_error=refusals.append)
    if refusals:
        log.warning("%s is not collected: %s", name, refusals[0])
        return None
    return Collector(name=name, on_error=lambda error: log.error("%s lost a record: %s", name, error))
