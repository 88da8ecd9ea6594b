"""Rules for every text file: clean line ends, no unrendered placeholder, portable names, tidy YAML."""

import re
from pathlib import Path, PureWindowsPath

from yamllint import linter
from yamllint.config import YamlLintConfig

# A static file may contain GitHub's and Azure's `${{ }}`; Python and notebooks are never rendered from text.
PLACEHOLDER = re.compile(r"(?<!\$)\{\{|\{%|%\}|\{#(?![\w.-]+\})")
UNRENDERED = "a placeholder is left"
RENDERED_AS_IS = (".py", ".ipynb")
ILLEGAL = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ](?:/|$)')
# Each rule that differs from yamllint's default has a reason.
STYLE = YamlLintConfig("""
extends: default
rules:
  document-start: disable  # one document a file: nothing to tell apart
  line-length: {max: 350, allow-non-breakable-words: true}  # descriptions have up to 300 characters
  truthy: {check-keys: false}  # GitHub's key `on`
  comments: {min-spaces-from-content: 1}
  indentation: {spaces: 2, indent-sequences: consistent}
  braces: {max-spaces-inside: 1}
  quoted-strings: disable
""")


def is_text(project: Path, paths: list[str]) -> list[str]:
    """The file is UTF-8; no other validator can read a file that is not."""
    found = []
    for path in paths:
        try:
            (project / path).read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            found.append(f"{path}: it is not UTF-8: {error}")
    return found


def is_clean(project: Path, paths: list[str]) -> list[str]:
    """Lines end with a line feed and without trailing spaces, and no placeholder is left."""
    # Bytes, because reading text would convert every line ending.
    return [f"{path}: {what}" for path in paths for what in _flaws(path, (project / path).read_bytes().decode("utf-8"))]


def _flaws(path: str, text: str) -> list[str]:
    if not text:
        return ["it is empty"]
    flaws = {
        "it starts with a byte order mark": text.startswith("\ufeff"),
        "lines end as on Windows": "\r" in text,
        "a line ends with blanks": bool(re.search(r"[ \t]$", text, re.MULTILINE)),
        "it does not end with one line end": not text.endswith("\n") or text.endswith("\n\n"),
        UNRENDERED: not path.endswith(RENDERED_AS_IS) and bool(PLACEHOLDER.search(text)),
    }
    return [what for what, holds in flaws.items() if holds]


def has_a_portable_name(project: Path, paths: list[str]) -> list[str]:
    """Windows can store the path, no path in its folder differs only by case, and no folder is empty."""
    found = [f"{path}: Windows does not allow that name" for path in paths if _is_reserved(path)]
    for path in paths:
        beside = [other for other in (project / path).parent.iterdir()]
        if sum(other.name.lower() == Path(path).name.lower() for other in beside) > 1:
            found.append(f"{path}: another name differs only by case")
        found += [f"{path}: the folder {other.name} is empty" for other in beside if _is_empty(other)]
    return found


def _is_reserved(path: str) -> bool:
    return bool(ILLEGAL.search(path)) or any(PureWindowsPath(part).is_reserved() for part in path.split("/"))


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def is_tidy_yaml(project: Path, paths: list[str]) -> list[str]:
    """The file parses, no key is repeated, and its layout is consistent."""
    return [
        f"{path}: line {problem.line}: {problem.desc}"
        for path in paths
        for problem in linter.run((project / path).read_text(encoding="utf-8"), STYLE)
    ]
