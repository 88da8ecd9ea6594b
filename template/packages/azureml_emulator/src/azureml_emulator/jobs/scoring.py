"""Runs a batch scoring job: a deployment's own script over a folder, in a separate process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from azureml_emulator.answers import Refused
from azureml_emulator.environment import inherited
from azureml_emulator.files import log_tail
from azureml_emulator.host.staging import seconds
from azureml_emulator.jobs.batch_packages import missing
from azureml_emulator.jobs.data_access import not_found
from azureml_emulator.processes import bound_to_parent
from azureml_emulator.services import Services
from azureml_emulator.workspace import BLOB_STORE

STEP = "batchscoring"
DRIVER = Path(__file__).with_name("batch_driver.py")


class Scoring:
    """One scoring job.

    Args:
        arm: the workspace.
        job: the job's name.
        deployment: the properties of the batch deployment.
        given: the properties of the request: input, output, and settings that replace the deployment's.

    Raises:
        Refused: there is not one input and at most one output, or the input was never registered.
    """

    def __init__(self, arm: Services, job: str, deployment: dict[str, Any], given: dict[str, Any]):
        self._arm, self._job, self._deployment = arm, job, deployment
        self._folder = arm.state / "jobs" / job
        inputs, self._outputs = given.get("inputData") or {}, given.get("outputData") or {}
        if len(inputs) != 1 or len(self._outputs) > 1:
            raise Refused(400, "UserError", "A model deployment takes one input, a folder or file, and one output.")
        replaced = {key: value for key, value in given.items() if key in deployment and value is not None}
        self._known = deployment | replaced
        self._input, data = next(iter(inputs.items()))
        self._place = arm.path_of(data["uri"])

    def run(self) -> str:
        """Score, and return the job's final status."""
        step = f"{self._job}-{STEP}"
        self._arm.jobs.put_run(step, "Running")
        settings, log = self._folder / "settings.json", self._folder / "log.txt"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        if lacking := missing(self._arm.assets.environment(self._deployment["environmentId"])):
            log.write_text(lacking, encoding="utf-8")
            return self._fail(step, self._failure(log))
        if not self._files():
            return self._fail(step, not_found(self._input, str(self._place)))
        settings.write_text(json.dumps(self._settings(step)), encoding="utf-8")
        with log.open("w", encoding="utf-8") as stream:
            code = subprocess.run(
                bound_to_parent([sys.executable, "-P", str(DRIVER), str(settings)]),
                cwd=self._folder,
                env=inherited() | self._environment(),
                stdout=stream,
                stderr=stream,
                check=False,
            ).returncode
        if code:
            return self._fail(step, self._failure(log))
        self._arm.jobs.put_run(step, "Completed")
        return "Completed"

    def _failure(self, log: Path) -> str:
        return f"Batch scoring failed. Its log, {log}, ends with:\n{log_tail(log)}"

    def _fail(self, step: str, failure: str) -> str:
        self._arm.jobs.put_run(self._job, "Running", error=failure)
        self._arm.jobs.put_run(step, "Failed")
        return "Failed"

    def _settings(self, step: str) -> dict[str, Any]:
        """Return the settings of the driver: the request's before the deployment's, then Azure's."""
        known, retry = self._known, self._known.get("retrySettings") or {}
        configuration = self._deployment["codeConfiguration"]
        code = self._arm.assets.resolve(configuration["codeId"], "codes")["properties"]["codeUri"]
        shutil.copytree(
            self._arm.storage.at(code), self._folder / "code", ignore=shutil.ignore_patterns(".emulator", "__pycache__")
        )
        return {
            "script": str(self._folder / "code" / configuration["scoringScript"]),
            "files": self._files(),
            "mini_batch_size": known.get("miniBatchSize") or 10,
            "error_threshold": known.get("errorThreshold", -1),
            "max_retries": retry.get("maxRetries", 3),
            "timeout": seconds(retry.get("timeout", "PT30S")),
            "append_row": known.get("outputAction") != "SummaryOnly",
            "output": str(self._output(step)),
        }

    def _environment(self) -> dict[str, str]:
        name, _, version = self._deployment["model"]["assetId"].partition("/models/")[2].partition("/versions/")
        source = self._arm.path(self._arm.models.find(name, version)["properties"]["modelUri"])
        home = self._folder / "azureml-models" / name / version
        shutil.copytree(source, home / source.name)
        return {"AZUREML_MODEL_DIR": str(home)} | (self._deployment.get("environmentVariables") or {})

    def _files(self) -> list[str]:
        place = self._place
        files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
        return [str(file) for file in files if ".emulator" not in file.parts]

    def _output(self, step: str) -> Path:
        """Return the output file: the one that the caller names, or the service's own."""
        name = self._known.get("outputFileName") or "predictions.csv"
        for given in self._outputs.values():
            path = self._arm.path(given["uri"])
            is_file = given.get("jobOutputType", "").lower().replace("_", "") == "urifile"
            return path if is_file else path / name
        return self._arm.path(f"azureml://datastores/{BLOB_STORE}/paths/azureml/{step}/score") / name
