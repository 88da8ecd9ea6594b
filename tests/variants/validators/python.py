"""Python and notebook cells compile and pass ruff; the type checker runs elsewhere, over the whole template."""

import subprocess
import sys
from pathlib import Path

RUFF = Path(sys.executable).with_name("ruff")
COMMANDS = (["check", "--output-format=concise", "--quiet"], ["format", "--check", "--quiet", "--diff"])


def is_python(project: Path, paths: list[str]) -> list[str]:
    """The file compiles."""
    found = []
    for path in paths:
        try:
            compile((project / path).read_bytes(), path, "exec")
        except (SyntaxError, ValueError) as error:
            found.append(f"{path}: {error}")
    return found


def is_linted(project: Path, paths: list[str]) -> list[str]:
    """The file passes the project's linter and formatter."""
    return [sentence for command in COMMANDS for sentence in _ruff(project, command, paths)]


def _ruff(project: Path, command: list[str], paths: list[str]) -> list[str]:
    def run(*files: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RUFF, *command, "--no-cache", *files], cwd=project, capture_output=True, text=True, check=False
        )

    if run(*paths).returncode == 0:
        return []
    done = {path: run(path) for path in paths}
    return [f"{path}: {(one.stdout or one.stderr).strip()}" for path, one in done.items() if one.returncode]
