"""Spark component: converts the window's JSON lines into a table with one row for each scored row.

It reads two kinds of lines: the data collector's records and plain rows, such as a batch endpoint writes. The `data`
array of a record is exploded and its correlation id numbered (`abc_0`, `abc_1`). Folders are `yyyy/MM/dd/HH`. The
window consists of whole hours; its end is exclusive unless it is within an hour. Nested values become JSON text.
These are counted, reported and skipped: a line that is cut off or is not UTF-8, a record without a list of rows, and
a record of more than 4 MB, because Azure keeps its rows in another file.

Spark 3.4 runs it on Python 3.10, so this file and the files it imports use nothing newer.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # Spark starts this file outside of its package

from model.spark_tables import files_in, write_table

CORRELATION = "correlationid"
# The largest float has no more digits.
MOST_DIGITS = 308
FRACTION = re.compile(r"\.(\d+)")
MANY_DIGITS = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")
UNREADABLE = "line(s) are cut off or do not hold a record"
ELSEWHERE = "record(s) are larger than 4 MB, so Azure keeps their rows in other files, which are not read"


def hours(start: str, end: str) -> list[str]:
    """Return the hour folders of a window, as `2026/11/20/09`."""
    first, last = _moment(start).replace(minute=0, second=0, microsecond=0), _moment(end)
    count = max(0, -((first - last) // timedelta(hours=1)))
    return [(first + timedelta(hours=number)).strftime("%Y/%m/%d/%H") for number in range(count)]


def rows_of(line: str | bytes) -> Iterator[dict[str, Any]]:
    """Yield the rows of one line; values are numbers, text, booleans or null.

    Raises:
        ValueError: the line is neither a record nor a row; the message gives the reason.
    """
    record = _parsed(line)
    if not isinstance(record, dict):
        raise ValueError(UNREADABLE)
    if not {"specversion", "dataref"} & record.keys() and not {"data", CORRELATION} <= record.keys():
        yield {name: _flat(value) for name, value in record.items()}
        return
    rows = record.get("data")
    if "dataref" in record and not isinstance(rows, list):
        raise ValueError(ELSEWHERE)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(UNREADABLE)
    if not isinstance(record.get(CORRELATION), str):
        raise ValueError(UNREADABLE)
    for number, row in enumerate(rows):
        flat = {name: _flat(value) for name, value in row.items()}
        yield flat | {CORRELATION: f"{record.get(CORRELATION)}_{number}"}


def _parsed(line: str | bytes) -> Any:
    try:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        return json.loads(text, parse_int=_whole_number) if MANY_DIGITS.search(text) else json.loads(text)
    # A list nested thousands of levels deep raises RecursionError, not JSONDecodeError.
    except (ValueError, RecursionError) as error:
        raise ValueError(UNREADABLE) from error


def _whole_number(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError(UNREADABLE)
    return int(digits)


def _flat(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value


def _moment(text: str) -> datetime:
    # Python 3.10 reads no `Z`, and a fraction of a second of three or six digits only.
    seconds = FRACTION.sub(lambda found: f".{found[1]:0<6.6}", text)
    moment = datetime.fromisoformat(seconds.replace("Z", "+00:00"))
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def texts_of(line: str | bytes) -> tuple[list[str], str]:
    """Return the rows of one line as JSON text, and the reason if the line was skipped.

    Rows are text so that Spark infers columns and types over the whole window.
    """
    if not line.strip():
        return [], ""
    try:
        return [json.dumps(row) for row in rows_of(line)], ""
    except (ValueError, RecursionError) as error:
        return [], ELSEWHERE if str(error) == ELSEWHERE else UNREADABLE


def rows_as_text(lines: Iterable[str | bytes]) -> Iterator[str]:
    """Yield the rows of lines as JSON text and report skipped lines."""
    skipped: Counter[str] = Counter()
    for line in lines:
        texts, problem = texts_of(line)
        yield from texts
        skipped[problem] += 1
    for problem, count in skipped.items():
        if problem:
            print(f"{count} {problem}: skipped.", file=sys.stderr)


def main() -> None:
    """Preprocess one window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_window_start", required=True)
    parser.add_argument("--data_window_end", required=True)
    parser.add_argument("--input_data", required=True)
    parser.add_argument("--preprocessed_input_data", required=True)
    arguments = parser.parse_args()

    from pyspark import StorageLevel
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, input_file_name

    spark = SparkSession.builder.appName("preprocess_production_data").getOrCreate()
    # One row may have a key `Age` and another row `age`.
    spark.conf.set("spark.sql.caseSensitive", "true")
    root = arguments.input_data.rstrip("/")
    folders = hours(arguments.data_window_start, arguments.data_window_end)
    files = [file for folder in folders for file in files_in(spark, f"{root}/{folder}/*.jsonl")]
    if not files:
        raise SystemExit(
            f"There is no data in {root} from {arguments.data_window_start} to {arguments.data_window_end}: "
            "nothing was collected in this window."
        )
    # Lines are read as bytes: as text, invalid UTF-8 would already be replaced.
    lines = spark.read.text(files, lineSep="\n").select(col("value").cast("binary"), input_file_name())
    read = lines.rdd.map(lambda line: (texts_of(bytes(line[0])), line[1])).persist(StorageLevel.MEMORY_AND_DISK)
    skipped = read.filter(lambda line: bool(line[0][1])).map(lambda line: (line[1], line[0][1])).countByValue()
    for (file, problem), count in sorted(skipped.items()):
        print(f"{file}: {count} {problem}: skipped.", file=sys.stderr)
    table = spark.read.json(read.flatMap(lambda line: line[0][0]))
    if not table.columns:
        raise SystemExit(f"No record in {root} contains rows: this window has no readable data.")
    write_table(spark, table, arguments.preprocessed_input_data)


if __name__ == "__main__":
    main()
