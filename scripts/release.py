"""The release checklist: `uv run python scripts/release.py check VERSION`, then `tag VERSION`.

`check` reports for each step whether it is done, or how to do it. `tag` checks, tags the commit, and writes the
version's section into CHANGELOG.md. A commit cannot contain its own hash, so the next commit names it.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import InvalidVersion, Version
from rich.console import Console

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
UNRELEASED = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
TESTS = ("-n 2", "--all-variants", "-n 2 --loops --dist=load", "-n 2 --slow")

# A step's name, its remedy, and a function that checks it.
Step = tuple[str, str, Callable[[], bool]]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The version to release, such as 0.2.0.")]
Quick = Annotated[bool, typer.Option("--without-tests", help="Skip the tests, which take minutes.")]


def git(*arguments: str) -> str:
    """Return git's output."""
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return run.stdout.strip()


def released(changelog: str) -> list[Version]:
    """Return the versions that the changelog lists, newest first."""
    headings = re.findall(r"^## (\S+)$", changelog, re.MULTILINE)
    return [Version(heading) for heading in headings if heading != "Unreleased"]


def changes(changelog: str) -> str:
    """Return the text under Unreleased."""
    found = UNRELEASED.search(changelog)
    return found[1].strip() if found else ""


def section(version: Version, commit: str, day: str, text: str) -> str:
    """Return a version's section of the changelog."""
    return f"## Unreleased\n\n## {version}\n\nDate: {day}\nCommit: {commit}\n\n{text}\n\n"


def steps(version: Version, quick: bool) -> Iterator[Step]:
    """Yield the checklist, quick steps first."""
    changelog = CHANGELOG.read_text(encoding="utf-8")
    newest = max(released(changelog), default=Version("0"))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    yield "on main", "git switch main", lambda: git("branch", "--show-current") == "main"
    yield "nothing uncommitted", "commit or remove what `git status` lists", lambda: not git("status", "--porcelain")
    yield f"higher than {newest}", "choose a higher version: versions only increase", lambda: version > newest
    yield "no such tag", "choose a higher version: tags are never moved", lambda: not git("tag", "--list", str(version))
    yield "changes are described", "describe the changes under `## Unreleased`", lambda: bool(changes(changelog))
    yield "pyproject.toml agrees", f'set version = "{version}" there', lambda: declared == str(version)
    if not quick:
        for tests in TESTS:
            yield f"pytest {tests} passes", f"uv run pytest {tests}", lambda tests=tests: passes(tests)


def passes(tests: str) -> bool:
    """Run tests without showing their output; the step's remedy is the command that shows it."""
    command = [sys.executable, "-m", "pytest", "-q", *tests.split()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def ready(text: str, quick: bool) -> Version:
    """Run the whole checklist. Exit with 2 for an invalid version, and with 1 if a step is not done."""
    try:
        version = Version(text)
    except InvalidVersion:
        console.print(f"{text!r} is not a PEP 440 version, which Copier requires: write a version such as 0.2.0.")
        raise typer.Exit(2) from None
    undone = 0
    for name, remedy, done in steps(version, quick):
        fine = done()
        undone += not fine
        console.print(f"✓ {name}" if fine else f"✗ {name}: {remedy}", markup=False)
    if undone:
        raise typer.Exit(1)
    return version


@app.command()
def check(version: VersionArgument, without_tests: Quick = False) -> None:
    """Run the checklist without changing anything."""
    ready(version, without_tests)
    console.print(f"\nReady: uv run python scripts/release.py tag {version}")


@app.command()
def tag(version: VersionArgument, without_tests: Quick = False) -> None:
    """Run the checklist, tag the commit and write the version's section."""
    number, commit = ready(version, without_tests), git("rev-parse", "HEAD")
    git("tag", "--annotate", str(number), "--message", f"Version {number}")
    text = CHANGELOG.read_text(encoding="utf-8")
    written = section(number, commit, f"{datetime.now(UTC):%Y-%m-%d}", changes(text))
    CHANGELOG.write_text(UNRELEASED.sub(lambda _: written, text, count=1), encoding="utf-8")
    console.print(f"\nTagged {commit[:7]} as {number}. Next:\n")
    console.print(f'  git commit --message "docs: changelog of {number}" CHANGELOG.md')
    console.print(f"  git push origin main {number}")


if __name__ == "__main__":
    app()
