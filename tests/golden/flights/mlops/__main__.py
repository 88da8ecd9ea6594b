"""`python -m mlops` is `mlops`."""

from mlops.cli import run

run()
