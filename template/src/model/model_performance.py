"""Spark component: measures the error of predictions with known labels, as the metrics of a custom signal."""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # Spark starts this file outside of its package

from model.contract import load_contract
from model.spark_tables import read_table, write_metrics


def main() -> None:
    """Measure one window, without rows that have no label yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--production_data", required=True)
    parser.add_argument("--ground_truth", required=True)
    parser.add_argument("--metric", choices=["rmse", "error_rate"], required=True)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--signal_metrics", required=True)
    arguments = parser.parse_args()

    from pyspark.sql import SparkSession
    from pyspark.sql import functions as sql

    contract = load_contract()
    spark = SparkSession.builder.appName("model_performance").getOrCreate()
    predictions = read_table(spark, arguments.production_data)
    labels = read_table(spark, arguments.ground_truth)
    pairs = predictions.join(labels.dropDuplicates([contract.id_column]), contract.id_column)
    predicted, actual = pairs["prediction"], pairs[contract.target]
    loss = (
        sql.pow(predicted - actual, sql.lit(2)) if arguments.metric == "rmse" else (predicted != actual).cast("double")
    )
    mean, count = pairs.select(sql.mean(loss), sql.count(loss)).collect()[0]
    value = mean if mean is None or arguments.metric == "error_rate" else math.sqrt(mean)
    measured = [] if value is None else [(contract.target, arguments.metric, float(value), arguments.threshold)]
    write_metrics(spark, measured, count, arguments.signal_metrics)


if __name__ == "__main__":
    main()
