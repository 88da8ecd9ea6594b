"""Reads the settings of the workspace on Azure."""

import json
import os
from pathlib import Path
from typing import Any

from mlops.errors import WrongInputError
from mlops.paths import ROOT

WORKSPACE_SETTINGS = {
    "AZURE_SUBSCRIPTION_ID": "subscription_id",
    "AZURE_RESOURCE_GROUP": "resource_group",
    "AZUREML_WORKSPACE_NAME": "workspace_name",
}


def workspace_settings() -> dict[str, str]:
    """Return subscription, resource group and workspace, from the environment or else from config.json.

    Raises:
        WrongInputError: one of them is missing, or config.json cannot be read.
    """
    set_here = {key: os.environ.get(variable) for variable, key in WORKSPACE_SETTINGS.items()}
    known = {} if all(set_here.values()) else _configuration(ROOT / "config.json")
    settings = {key: value or known.get(key) for key, value in set_here.items()}
    missing = [variable for variable, key in WORKSPACE_SETTINGS.items() if not settings[key]]
    if missing:
        raise WrongInputError(
            f"MLOPS_TARGET is azure, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, and "
            "config.json (download it from the studio) does not name the workspace either."
        )
    return {key: str(value) for key, value in settings.items()}


def _configuration(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise WrongInputError(
            f"{file.name} cannot be read as JSON ({error}): download it again from the studio."
        ) from error
    if not isinstance(content, dict):
        raise WrongInputError(f"{file.name} does not hold a JSON object: download it again from the studio.")
    return content
