"""Reads and writes MLTable folders with Spark, in Azure's storage and on a laptop's disk."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MLTABLE = "type: mltable\npaths:\n  - pattern: ./data/*.parquet\ntransformations:\n  - read_parquet\n"


def write_table(spark: "SparkSession", rows: "DataFrame", folder: str) -> None:
    """Write rows as Parquet with an MLTable file. Hadoop's file system supports the same addresses as Spark."""
    rows.write.mode("overwrite").parquet(f"{folder}/data")
    file_system, path = _hadoop(spark, f"{folder}/MLTable")
    stream = file_system.create(path, True)
    stream.write(bytearray(MLTABLE, "utf-8"))
    stream.close()


def read_table(spark: "SparkSession", folder: str) -> "DataFrame":
    """Read an MLTable folder of Parquet files."""
    return spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet").parquet(folder)


def files_in(spark: "SparkSession", pattern: str) -> list[str]:
    """Return the files that match a path pattern."""
    file_system, path = _hadoop(spark, pattern)
    return [status.getPath().toString() for status in file_system.globStatus(path) or []]


def _hadoop(spark: "SparkSession", address: str) -> tuple[Any, Any]:
    """Return the file system of an address, and the address as a path in it."""
    java: Any = spark._jvm
    path = java.org.apache.hadoop.fs.Path(address)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path
