"""MLTable folders read and written by Spark, on Azure's storage and on a laptop's disk alike."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MLTABLE = "type: mltable\npaths:\n  - pattern: ./data/*.parquet\ntransformations:\n  - read_parquet\n"


def write_table(spark: "SparkSession", rows: "DataFrame", folder: str) -> None:
    """Write rows as Parquet beside an MLTable file. Hadoop's file system knows every address that Spark does."""
    rows.write.mode("overwrite").parquet(f"{folder}/data")
    path = spark._jvm.org.apache.hadoop.fs.Path(f"{folder}/MLTable")
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path, True)
    stream.write(bytearray(MLTABLE, "utf-8"))
    stream.close()


def read_table(spark: "SparkSession", folder: str) -> "DataFrame":
    """Read an MLTable folder of Parquet files."""
    return spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet").parquet(folder)


def files_in(spark: "SparkSession", pattern: str) -> list[str]:
    """Return the files that a path pattern matches, none if there are none."""
    path = spark._jvm.org.apache.hadoop.fs.Path(pattern)
    found = path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path)
    return [status.getPath().toString() for status in found or []]
