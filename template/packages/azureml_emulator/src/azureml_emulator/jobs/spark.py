"""Runs a registered Spark component on PySpark in local mode."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from azureml_emulator.files import log_tail
from azureml_emulator.processes import bound_to_parent
from azureml_emulator.services import Services

PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")


class ComponentFailedError(Exception):
    """A component of a monitor failed; the message ends with its log."""


def run_component(arm: Services, reference: str, inputs: dict[str, str], output: Path, folder: Path) -> None:
    """Run a component over files of the workspace's storage; each output becomes a folder of its name in `output`.

    Raises:
        ComponentFailedError: an input is missing or unknown, there is no Java, or the component failed.
    """
    spec = arm.assets.resolve(reference, "components")["properties"]["componentSpec"]
    name, wanted = spec["name"], set(spec.get("inputs") or {})
    if wanted != set(inputs):
        differing = ", ".join(sorted(wanted ^ set(inputs)))
        raise ComponentFailedError(f"The component {name} and the monitor disagree about the inputs {differing}.")
    if not shutil.which("java"):
        raise ComponentFailedError("PySpark needs Java 8, 11 or 17, and there is no `java` on the path.")
    values = {("inputs", key): value for key, value in inputs.items()}
    values |= {("outputs", key): str(output / key) for key in spec["outputs"]}
    arguments = PLACEHOLDER.sub(lambda found: shlex.quote(values[found[1], found[2]]), spec["args"])
    code = arm.assets.resolve(spec["code"].removeprefix("azureml:"), "codes")["properties"]["codeUri"]
    log = folder / f"{output.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": ""}
    with log.open("w", encoding="utf-8") as file:
        ended = subprocess.run(
            bound_to_parent([sys.executable, spec["entry"]["file"], *shlex.split(arguments)]),
            cwd=arm.storage.at(code),
            env=os.environ | settings,
            stdout=file,
            stderr=file,
            check=False,
        ).returncode
    if ended:
        raise ComponentFailedError(f"The Spark component {name} failed. Its log, {log}, ends with:\n{log_tail(log)}")
