"""What processes of the emulator take over from the one that starts them, and how they tell old code from new."""

import hashlib
import os
import sys
from pathlib import Path

NOT_INHERITED = ("AZURE_", "AZUREML_", "AML_", "MLFLOW_", "MLOPS_", "GUNICORN_", "PYTHONPATH")


def inherited() -> dict[str, str]:
    """Return this process's environment without its own settings, which no container would have."""
    return {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}


def code_version() -> str:
    """Return what changes when the emulator's code or Python does: a host of other code is replaced."""
    digest = hashlib.sha256(sys.executable.encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
