"""Documents name no file that is not there, and no command that `mlops` does not have."""

import re
import shlex
from collections.abc import Iterator
from functools import cache

from commands_in import mlops_problem
from relations.relation import Files, parsed, relation

# A code span that is a path: a folder, a file in a folder, or one of those at the top.
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)*/|[\w.-]+(?:/[\w.-]+)+\.\w+|[\w-]+\.(?:toml|ini|md))`")
CALL = re.compile(r"uv run mlops ([\w-]+[^`\n|&;]*)")
AZ_NAME = re.compile(r"az ml (schedule|online-endpoint|batch-endpoint) [\w-]+ [^`\n|]*?(?:-n|--name) ([\w-]+)")
# What running it makes, and what Azure's studio offers to download.
MADE = (".azureml-local/", "data/", ".git/", ".venv/")


@relation("*.md", "infra/project.yml", names=True)
def documents_name_files_that_are_there(files: Files, names: frozenset[str]) -> list[str]:
    # A repository is written like a file in a folder.
    repository = parsed(files["infra/project.yml"])["github"]["repository"]
    known = names | {folder for name in names for folder in _folders(name)} | {repository}
    return [
        f"{path}: it names {mentioned}, which is not there"
        for path, content in files.items()
        if path.endswith(".md")
        for mentioned in sorted(set(PATH.findall(content.decode())) - known)
        if not mentioned.startswith(MADE)
    ]


def _folders(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:length]) + "/" for length in range(1, len(parts)))


@relation("*.md", ".github/workflows/*.yml", "*.ipynb")
def commands_are_those_of_mlops(files: Files, names: frozenset[str]) -> list[str]:
    return [
        f"{path}: `mlops {call}`: {what}"
        for path, content in files.items()
        for call in sorted(set(CALL.findall(content.decode())))
        if (what := _problem(call))
    ]


@cache
def _problem(call: str) -> str:
    return mlops_problem(shlex.split(call))


@relation("README.md", "endpoints/*.yml")
def documents_call_things_by_their_names(files: Files, names: frozenset[str]) -> list[str]:
    called = {content["name"] for content in (parsed(text) for path, text in files.items() if path != "README.md")}
    return [
        f"README.md: there is no {kind} {name}"
        for kind, name in AZ_NAME.findall(files["README.md"].decode())
        if name not in called
    ]


RELATIONS = (
    documents_name_files_that_are_there,
    commands_are_those_of_mlops,
    documents_call_things_by_their_names,
)
