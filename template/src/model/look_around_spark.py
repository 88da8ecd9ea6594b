"""Spark component: looks around inside Spark on Azure, for what cannot be seen from outside.

It writes `lines.json` as `look_around` does: no row, and no name of a person or resource. Spark 3.4 runs it on Python
3.10, so this file uses nothing newer.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # Spark starts this file outside of its package

from model.spark_tables import file_system, files_in, write_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FILE = "lines.json"


def python_version() -> str:
    """Return the version of Python."""
    return ".".join(map(str, sys.version_info[:3]))


def contract_beside() -> str:
    """Return how the code lies there, and whether the file that the components read is beside them."""
    here = Path(__file__)
    kind = "in an archive" if ".zip" in str(here) else "in a folder"
    if not here.with_name("contract.yml").is_file():
        raise FileNotFoundError("contract.yml")
    return f"{kind}, contract.yml beside it"


def files_of_hour(spark: "SparkSession", folder: str) -> str:
    """List and read the files of one hour."""
    files = files_in(spark, f"{folder.rstrip('/')}/*.jsonl")
    lines = spark.read.text(files).count() if files else 0
    return json.dumps({"files": len(files), "lines": lines})


def main() -> None:
    """Look at Python, Spark, the code, the file system and the rows of one hour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="the folder of one hour of production rows")
    parser.add_argument("--lines", required=True)
    arguments = parser.parse_args()

    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("look_around_spark").getOrCreate()
    entries: list[dict[str, Any]] = []

    def look(name: str, question: Callable[[], str]) -> None:
        started = time.perf_counter()
        try:
            found, is_ok = question(), True
        except Exception as error:  # whatever is wrong, the other questions are asked too
            traceback.print_exc()
            found, is_ok = type(error).__name__, False
        seconds = round(time.perf_counter() - started, 1)
        entries.append({"look": name, "ok": is_ok, "found": found, "seconds": seconds})

    look("spark", lambda: f"Spark {spark.version}, Python {python_version()}")
    look("contract", contract_beside)
    look("file system", lambda: str(file_system(spark, arguments.rows).getClass().getName()))
    look("rows", lambda: files_of_hour(spark, arguments.rows))
    write_file(spark, f"{arguments.lines}/{FILE}", json.dumps(entries, indent=1))


if __name__ == "__main__":
    main()
