"""Runs a registered Spark component on PySpark in local mode."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from azureml_emulator.files import log_tail
from azureml_emulator.processes import bound_to_parent
from azureml_emulator.services import Services

PLACEHOLDER = re.compile(r"\$\{\{\s*((?:inputs|outputs)\.\w+)\s*\}\}")


class ComponentFailedError(Exception):
    """A component of a monitor failed; the message ends with its log."""


def run_component(arm: Services, reference: str, inputs: dict[str, str], output: Path, folder: Path) -> None:
    """Run a component of a monitor over files of the workspace's storage; each output becomes a folder in `output`.

    Raises:
        ComponentFailedError: an input is missing or unknown, there is no Java, or the component failed.
    """
    spec = arm.assets.resolve(reference, "components")["properties"]["componentSpec"]
    name, wanted = spec["name"], set(spec.get("inputs") or {})
    if wanted != set(inputs):
        differing = ", ".join(sorted(wanted ^ set(inputs)))
        raise ComponentFailedError(f"The component {name} and the monitor disagree about the inputs {differing}.")
    values = {f"inputs.{key}": value for key, value in inputs.items()}
    values |= {f"outputs.{key}": str(output / key) for key in spec["outputs"]}
    code = arm.assets.resolve(spec["code"].removeprefix("azureml:"), "codes")["properties"]["codeUri"]
    log = folder / f"{output.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        ended = submit(spec, values, arm.storage.at(code), file)
    if ended:
        raise ComponentFailedError(f"The Spark component {name} failed. Its log, {log}, ends with:\n{log_tail(log)}")


def submit(spec: dict[str, Any], values: dict[str, str], code: Path, log: IO[str]) -> int:
    """Run the program of a component in its folder, and return its exit code.

    Args:
        spec: the component.
        values: the values of its inputs and outputs, as `inputs.NAME` and `outputs.NAME`.
        code: the folder of its code.
        log: receives what it prints.

    Raises:
        ComponentFailedError: there is no Java.
    """
    if not shutil.which("java"):
        raise ComponentFailedError("PySpark needs Java 8, 11 or 17, and there is no `java` on the path.")
    arguments = PLACEHOLDER.sub(lambda found: shlex.quote(values[found[1]]), spec["args"])
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": ""}
    return subprocess.run(
        bound_to_parent([sys.executable, spec["entry"]["file"], *shlex.split(arguments)]),
        cwd=code,
        env=os.environ | settings,
        stdout=log,
        stderr=log,
        check=False,
    ).returncode
