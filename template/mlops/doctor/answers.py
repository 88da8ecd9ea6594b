"""Judges the entries that the job's steps wrote: what each look was about, what is expected, and the remedy. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.doctor.lines import Line, not_known, ok, problem

RIGHTS = "Give the identity of the compute the role AzureML Data Scientist on the workspace"
STORAGE = "Give the identity of the compute the role Storage Blob Data Contributor on the workspace's storage account"
LOG = "the step's log has the whole error"
# What each look was about, and what to do if it has no answer.
LOOKS = {
    "plugin": ("packages of the job", "Add azureml-mlflow to environments/conda.yml and run `uv lock`"),
    "tracking": ("tracking server", "Add azureml-mlflow to environments/conda.yml: MLflow must log to the workspace"),
    "metric": ("metric of the job", f"{RIGHTS}; {LOG}"),
    "missing model": (
        "search for a model that does not exist",
        "Make `find_champion` in src/model/registry.py take this answer for no model, and send this line to the "
        "template's maintainers: until then a first training fails",
    ),
    "data": ("labelled rows in the job", f"{STORAGE}, and run `mlops data`; {LOG}"),
    "table written": ("MLTable that the job writes", f"{STORAGE}; {LOG}"),
    "table read": ("MLTable that a step wrote", f"Compare the versions of mltable and pandas in uv.lock; {LOG}"),
    "registered": ("model registered by a job", f"{RIGHTS}; {LOG}"),
    "found": (
        "tag that MLflow set",
        "`mlops train` finds the version of a job by such a tag: send this line to the template's maintainers",
    ),
    "tag": (
        "tag that Azure's API set",
        "A rollout marks a failed version by such a tag, and the gate reads it by MLflow: set it by MLflow too, and "
        "send this line to the template's maintainers",
    ),
    "loaded": ("model loaded by models:/", f"{STORAGE}; {LOG}"),
    "deleted": ("model deleted by a job", "Archive it with `az ml model archive`: the look needs no other remedy"),
    "spark": ("versions of Spark", f"Choose another `runtime_version` in the monitor's YAML; {LOG}"),
    "contract": (
        "code in Spark",
        "`code` in components/ must be the folder ../src: the components read src/model/contract.yml beside their code",
    ),
    "file system": ("file system of Spark", f"{STORAGE}; {LOG}"),
    "rows": ("production rows in Spark", f"{STORAGE}; {LOG}"),
}
NO_MODEL = ("RESOURCE_DOES_NOT_EXIST", "0 versions, no error")


@dataclass(frozen=True)
class Expected:
    """What is known outside: the tracking server's kind, whether an hour has rows, whether the tag was set."""

    tracking: str
    has_rows: bool
    has_tag: bool


def lines_of(entries: Iterable[Mapping[str, Any]], expected: Expected) -> list[Line]:
    """Return a line for each entry."""
    return [_line(str(entry["look"]), bool(entry["ok"]), str(entry["found"]), expected) for entry in entries]


def _line(look: str, is_ok: bool, found: str, expected: Expected) -> Line:
    looked_at, remedy = LOOKS.get(look, (look, LOG))
    if look == "rows" and is_ok:
        return _rows(looked_at, json.loads(found), remedy, expected)
    if look == "tag" and not is_ok and not expected.has_tag:
        return not_known(looked_at, "it was not set", "Look at the line about setting it")
    if look == "tracking" and is_ok and found != expected.tracking:
        return problem(looked_at, f"it is {found}:, not {expected.tracking}:", remedy)
    if look == "missing model" and is_ok and found not in NO_MODEL:
        return problem(looked_at, f"the registry answered {found}", remedy)
    return ok(looked_at, found) if is_ok else problem(looked_at, found, remedy)


def _rows(looked_at: str, counted: Mapping[str, int], remedy: str, expected: Expected) -> Line:
    found = f"{counted['files']} file(s) listed, {counted['lines']} line(s) read in one hour"
    if not expected.has_rows:
        return not_known(looked_at, "there are none yet", "Send rows with `mlops invoke`, and look again")
    if not counted["lines"]:
        return problem(
            looked_at,
            f"{found}, although there are rows",
            "With a key Spark cannot read append blobs: set the workspace's `systemDatastoresAuthMode` to identity",
        )
    return ok(looked_at, found)
