"""Runs a rendered project's commands against an emulated Azure, for tests of the Azure half."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checked_requests import assert_published
from projects import ROOT, python


@dataclass(frozen=True)
class Result:
    """The result of a command: its exit code (`traceback` for an uncaught exception) and its requests."""

    code: Any
    stdout: str
    stderr: str
    requests: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    # Violations of Azure's published API.
    problems: list[str] = field(default_factory=list)
    result: Any = None

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def run(project: Path, state: Path, *steps: dict[str, Any], azurite: int = 0, is_locked: bool = True) -> list[Result]:
    """Run commands one after the other, in one process, with the real SDK against the emulator.

    `azurite` is the port of Azurite, if Azurite is the workspace's storage. A locked project has the lock of the tests,
    which has every package of a project: Azure's environments are registered from it.

    Raises:
        AssertionError: a step sent a request that Azure's published API does not have; the message names both.
    """
    if is_locked:
        shutil.copy(ROOT / "uv.lock", project)
    results = state.with_suffix(".results.json")
    told = {"state": str(state), "results": str(results), "steps": list(steps), "azurite": azurite}
    done = python(project, "-m", "azure_process", given=json.dumps(told), beside=(ROOT / "tests",))
    assert done.code == 0, done.stdout + done.stderr
    found = [Result(**result) for result in json.loads(results.read_text(encoding="utf-8"))]
    titles = [f"step {number}, {_title(step)}" for number, step in enumerate(steps, 1)]
    assert_published({title: result.problems for title, result in zip(titles, found, strict=True)})
    return found


def _title(step: dict[str, Any]) -> str:
    return "Python" if "python" in step else f"mlops {' '.join(step['arguments'])}"


def verb(*arguments: str, **more: Any) -> dict[str, Any]:
    """Return a command in the form that `run` takes."""
    return {"arguments": list(arguments), **more}
