"""The release checklist: `uv run python scripts/release.py check VERSION`, then `tag VERSION`.

`check` says of each step whether it is done, and what to do if it is not. `tag` checks, tags the commit, and writes the
version's section into CHANGELOG.md: a commit cannot hold its own hash, so the commit after it names it.
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

# A step's name, what to do if it is not done, and whether it is.
Step = tuple[str, str, Callable[[], bool]]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The version to release, such as 0.2.0.")]
Quick = Annotated[bool, typer.Option("--without-tests", help="Leave out the tests, which take minutes.")]


def git(*arguments: str) -> str:
    """Return what git says."""
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return run.stdout.strip()


def released(changelog: str) -> list[Version]:
    """Return the versions that the changelog lists, newest first."""
    headings = re.findall(r"^## (\S+)$", changelog, re.MULTILINE)
    return [Version(heading) for heading in headings if heading != "Unreleased"]


def changes(changelog: str) -> str:
    """Return what stands under Unreleased."""
    found = UNRELEASED.search(changelog)
    return found[1].strip() if found else ""


def section(version: Version, commit: str, day: str, text: str) -> str:
    """Return a version's section of the changelog."""
    return f"## Unreleased\n\n## {version}\n\nDate: {day}\nCommit: {commit}\n\n{text}\n\n"


def steps(version: Version, quick: bool) -> Iterator[Step]:
    """The checklist, quick steps first."""
    changelog = CHANGELOG.read_text(encoding="utf-8")
    newest = max(released(changelog), default=Version("0"))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    yield "on main", "git switch main", lambda: git("branch", "--show-current") == "main"
    yield "nothing uncommitted", "commit or remove what `git status` lists", lambda: not git("status", "--porcelain")
    yield f"higher than {newest}", "choose a higher version: tags never go back", lambda: version > newest
    yield "no such tag", "choose a higher version: tags are never moved", lambda: not git("tag", "--list", str(version))
    yield "changes are described", "say under `## Unreleased` what changed", lambda: bool(changes(changelog))
    yield "pyproject.toml agrees", f'set version = "{version}" there', lambda: declared == str(version)
    if not quick:
        for tests in TESTS:
            yield f"pytest {tests} passes", f"uv run pytest {tests}", lambda tests=tests: passes(tests)


def passes(tests: str) -> bool:
    """Run tests; their output is shown only by the command that the step names."""
    command = [sys.executable, "-m", "pytest", "-q", *tests.split()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def ready(text: str, quick: bool) -> Version:
    """Go through the whole checklist; leave with 2 for what is no version, 1 for a step that is not done."""
    try:
        version = Version(text)
    except InvalidVersion:
        console.print(f"{text!r} is no PEP 440 version, and Copier knows no others: write one such as 0.2.0.")
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
    """Go through the checklist; nothing is changed."""
    ready(version, without_tests)
    console.print(f"\nReady: uv run python scripts/release.py tag {version}")


@app.command()
def tag(version: VersionArgument, without_tests: Quick = False) -> None:
    """Go through the checklist, tag the commit and write the version's section."""
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
