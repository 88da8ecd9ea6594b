"""Collects the rows and predictions of an online deployment for the monitor."""

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
# Azure keeps the rows of a record of more than 4 MB in another file, which neither a monitor nor a retraining reads.
# Records are posted as ASCII, so Azure's own encoding of them is not longer.
MOST_BYTES = 3_000_000
# A character takes up to two escapes, such as \\ud83d\\ude00. A number takes up to 25 characters, plus punctuation.
ESCAPED, NUMBER = 12, 32

log = logging.getLogger("azmlinfsrv.collection")


class Collection:
    """The collections `model_inputs` and `model_outputs`; correlation id and position join their rows.

    The SDK posts each record separately, which takes longer than scoring a row. A request is collected at once, but
    requests that follow within a tenth of a second share a record.
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
            # A stopping worker would not wait for this thread or the SDK's threads.
            atexit.register(self._close)

    def add(self, rows: Rows, predictions: list[Any]) -> None:
        """Collect rows and their predictions if collection is enabled."""
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
                # If this thread ended, nothing would be collected until the deployment restarts.
                log.exception("%d requests are not collected.", len(batch))
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._is_full(), PAUSE)

    def _collect(self, batch: list[tuple[Rows, list[Any]]]) -> None:
        inputs = pd.concat([rows.features for rows, _ in batch], ignore_index=True)
        identifiers = [identifier for rows, _ in batch for identifier in rows.identifiers]
        predictions = [prediction for _, given in batch for prediction in given]
        outputs = pd.DataFrame({self._id_column: identifiers, "prediction": predictions})
        # A custom signal that compares inputs with outputs joins them by the identifier: it is not told whether Azure's
        # preprocessor keeps the correlation id.
        inputs.insert(0, self._id_column, identifiers)
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
    """Split rows into records, so that no record of either collection is larger than `most` bytes.

    Both collections are split at the same rows, so that correlation id and position still join them. A single row
    that is larger is left out of both.
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
    """Return the size of a record of these rows in the SDK's format."""
    return len(table.to_json(orient="records"))


def _most_bytes(table: pd.DataFrame) -> int:
    """Return an upper bound of a record's size. It is far cheaper than the exact size, and nearly always sufficient."""
    # pandas escapes slashes too.
    names = sum(len(json.dumps(str(name))) + str(name).count("/") for name in table)
    total = len(table) * (names + NUMBER * len(table.columns))
    for name in table:
        if table[name].dtype == object:
            total += ESCAPED * sum(len(value) for value in table[name] if isinstance(value, str))
    return total


def _collector(name: str) -> Collector | None:
    """Return a collection's collector, or None if it is not enabled: scoring works without it."""
    refusals: list[Exception] = []
    Collector(name=name, on_error=refusals.append)
    if refusals:
        log.warning("%s is not collected: %s", name, refusals[0])
        return None
    return Collector(name=name, on_error=lambda error: log.error("%s lost a record: %s", name, error))
