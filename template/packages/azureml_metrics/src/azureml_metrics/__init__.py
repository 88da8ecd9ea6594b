"""Azure ML's drift, data quality and attribution metrics, computed with NumPy and pandas instead of Spark."""
