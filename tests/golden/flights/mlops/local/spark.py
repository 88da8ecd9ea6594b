"""Spark components on the laptop: the component's own entry file and arguments on PySpark in local mode."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from azure.ai.ml.exceptions import JobException

from mlops.local.processes import bound_to_parent

PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")
LOG_TAIL = 20


def run_component(component: Any, inputs: dict[str, str], output: Path, folder: Path) -> None:
    """Run a Spark component; each output becomes a folder of that name under `output`.

    Raises:
        JobException: an input is missing or unknown, there is no Java, or the component failed.
    """
    wanted = set(component.inputs)
    if wanted != set(inputs):
        differing = ", ".join(sorted(wanted ^ set(inputs)))
        raise _failure(f"The component {component.name} and the monitor disagree about the inputs {differing}.")
    if not shutil.which("java"):
        raise _failure("PySpark needs Java 8, 11 or 17, and there is no `java` on the path.")
    values = {("inputs", name): value for name, value in inputs.items()}
    values |= {("outputs", name): str(output / name) for name in component.outputs}
    arguments = PLACEHOLDER.sub(lambda found: shlex.quote(values[found[1], found[2]]), component.args)
    code = (Path(component.base_path) / component.code).resolve()
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": ""}
    log = folder / f"{output.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            bound_to_parent([sys.executable, component.entry.entry, *shlex.split(arguments)]),
            cwd=code,
            env=os.environ | settings,
            stdout=file,
            stderr=file,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])
        raise _failure(f"The Spark component {component.name} failed. Its log, {log}, ends with:\n{tail}")


def _failure(message: str) -> JobException:
    return JobException(message=message, no_personal_data_message="Spark component failed")
