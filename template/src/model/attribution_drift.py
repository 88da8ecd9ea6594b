"""Spark component: measures feature attribution drift, as the metrics of a custom signal.

Its production rows are the collected inputs and outputs of the same window, which the identifier joins.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # Spark starts this file outside of its package

from model.attribution import attribution_drift
from model.contract import load_contract
from model.spark_tables import read_table, write_metrics

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

METRIC = "attribution_drift"


def main() -> None:
    """Measure one window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--production_inputs", required=True)
    parser.add_argument("--production_outputs", required=True)
    parser.add_argument("--reference_data", required=True)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--signal_metrics", required=True)
    arguments = parser.parse_args()

    from pyspark.sql import SparkSession

    contract = load_contract()
    spark = SparkSession.builder.appName(METRIC).getOrCreate()
    # One column may be called `Age` and another one `age`.
    spark.conf.set("spark.sql.caseSensitive", "true")
    key, target = contract.id_column, contract.target
    inputs, outputs, reference = (
        _columns(read_table(spark, folder), names)
        for folder, names in (
            (arguments.production_inputs, [key, *contract.features]),
            (arguments.production_outputs, [key, "prediction"]),
            (arguments.reference_data, [*contract.features, target]),
        )
    )
    joined = inputs.dropDuplicates([key]).join(outputs.dropDuplicates([key]), key).drop(key)
    production = joined.withColumnRenamed("prediction", target).toPandas()
    columns = (target, list(contract.numerical), list(contract.categorical))
    value = attribution_drift(reference.toPandas(), production, *columns)
    measured = [] if value is None else [("all features", METRIC, value, arguments.threshold)]
    write_metrics(spark, measured, len(production), arguments.signal_metrics)


def _columns(table: "DataFrame", names: list[str]) -> "DataFrame":
    """Return those of the named columns that a table has; Spark reads a dot in an unquoted name as a part of it."""
    return table.select([f"`{name.replace('`', '``')}`" for name in names if name in table.columns])


if __name__ == "__main__":
    main()
