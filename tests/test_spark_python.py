"""The code of Spark components runs on the oldest Python of a Spark runtime that a monitor can choose: 3.10, of 3.4."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from model.preprocess_production_data import hours
from projects import ROOT
from test_monitoring import COLLECTED_ROWS, needs_java

OLDEST = "3.10"
# The packages of that runtime: pandas and numpy are older there than in any other place where this code runs.
PACKAGES = ("pandas==1.5.3", "numpy==1.23.5", "pyyaml==6.0.2")
SRC = ROOT / "template" / "src"
ENTRY = re.compile(r"file: (model/\w+\.py)")
WINDOW = {"data_window_start": "2026-11-20T09:00:00Z", "data_window_end": "2026-11-20T10:00:00Z"}


def spark_code() -> list[Path]:
    """Return the entry files of the Spark components, and every file of `src/` that they import."""
    components = [file.read_text(encoding="utf-8") for file in (ROOT / "template" / "components").iterdir()]
    left = [SRC / found[1] for text in components if "type: spark" in text and (found := ENTRY.search(text))]
    found: list[Path] = []
    while left:
        file = left.pop()
        if file.exists() and file not in found:
            found.append(file)
            tree = ast.parse(file.read_text(encoding="utf-8"))
            modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
            left += [SRC / f"{module.replace('.', '/')}.py" for module in modules if module.startswith("model.")]
    return sorted(found)


def older_python() -> str | None:
    """Return a Python 3.10 that runs: uv's, the path's or pyenv's."""
    managed = subprocess.run(
        ["uv", "python", "find", "--no-project", OLDEST], capture_output=True, text=True, check=False
    )
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [managed.stdout.strip(), shutil.which(f"python{OLDEST}")]
    candidates += sorted(map(str, pyenv.glob(f"versions/{OLDEST}.*/bin/python{OLDEST}")))
    return next((candidate for candidate in candidates if candidate and _version(candidate) == OLDEST), None)


def _version(python: str) -> str:
    show = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([python, "-c", show], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return a function that runs Python 3.10 with the packages of Spark's runtime and the tests' own PySpark."""
    interpreter = older_python()
    if not interpreter:
        pytest.skip(f"There is no Python {OLDEST} here: `uv python install {OLDEST}` installs one")
    packages = tmp_path_factory.mktemp("packages")
    install = ["uv", "pip", "install", "-q", "--python", interpreter, "--target", str(packages), *PACKAGES]
    subprocess.run(install, check=True)
    # Both are written in Python only, so those of the tests' own Python run on an older one too.
    for name in ("pyspark", "py4j"):
        (packages / name).symlink_to(Path(find_spec(name).origin).parent)
    settings = {"PYSPARK_PYTHON": interpreter, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(packages)}

    def run(*arguments):
        command = [interpreter, *map(str, arguments)]
        return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)

    return run


def test_linter_checks_all_of_it_for_that_python():
    settings = tomllib.loads((ROOT / "template" / "ruff.toml").read_text(encoding="utf-8"))
    ((pattern, version),) = settings["per-file-target-version"].items()
    names = re.fullmatch(r"src/model/\{(.*)\}\.py", pattern)[1].split(",")
    assert version == f"py{OLDEST.replace('.', '')}"
    assert sorted(names) == [file.stem for file in spark_code()]


def test_it_uses_nothing_that_is_newer(tmp_path):
    """The linter knows new syntax; mypy knows from which version on the standard library has a name."""
    command = [sys.executable, "-m", "mypy", "--config-file=", f"--python-version={OLDEST}", "--explicit-package-bases"]
    command += ["--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    environment = os.environ | {"MYPYPATH": str(SRC)}
    done = subprocess.run(
        [*command, *map(str, spark_code())], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_entry_starts_on_it(python):
    for file in spark_code():
        if "argparse" in file.read_text(encoding="utf-8"):
            done = python(file, "--help")
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20T09:30:00.0000000Z", "2026-11-20T10:00:00.5Z"),
        ("2026-11-20T01:00:00+02:00", "2026-11-20T00:00:00"),
    ],
    ids=["Z", "fractions", "another zone"],
)
def test_it_reads_the_same_windows(python, start, end):
    code = "import sys; from model.preprocess_production_data import hours; print(*hours(*sys.argv[2:]))"
    done = python("-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}", SRC, start, end)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == hours(start, end) != []


@needs_java
def test_collected_rows_are_preprocessed_on_it(python, tmp_path):
    given = WINDOW | {"input_data": COLLECTED_ROWS / "model_inputs", "preprocessed_input_data": tmp_path / "output"}
    options = [text for name, value in given.items() for text in (f"--{name}", value)]
    done = python(SRC / "model" / "preprocess_production_data.py", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "MLTable").is_file()
    assert list((tmp_path / "output" / "data").glob("*.parquet"))
