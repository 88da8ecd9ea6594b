"""Reads and writes MLTable folders with Spark, in Azure's storage and on a laptop's disk."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MLTABLE = "type: mltable\npaths:\n  - pattern: ./data/*.parquet\ntransformations:\n  - read_parquet\n"


def write_table(spark: "SparkSession", rows: "DataFrame", folder: str) -> None:
    """Write rows as Parquet with an MLTable file. Hadoop's file system supports the same addresses as Spark."""
    rows.write.mode("overwrite").parquet(f"{folder}/data")
    write_file(spark, f"{folder}/MLTable", MLTABLE)


def write_file(spark: "SparkSession", address: str, text: str) -> None:
    """Write a text file."""
    files, path = _hadoop(spark, address)
    stream = files.create(path, True)
    stream.write(bytearray(text, "utf-8"))
    stream.close()


def write_metrics(spark: "SparkSession", measured: list[tuple[str, str, float, float]], rows: int, folder: str) -> None:
    """Write the metrics of a custom signal: group, name, value and threshold of each.

    Azure fails a signal without any metric, so the number of compared rows is always written. It has no threshold: a
    null is not judged, whereas NaN is larger than any number in Spark and would alert (azureml-assets,
    `model_monitor_evaluate_metrics_threshold`).

    Args:
        spark: the session.
        measured: the metrics; none if the window does not suffice for one.
        rows: the number of compared rows.
        folder: the folder of the output `signal_metrics`.
    """
    counted = ("", "compared_rows", float(rows), None)
    schema = "group string, metric_name string, metric_value double, threshold_value double"
    write_table(spark, spark.createDataFrame([*measured, counted], schema), folder)


def read_table(spark: "SparkSession", folder: str) -> "DataFrame":
    """Read an MLTable folder of Parquet files."""
    return spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet").parquet(folder)


def files_in(spark: "SparkSession", pattern: str) -> list[str]:
    """Return the files that match a path pattern."""
    files, path = _hadoop(spark, pattern)
    return [status.getPath().toString() for status in files.globStatus(path) or []]


def file_system(spark: "SparkSession", address: str) -> Any:
    """Return Hadoop's file system of an address."""
    return _hadoop(spark, address)[0]


def _hadoop(spark: "SparkSession", address: str) -> tuple[Any, Any]:
    """Return the file system of an address, and the address as a path in it."""
    java: Any = spark._jvm
    path = java.org.apache.hadoop.fs.Path(address)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path
