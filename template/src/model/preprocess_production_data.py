"""Spark component: the window's JSON lines as a table with one row for each scored row.

Two kinds of line are understood: the data collector's records, whose `data` array is exploded and whose
correlation id is numbered (`abc_0`, `abc_1`), and plain rows, such as a batch endpoint writes. Folders are
`yyyy/MM/dd/HH`; the window is whole hours, its end exclusive unless it stands within an hour. Nested values
become JSON text. A line that is cut off, a record without a list of rows, and a record of more than 4 MB, whose rows
Azure keeps in another file, are counted, said and skipped.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # Spark starts this file, not the package it is in

from model.spark_tables import files_in, write_table

CORRELATION = "correlationid"
UNREADABLE = "line(s) are cut off or hold no record"
ELSEWHERE = "record(s) are larger than 4 MB, so Azure keeps their rows in other files, which are not read"


def hours(start: str, end: str) -> list[str]:
    """Return the hour folders of a window, as `2026/11/20/09`."""
    first, last = _moment(start).replace(minute=0, second=0, microsecond=0), _moment(end)
    count = max(0, -((first - last) // timedelta(hours=1)))
    return [(first + timedelta(hours=number)).strftime("%Y/%m/%d/%H") for number in range(count)]


def rows_of(line: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one line; values are numbers, text, booleans or nothing.

    Raises:
        ValueError: the line is not a record and not a row; the message says why.
    """
    try:
        record = json.loads(line)
    except RecursionError as error:
        raise ValueError(UNREADABLE) from error
    if not isinstance(record, dict):
        raise ValueError(UNREADABLE)
    if "specversion" not in record and "dataref" not in record:
        yield {name: _flat(value) for name, value in record.items()}
        return
    rows = record.get("data")
    if "dataref" in record and not isinstance(rows, list):
        raise ValueError(ELSEWHERE)
    is_whole = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not is_whole or not isinstance(record.get(CORRELATION), str):
        raise ValueError(UNREADABLE)
    for number, row in enumerate(rows):
        flat = {name: _flat(value) for name, value in row.items()}
        yield flat | {CORRELATION: f"{record.get(CORRELATION)}_{number}"}


def _flat(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def rows_as_text(lines: Iterable[str]) -> Iterator[str]:
    """Yield rows as JSON text: Spark infers their columns and types over the whole window."""
    skipped: Counter[str] = Counter()
    for line in lines:
        if not line.strip():
            continue
        try:
            yield from (json.dumps(row) for row in rows_of(line))
        except ValueError as error:
            skipped[str(error) if str(error) == ELSEWHERE else UNREADABLE] += 1
    for problem, count in skipped.items():
        print(f"{count} {problem}: skipped.", file=sys.stderr)


def main() -> None:
    """Preprocess one window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_window_start", required=True)
    parser.add_argument("--data_window_end", required=True)
    parser.add_argument("--input_data", required=True)
    parser.add_argument("--preprocessed_input_data", required=True)
    arguments = parser.parse_args()

    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("preprocess_production_data").getOrCreate()
    root = arguments.input_data.rstrip("/")
    folders = hours(arguments.data_window_start, arguments.data_window_end)
    files = [file for folder in folders for file in files_in(spark, f"{root}/{folder}/*.jsonl")]
    if not files:
        raise SystemExit(
            f"There is no data in {root} from {arguments.data_window_start} to {arguments.data_window_end}: "
            "nothing was collected in this window."
        )
    rows = spark.sparkContext.textFile(",".join(files)).mapPartitions(rows_as_text)
    table = spark.read.json(rows)
    if not table.columns:
        raise SystemExit(f"No record in {root} holds rows: nothing of this window can be read.")
    write_table(spark, table, arguments.preprocessed_input_data)


if __name__ == "__main__":
    main()
