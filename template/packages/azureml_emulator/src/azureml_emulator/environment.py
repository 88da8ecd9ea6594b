"""The environment that child processes inherit, and a hash of the emulator's code that detects an outdated host."""

import hashlib
import os
import sys
from pathlib import Path

NOT_INHERITED = ("AZURE_", "AZUREML_", "AML_", "MLFLOW_", "MLOPS_", "GUNICORN_", "PYTHONPATH")


def inherited() -> dict[str, str]:
    """Return this process's environment without its own settings, which a container would not have."""
    return {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}


def code_version() -> str:
    """Return a hash of the emulator's code and Python version: a host with another one is replaced."""
    digest = hashlib.sha256(sys.executable.encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
