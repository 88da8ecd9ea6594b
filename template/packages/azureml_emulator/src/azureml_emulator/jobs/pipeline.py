"""Runs a pipeline job from its REST body alone: the components and the code that the SDK has uploaded."""

import json
import os
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from shlex import quote
from typing import Any

from azureml_emulator.answers import Refused
from azureml_emulator.environment import inherited
from azureml_emulator.files import log_tail
from azureml_emulator.jobs.data_access import not_found
from azureml_emulator.jobs.spark import ComponentFailedError, submit
from azureml_emulator.processes import bound_to_parent
from azureml_emulator.services import Services
from azureml_emulator.workspace import BLOB_STORE

BINDING = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")
SPARK = "spark"
LITERALS = ("string", "number", "integer", "boolean")


class Pipeline:
    """One pipeline job.

    Raises:
        Refused: a component, an environment or an input was never registered, or a required input is not given.
    """

    def __init__(self, arm: Services, name: str, properties: dict[str, Any]):
        self._arm, self._name, self._properties = arm, name, properties
        self._folder = arm.state / "jobs" / name
        self._jobs: dict[str, dict[str, Any]] = properties["jobs"]
        self._specs = {
            step: arm.assets.resolve(job["componentId"], "components")["properties"]["componentSpec"]
            for step, job in self._jobs.items()
        }
        for spec in self._specs.values():
            # The runtime of Spark brings its own packages.
            if spec["type"] != SPARK:
                arm.assets.check(spec["environment"].removeprefix("azureml:"), "environments")
        self._check_inputs()
        self.steps = self._order()
        self._mounted: set[Path] = set()
        self._values = {f"parent.inputs.{key}": self._input(given) for key, given in properties["inputs"].items()}
        self._place_outputs()

    def run(self) -> str:
        """Run the steps, and return the job's final status.

        After a failed step no other runs; with `continue_on_step_failure` those run that do not depend on it.
        """
        # Import the models of an earlier pipeline whose process died before it could report them.
        self._arm.models.collect()
        goes_on = bool((self._properties.get("settings") or {}).get("continue_on_step_failure"))
        left_out: set[str] = set()
        failures: list[str] = []
        for step in self.steps:
            if (failures and not goes_on) or self._needed(step) & left_out:
                left_out.add(step)
                self._arm.jobs.put_run(f"{self._name}-{step}", "Canceled")
                continue
            self._arm.jobs.put_run(f"{self._name}-{step}", "Running")
            problem = self._run_step(step)
            # A registered model is in the workspace at once, and not only when its job has ended.
            self._arm.models.collect()
            self._arm.jobs.put_run(f"{self._name}-{step}", "Failed" if problem else "Completed")
            if problem:
                left_out.add(step)
                log = self._folder / step / "log.txt"
                failures.append(f"The step '{step}' {problem}. Its log, {log}, ends with:\n{log_tail(log)}")
                self._arm.jobs.put_run(self._name, "Running", error=failures[0])
        return "Failed" if failures else "Completed"

    def _check_inputs(self) -> None:
        """Refuse a step that lacks an input which its component requires, or that is bound to a missing one."""
        for step, spec in self._specs.items():
            given = self._jobs[step].get("inputs") or {}
            for key, declared in (spec.get("inputs") or {}).items():
                is_optional = str(declared.get("optional")).lower() == "true" or declared.get("default") is not None
                if given.get(key) is None and not is_optional:
                    raise Refused(
                        400, "UserError", f"Required input '{key}' for component '{spec['name']}' not provided."
                    )
            for bound in BINDING.findall(str(given)):
                name = bound.removeprefix("parent.inputs.")
                if name != bound and name not in self._properties["inputs"]:
                    raise Refused(
                        400, "UserError", f"Required input '{name}' for pipeline '{self._name}' not provided."
                    )

    def _input(self, given: dict[str, Any]) -> str:
        # A literal or a binding has a value, data has an address. Steps and pipelines spell the type differently.
        if "uri" not in given:
            return str(given["value"])
        address = str(given["uri"])
        if "/data/" in address and "/versions/" in address:
            address = self._arm.assets.resolve(address, "data")["properties"]["dataUri"]
        return str(self._arm.path(address))

    def _place_outputs(self) -> None:
        """Choose a folder for each output: the one that the job names, or the service's own for the step's run."""
        named = self._properties.get("outputs") or {}
        for step, spec in self._specs.items():
            for output in spec.get("outputs") or {}:
                bound = BINDING.fullmatch(str((self._jobs[step].get("outputs") or {}).get(output, {}).get("value", "")))
                of_job = bound[1].split(".")[-1] if bound else ""
                address = (named.get(of_job) or {}).get("uri")
                place = address or f"azureml://datastores/{BLOB_STORE}/paths/azureml/{self._name}-{step}/{output}/"
                self._values[f"parent.jobs.{step}.outputs.{output}"] = str(self._arm.path(place))

    def _order(self) -> list[str]:
        return list(TopologicalSorter({step: self._needed(step) for step in self._jobs}).static_order())

    def _needed(self, step: str) -> set[str]:
        """Return the steps whose outputs a step reads."""
        bound = BINDING.findall(str(self._jobs[step].get("inputs")))
        return {found.split(".")[2] for found in bound if ".jobs." in f".{found}"}

    def _run_step(self, step: str) -> str:
        """Run a step, and return what went wrong, empty if nothing did."""
        spec, folder = self._specs[step], self._folder / step
        shutil.rmtree(folder, ignore_errors=True)
        code = self._arm.assets.resolve(spec["code"].removeprefix("azureml:"), "codes")["properties"]["codeUri"]
        shutil.copytree(self._arm.storage.at(code), folder / "code", ignore=shutil.ignore_patterns(".emulator"))
        values = self._given(step)
        for output, declared in (spec.get("outputs") or {}).items():
            values[f"outputs.{output}"] = self._values[f"parent.jobs.{step}.outputs.{output}"]
            self._mount(Path(values[f"outputs.{output}"]), declared["type"])
        if spec["type"] == SPARK:
            return self._run_spark(spec, values, folder)
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            for key, declared in (spec.get("inputs") or {}).items():
                place = values.get(f"inputs.{key}")
                if place and declared["type"] not in LITERALS and not self._is_there(Path(place)):
                    log.write(not_found(key, place) + "\n")
                    return f"cannot access its input '{key}'"
            ended = subprocess.run(
                bound_to_parent(["bash", "-c", BINDING.sub(lambda found: quote(values[found[1]]), spec["command"])]),
                cwd=folder / "code",
                env=self._environment(step),
                stdout=log,
                stderr=log,
                check=False,
            ).returncode
        return f"failed with exit code {ended}" if ended else ""

    def _run_spark(self, spec: dict[str, Any], values: dict[str, str], folder: Path) -> str:
        """Run a Spark step, which opens its inputs itself: nothing is mounted."""
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            try:
                ended = submit(spec, values, folder / "code", log)
            except ComponentFailedError as error:
                log.write(f"{error}\n")
                return "could not be started"
        return f"failed with exit code {ended}" if ended else ""

    def _given(self, step: str) -> dict[str, str]:
        """Return the values of a step's inputs: the given ones before the component's defaults."""
        declared = self._specs[step].get("inputs") or {}
        values = {f"inputs.{key}": str(each["default"]) for key, each in declared.items() if "default" in each}
        return values | {
            f"inputs.{key}": BINDING.sub(lambda found: self._values[found[1]], self._input(given))
            for key, given in (self._jobs[step].get("inputs") or {}).items()
        }

    def _mount(self, place: Path, kind: str) -> None:
        """Lay out an output: an empty folder, or the folder of a file that the step has to write."""
        # A run that died may have left files.
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
        if kind == "uri_file":
            place.parent.mkdir(parents=True, exist_ok=True)
        else:
            place.mkdir(parents=True)
            self._mounted.add(place)

    def _is_there(self, place: Path) -> bool:
        """Return whether an input can be mounted. Blob storage has no empty folder, but a mounted output may be one."""
        return place.is_file() or place in self._mounted or any(file.is_file() for file in place.rglob("*"))

    def _environment(self, step: str) -> dict[str, str]:
        return inherited() | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "MLFLOW_TRACKING_URI": self._arm.models.store.uri,
            "MLFLOW_EXPERIMENT_NAME": str(self._properties.get("experimentName") or "Default"),
            "MLFLOW_RUN_CONTEXT": json.dumps({"mlflow.runName": step, "mlflow.rootRunId": self._name}),
            "AZUREML_ROOT_RUN_ID": self._name,
            "AZUREML_RUN_ID": f"{self._name}-{step}",
        }
