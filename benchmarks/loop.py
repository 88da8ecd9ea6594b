"""Compares the time of `mlops loop` with the same commands run one by one in another copy of the project."""

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from projects import copy_working_files, mlops, render_from

# The commands of `mlops loop` as a person would type them. The loop also runs the workflows' triage for each event.
BY_HAND = [
    ["data"],
    ["train"],
    ["calibrate"],
    ["deploy"],
    ["invoke"],
    ["monitor"],
    ["invoke", "--drift", "offset"],
    ["monitor"],
    ["retrain"],
    ["calibrate"],
    ["deploy"],
    ["invoke", "--drift", "offset"],
    ["monitor"],
]


def main() -> None:
    """Print both times and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        template = copy_working_files(Path(folder) / "template", "copier.yml", "extensions", "template")
        project = render_from(template, Path(folder) / "by_hand")
        total = 0.0
        for arguments in BY_HAND:
            started = time.perf_counter()
            done = mlops(project, *arguments)
            seconds = time.perf_counter() - started
            assert done.code == 0, done.stdout + done.stderr
            total += seconds
            print(f"{'mlops ' + ' '.join(arguments):32} {seconds:6.1f} s", flush=True)
        project = render_from(template, Path(folder) / "loop")
        started = time.perf_counter()
        done = mlops(project, "loop")
        seconds = time.perf_counter() - started
        assert done.code == 0, done.stdout + done.stderr
        result = json.loads((project / ".azureml-local" / "loop.json").read_text(encoding="utf-8"))
        for stage in result["stages"]:
            print(f"  loop: {stage['name']:24} {stage['seconds']:6.1f} s")
        print(
            f"loop {seconds:.1f} s, by hand {total:.1f} s: {seconds / total:.2f} times (goal: at most 1.3, and 150 s)"
        )


if __name__ == "__main__":
    main()
