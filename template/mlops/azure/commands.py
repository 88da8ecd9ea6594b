"""Builds command lines of `az` and `gh`, prints them as a bash script and runs them."""

import getpass
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import RunFailedError
from mlops.paths import ROOT

VARIABLE = re.compile(r"\$\{(\w+)\}")
SECRET_FILE = "${SECRET_FILE}"  # noqa: S105


@dataclass(frozen=True)
class Command:
    """A command line. `${NAME}` in it is the output that an earlier command saved under this name.

    Args:
        why: its purpose, shown before it runs.
        args: the command and its arguments.
        unless: a check: if it succeeds and prints something, the command is not needed.
        saves: the name under which the output is saved.
        stdin: the text of its standard input.
        secret: the prompt for a secret; the file `${SECRET_FILE}` holds the secret while the command runs.
        advice: the remedy if it fails.
    """

    why: str
    args: tuple[str, ...]
    unless: tuple[str, ...] = ()
    saves: str = ""
    stdin: str = ""
    secret: str = ""
    advice: str = ""


def script(commands: Iterable[Command]) -> str:
    """Return the commands as an equivalent bash script."""
    blocks = [_block(command) for command in commands]
    return "\n\n".join(["#!/usr/bin/env bash", "set -euo pipefail", *blocks]) + "\n"


def _block(command: Command) -> str:
    line = " ".join(_quote(arg) for arg in command.args)
    if command.stdin:
        line = f"{line} <<'JSON'\n{command.stdin}\nJSON" if "${" not in command.stdin else _here(line, command.stdin)
    if command.secret:
        line = line.replace(_quote(SECRET_FILE), '<(printf %s "$SECRET")')
        line = f"read -rsp {_quote(command.secret + ': ')} SECRET\n{line}"
    if command.saves:
        line = f'{command.saves}="$({line})"'
    if command.unless:
        check = " ".join(_quote(arg) for arg in command.unless)
        line = f'if [ -z "$({check} 2>/dev/null)" ]; then\n{line}\nfi'
    return f"# {command.why}\n{line}"


def _here(line: str, text: str) -> str:
    return f"{line} <<JSON\n{text}\nJSON"


def _quote(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:=@,+-]+", text):
        return text
    escaped = re.sub(r'([\\"`])', r"\\\1", text)
    return '"' + re.sub(r"\$(?!\{\w+\})", r"\\$", escaped) + '"'


def run(
    commands: Iterable[Command],
    report: Callable[[str], None],
    ask: Callable[[str], str] = getpass.getpass,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run commands, skip those that are not needed, and return the number of commands that changed something.

    Raises:
        RunFailedError: a command failed; the message gives its purpose, the error and the remedy.
    """
    values: dict[str, str] = {}
    known = {**os.environ, **(environment or {})}
    changes = 0
    for command in commands:
        if command.unless and _output(command.unless, values, known):
            report(f"{command.why}: done already")
            continue
        report(command.why)
        answer = _run(command, values, known, ask)
        if answer.returncode:
            advice = f" {command.advice}" if command.advice else ""
            raise RunFailedError(f"{command.why} failed: {answer.stderr.strip()[-1000:]}{advice}")
        if command.saves:
            values[command.saves] = answer.stdout.strip()
        else:
            changes += 1
    return changes


def _run(
    command: Command, values: dict[str, str], known: Mapping[str, str], ask: Callable[[str], str]
) -> "subprocess.CompletedProcess[str]":
    with tempfile.TemporaryDirectory() as folder:
        if command.secret:
            # Only the owner can read a folder of tempfile. An argument would show the secret in the list of processes.
            file = Path(folder) / "secret"
            file.write_text(ask(f"{command.secret}: ").strip(), encoding="utf-8")
            values = values | {"SECRET_FILE": str(file)}
        args = [_fill(arg, values) for arg in command.args]
        stdin = _fill(command.stdin, values)
        return subprocess.run(args, input=stdin, capture_output=True, text=True, cwd=ROOT, env=dict(known), check=False)


def _output(args: tuple[str, ...], values: Mapping[str, str], known: Mapping[str, str]) -> str:
    filled = [_fill(arg, values) for arg in args]
    answer = subprocess.run(filled, capture_output=True, text=True, cwd=ROOT, env=dict(known), check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _fill(text: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: values[found[1]], text)
