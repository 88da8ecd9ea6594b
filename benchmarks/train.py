"""Compares the time of `mlops train` with that of its steps run by hand: `uv run python benchmarks/train.py [DATASET]`.

By hand, the components' own command lines run one after the other, each in its own process. Both run alternately on
the same data, each time with an empty model registry, and the medians are compared.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shlex import quote

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from projects import copy_working_files, mlops, render_from

REPEATS = 3
BINDING = re.compile(r"\$\{\{([\w.]+)}}")


def read(path: Path) -> dict:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def command_lines(project: Path, outputs: Path) -> dict[str, str]:
    """Return each step's command line, in the order of the pipeline's YAML, with its values filled in."""
    pipeline = read(project / "pipelines" / "ci_pipeline.yml")
    values = {f"parent.inputs.{name}": str(value) for name, value in pipeline["inputs"].items()}
    values["parent.inputs.data"] = str(project / "data" / "labelled")
    lines = {}
    for step, job in pipeline["jobs"].items():
        component = read(project / "pipelines" / job["component"])
        for name in component.get("outputs", {}):
            values[f"outputs.{name}"] = values[f"parent.jobs.{step}.outputs.{name}"] = str(outputs / step / name)
        inputs = {f"inputs.{name}": values[BINDING.fullmatch(bound)[1]] for name, bound in job["inputs"].items()}
        filled = values | inputs
        lines[step] = BINDING.sub(lambda found, filled=filled: quote(filled[found[1]]), component["command"])
    return lines


def by_hand(project: Path) -> float:
    """Run the steps one after the other and return their total seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": (Path(folder) / "mlruns").as_uri(),
            "MLFLOW_EXPERIMENT_NAME": "by-hand",
        }
        lines = command_lines(project, Path(folder))
        for step in lines:
            (Path(folder) / step).mkdir()
        started = time.perf_counter()
        for line in lines.values():
            subprocess.run(["bash", "-c", line], cwd=project / "src", env=environment, capture_output=True, check=True)
        return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    dataset = sys.argv[1] if len(sys.argv) > 1 else "diabetes"
    with tempfile.TemporaryDirectory() as folder:
        template = copy_working_files(Path(folder) / "template", "copier.yml", "extensions", "template")
        project = render_from(template, Path(folder) / "project", dataset=dataset)
        prepared = mlops(project, "data")
        whole, parts, megabytes = [], [], 0.0
        for _ in range(REPEATS):
            for kept in ("jobs", "mlruns"):
                shutil.rmtree(project / ".azureml-local" / kept, ignore_errors=True)
            done = mlops(project, "train")
            if done.code:
                raise SystemExit(done.stderr)
            whole.append(done.seconds)
            megabytes = max(megabytes, done.megabytes)
            parts.append(by_hand(project))
    together, alone = statistics.median(whole), statistics.median(parts)
    print(f"mlops data,  {dataset}: {prepared.seconds:.1f} s, {prepared.megabytes:.0f} MB")
    print(f"mlops train, {dataset}: {together:.1f} s, {megabytes:.0f} MB")
    print(f"its steps by hand: {alone:.1f} s, so {together / alone:.2f} times as long")


if __name__ == "__main__":
    main()
