"""Settings files of other tools: each is read by a parser of its format."""

import configparser
import csv
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator
from packaging.requirements import InvalidRequirement, Requirement
from pathspec import GitIgnoreSpec
from pre_commit.clientlib import InvalidConfigError, load_config

# From containers.dev: a base image, and the allowed features.
PUBLISHED = re.compile(
    r"mcr\.microsoft\.com/devcontainers/python:1-3\.1[12]-bookworm"
    r"|ghcr\.io/devcontainers/features/(azure-cli|github-cli|java):1"
)
DEVCONTAINER = Path(__file__).parents[2] / "reference" / "devcontainer.schema.json"


def _each(read: Callable[[str], Any], *refusals: type[Exception]) -> Callable[[Path, list[str]], list[str]]:
    """Return a validator that reads each file and reports errors of reading."""

    def validate(project: Path, paths: list[str]) -> list[str]:
        found = []
        for path in paths:
            try:
                read((project / path).read_text(encoding="utf-8"))
            except refusals as error:
                found.append(f"{path}: {' '.join(str(error).split())[:300]}")
        return found

    return validate


def _ini(text: str) -> None:
    # .editorconfig has `root` before its first section.
    configparser.ConfigParser(interpolation=None).read_string(text if text.startswith("[") else f"[top]\n{text}")


def _table(text: str) -> None:
    lengths = {len(row) for row in csv.reader(text.splitlines(), strict=True)}
    if len(lengths) != 1:
        raise ValueError(f"rows have {sorted(lengths)} cells")


def _requirements(text: str) -> None:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            Requirement(line)


is_json = _each(json.loads, json.JSONDecodeError)
is_toml = _each(tomllib.loads, tomllib.TOMLDecodeError)
is_ini = _each(_ini, configparser.Error)
is_table = _each(_table, ValueError, csv.Error)
is_requirements = _each(_requirements, InvalidRequirement)
is_gitignore = _each(lambda text: GitIgnoreSpec.from_lines(text.splitlines()), ValueError)


def is_gitattributes(project: Path, paths: list[str]) -> list[str]:
    """Git accepts every line: it only warns on standard error about a line that it ignores."""
    found = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "init", "-q", folder], check=True)
            shutil.copy(project / path, Path(folder) / ".gitattributes")
            asked = ["git", "-C", folder, "check-attr", "--all", "--", "README.md"]
            warnings = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
        found += [f"{path}: {line}" for line in warnings.splitlines()]
    return found


def is_devcontainer(project: Path, paths: list[str]) -> list[str]:
    """The file matches the published schema of the development container specification, and uses allowed features."""
    validator = Draft201909Validator(json.loads(DEVCONTAINER.read_text(encoding="utf-8")))
    contents = {path: json.loads((project / path).read_text(encoding="utf-8")) for path in paths}
    found = [
        f"{path}: {error.json_path}: {error.message[:300]}"
        for path, content in contents.items()
        for error in validator.iter_errors(content)
    ]
    return found + [
        f"{path}: {name} is not published"
        for path, content in contents.items()
        for name in [content.get("image", ""), *content.get("features", {})]
        if not PUBLISHED.fullmatch(name)
    ]


def is_pre_commit(project: Path, paths: list[str]) -> list[str]:
    """Pre-commit can read the file."""
    found = []
    for path in paths:
        try:
            load_config(project / path)
        except InvalidConfigError as error:
            found.append(f"{path}: {' '.join(str(error).split())[:300]}")
    return found
