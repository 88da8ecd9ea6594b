"""Renders projects and runs commands in them, for the template's tests."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import copier
import psutil
from packaging.requirements import Requirement

from variants.questionnaire import Questionnaire

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
ANSWERS = ".copier-answers.yml"
# Wide enough for every table; and a command does what it says, and not what its events lead to besides.
OWN_SETTINGS = {"COLUMNS": "200", "MLOPS_EVENTS": "later"}


@cache
def template() -> Path:
    """Return a copy of the working tree without git, so that Copier reads it in place instead of cloning it."""
    folder = Path(tempfile.mkdtemp(prefix="template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return copy_working_files(folder, "copier.yml", "extensions", "template")


@cache
def questionnaire() -> Questionnaire:
    """Return the questions of copier.yml."""
    return Questionnaire(template())


def questions() -> dict[str, dict[str, Any]]:
    """Return the questions that a user answers, in their order, without computed values."""
    return {name: details for name, details in questionnaire().details.items() if details.get("when") is not False}


def choices(question: str, **answers: Any) -> list[Any]:
    """Return the choices of a question for the given answers, on which they may depend."""
    return [values[question] for values in questionnaire().variants(branching=[question], **answers)]


def working_files() -> list[Path]:
    """Return every file of the working tree that is not ignored, committed or not, relative to the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [Path(name) for name in sorted(set(names)) if name and (ROOT / name).is_file()]


def copy_working_files(folder: Path, *parts: str) -> Path:
    """Copy the working files, or those under `parts` only, to a folder."""
    for name in working_files():
        if not parts or name.parts[0] in parts:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def render_from(template: Path, destination: Path, **answers: Any) -> Path:
    """Render a project like `copier copy --defaults --data ...`, without trust; an unknown question is an error."""
    unknown = answers.keys() - questions().keys()
    if unknown:
        raise KeyError(f"copier.yml asks no question {', '.join(sorted(unknown))}")
    copier.run_copy(str(template), destination, data=answers, defaults=True, unsafe=False, quiet=True)
    return destination


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder with its content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_origin(files: dict[str, bytes]) -> dict[str, bytes]:
    """Remove the template's path and commit from a project's answers."""
    lines = files[ANSWERS].splitlines(keepends=True)
    return files | {ANSWERS: b"".join(line for line in lines if not line.startswith((b"_commit", b"_src_path")))}


@dataclass(frozen=True)
class Finished:
    """A finished command: its output, exit code, time and memory."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    megabytes: float


def mlops(project: Path, *arguments: str, **environment: str) -> Finished:
    """Run `mlops` in a project, with the tests' own Python: it has the packages that the project asks for."""
    return python(project, "-m", "mlops.cli", *arguments, **environment)


def python(
    project: Path, *arguments: str, given: str | None = None, beside: tuple[Path, ...] = (), **environment: str
) -> Finished:
    """Run Python in a project, with the packages that only that project needs. Memory is the maximum of its processes.

    `given` is its standard input; modules in the folders `beside` can be imported too.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "AZURE", "MLFLOW_"))
    }
    paths = os.pathsep.join([import_path(project), *map(str, beside), *_packages(_missing(project))])
    started, before = time.perf_counter(), os.times()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=project,
        env=inherited | OWN_SETTINGS | {"PYTHONPATH": paths} | environment,
        stdin=subprocess.PIPE if given is not None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    most = 0
    unsent = given
    while True:
        try:
            stdout, stderr = process.communicate(unsent, timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            unsent = None
            most = max(most, _resident(process.pid))
    seconds, after = time.perf_counter() - started, os.times()
    cpu_seconds = after.children_user - before.children_user + after.children_system - before.children_system
    return Finished(process.returncode, stdout, stderr, seconds, cpu_seconds, most / 2**20)


def import_path(project: Path) -> str:
    """The folders from which a project's modules are imported, as PYTHONPATH names them."""
    return os.pathsep.join(map(str, [project / "src", project, *sorted(project.glob("packages/*/src"))]))


def _missing(project: Path) -> tuple[str, ...]:
    """Return the pins of a project that the tests' own Python lacks, such as those of a new data set."""
    file = project / "pyproject.toml"
    settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    pins = settings.get("project", {}).get("dependencies", [])
    inside = settings.get("tool", {}).get("uv", {}).get("sources", {})
    return tuple(pin for pin in pins if pin not in inside and not _is_installed(Requirement(pin).name))


@cache
def _is_installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False


@cache
def _packages(pins: tuple[str, ...]) -> list[str]:
    """Return the folder with packages in addition to the tests' own Python, or None."""
    if not pins:
        return []
    folder = tempfile.mkdtemp(prefix="packages-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["uv", "pip", "install", "-q", "--python", sys.executable, "--target", folder, *pins], check=True)
    return [folder]


def _resident(pid: int) -> int:
    """Return the bytes that a process and its descendants use."""
    total = 0
    try:
        for process in [family := psutil.Process(pid), *family.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:  # the process ended in the meantime
        pass
    return total
