"""Documents name no file that is not there, and no command that `mlops` does not have."""

import re
from collections.abc import Iterator

import typer

from mlops.cli import app
from relations.relation import Files, parsed, relation

# A code span that is a path: a folder, a file in a folder, or one of those at the top.
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)*/|[\w.-]+(?:/[\w.-]+)+\.\w+|[\w-]+\.(?:toml|ini|md))`")
CALL = re.compile(r"uv run mlops ([\w-]+)([^`\n|&;]*)")
OPTION = re.compile(r"(?<!\S)--[a-z-]+")
AZ_NAME = re.compile(r"az ml (schedule|online-endpoint|batch-endpoint) [\w-]+ [^`\n|]*?(?:-n|--name) ([\w-]+)")
# What running it makes, and what Azure's studio offers to download.
MADE = (".azureml-local/", "data/", ".git/", ".venv/")

# What each verb takes.
VERBS = {
    name: {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    for name, command in typer.main.get_command(app).commands.items()
}


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
    found = []
    for path, content in files.items():
        for verb, rest in sorted(set(CALL.findall(content.decode()))):
            if verb not in VERBS:
                found.append(f"{path}: there is no `mlops {verb}`")
            found += [
                f"{path}: `mlops {verb}` takes no {option}"
                for option in OPTION.findall(rest)
                if option not in VERBS.get(verb, {option}) and option != "--help"
            ]
    return found


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
