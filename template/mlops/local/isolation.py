"""What a process that stands in for an Azure container takes over from this one's environment."""

import os

NOT_INHERITED = ("AZUREML_", "AML_", "MLFLOW_", "MLOPS_", "GUNICORN_", "PYTHONPATH")


def inherited() -> dict[str, str]:
    """Return this process's environment without its own settings, which no container would have."""
    return {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
