"""Finds the commands in documents and workflows, and checks that the programs would accept them.

No command is run: `mlops` and pytest parse with their own parsers, the Azure CLI in its own environment
(test_documents.py), and other programs' options have to be in the program's help.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_it import MarkdownIt

from mlops.cli import app
from projects import ROOT

SHELL = {"bash", "sh", "console"}
NO_COMMANDS = {"mermaid", "yaml", "json", "toml", "python", "jinja", "text", "markdown"}
# In running text a command is a program and its arguments. `a: b`, a path or a single word is not a command.
INLINE = re.compile(
    r"(?:git|uvx?|az|gh|copier|docker|pip|python3?|npm|npx|ruff|mypy|pytest|pre-commit) [a-z.'-]|mlops [a-z]+"
)
BUILTINS = {"cd", "export", "command"}
GIT_ALL = "--git-completion-helper-all"
# The number of words that identify the command whose help lists the options.
WORDS = {"git": 1, "copier": 1, "pre-commit": 1, "ruff": 1, "jupyter": 1, "mypy": 0, "check-jsonschema": 0, "zizmor": 0}
UV_TAKES = {"--with", "--from", "--python"}
# `az ml` is an extension that is not on any package index, and gh is not a Python program. So their used options are
# listed here from their references (learn.microsoft.com/cli/azure/ml, cli.github.com/manual).
AZ_ML = {"--name", "-n", "--file", "-f", "--resource-group", "-g", "--workspace-name", "-w", "--yes", "-y", "--set"}
AZ_ML |= {"--stream", "--all-traffic", "--set-default", "--request-file", "--input", "--input-type"}
RECORDED = {
    "az ml": dict.fromkeys(
        ["job create", "data create", "component create", "compute delete"]
        + [f"schedule {verb}" for verb in ("create", "trigger", "enable", "disable")]
        + [f"{kind}-endpoint {verb}" for kind in ("online", "batch") for verb in ("create", "delete", "invoke")]
        + [f"{kind}-deployment create" for kind in ("online", "batch")],
        AZ_ML,
    ),
    "gh": {
        "auth login": {"--hostname", "-h", "--web", "-w", "--with-token"},
        "workflow run": {"--ref", "-r", "--field", "-f", "--repo", "-R"},
        "run watch": {"--exit-status"},
    },
}


def commands(text: str) -> Iterator[list[str]]:
    """Yield every command of a Markdown document, split into words; each code block must name its language."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "fence":
            language = token.info.strip()
            assert language in SHELL | NO_COMMANDS, f"a block is in '{language}': {token.content[:60]!r}"
            if language in SHELL:
                yield from simple(token.content)
        for child in token.children or []:
            if child.type == "code_inline" and INLINE.match(child.content):
                yield from simple(child.content)


def simple(script: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script, which are separated by `&&`, pipes, brackets and line ends."""
    for line in script.replace("\\\n", " ").splitlines():
        words: list[str] = []
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.wordchars += "@{}[]<>$%:,+"
        for word in [*lexer, "&&"]:
            if set(word) <= set("&|;()"):
                if words:
                    yield words
                words = []
            elif not re.match(r"[A-Z_]+=", word) or words:
                words.append(word)


def problem(command: list[str], parser: pytest.Parser) -> str:
    """Return the error of a command, or an empty string. Core `az` commands are checked elsewhere."""
    program, *rest = [word for word in command if not re.match(r"[12]?>", word)]
    program = re.split(r"[=<>@]", program)[0]
    if program in BUILTINS or (program == "az" and rest[:1] != ["ml"]):
        return ""
    if program in ("uv", "uvx") and (program == "uvx" or rest[0] == "run"):
        return problem(_behind_options(rest if program == "uvx" else rest[1:]), parser)
    if program == "mlops":
        return mlops_problem(rest)
    if program == "pytest":
        return _by_pytest(rest, parser)
    if program == "python" and rest[0].endswith(".py"):
        return "" if (ROOT / rest[0]).is_file() else f"there is no script {rest[0]}"
    if program in ("python", "python3"):  # -m pip install
        return _by_help((sys.executable, *rest[:3], "--help"), rest[3:])
    if program == "az" or program == "gh":
        return _by_record(f"az {rest.pop(0)}" if program == "az" else program, rest)
    if program == "uv":
        return _by_help(("uv", "help", rest[0]), rest[1:])
    if program not in WORDS:
        return f"no parser for {program}"
    name, words = rest[: WORDS[program]], rest[WORDS[program] :]
    if program == "git":
        # Short options, and all long ones, because those of `git diff` are not in the short help.
        return _unknown(words, _options(("git", *name, "-h")) | _options(("git", *name, GIT_ALL)))
    return _by_help((str(Path(sys.executable).with_name(program)), *name, "--help"), words)


def _behind_options(words: list[str]) -> list[str]:
    while words[0].startswith("-"):
        words = words[2:] if words[0] in UV_TAKES else words[1:]
    return words


def mlops_problem(words: list[str]) -> str:
    """Return the error of `mlops` about its arguments, or an empty string."""
    group: Any = typer.main.get_command(app)
    try:
        context = group.make_context("mlops", list(words))
        name, command, rest = group.resolve_command(context, words)
        command.make_context(name, rest, parent=context)
    except Exception as error:  # Typer includes its own click, whose errors have no common class with click's
        return str(getattr(error, "message", error)) or type(error).__name__
    return ""


def _by_pytest(words: list[str], parser: pytest.Parser) -> str:
    try:
        parser.parse(words)
    except pytest.UsageError as error:
        return str(error)
    return ""


def _by_record(program: str, words: list[str]) -> str:
    known = RECORDED[program]
    name = " ".join(words[:2])
    if name not in known:
        return f"{program} {name} is not recorded"
    return _unknown(words[2:], known[name])


def _by_help(asks: tuple[str, ...], words: list[str]) -> str:
    return _unknown(words, _options(asks))


@cache
def _options(asks: tuple[str, ...]) -> frozenset[str]:
    done = subprocess.run(asks, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert done.returncode in (0, 129), text  # git's help exits with 129
    # [no-]: an option and its opposite.
    return frozenset(re.findall(r"(?<![\w-])--?\w[\w-]*", text.replace("--[no-]", "--")))


def _unknown(words: list[str], known: frozenset[str] | set[str]) -> str:
    used = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
    return ", ".join(f"there is no option {option}" for option in sorted(used - known))
