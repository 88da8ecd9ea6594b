"""Documents name only existing files and existing `mlops` commands."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache

from commands_in import mlops_problem
from variants.relations.relation import Files, beside, parsed, relation
from variants.validators.markdown import anchors, links

# A code span that is a path: a folder, a file in a folder, or a file in the project's folder.
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)*/|[\w.-]+(?:/[\w.-]+)+\.\w+|[\w-]+\.(?:toml|ini|md))`")
CALL = re.compile(r"uv run mlops ([\w-]+[^`\n|&;]*)")
AZ_NAME = re.compile(
    r"az ml (?:schedule|online-endpoint|batch-endpoint|compute) [\w-]+ [^`\n|]*?(?:-n|--name) ([\w-]+)"
)
OF_PROJECT = re.compile(r"(--confirm|--resource-group|--workspace-name) \"?([^\s\"`]+)")
# Folders that running the project creates, and a file that Azure's studio offers for download.
MADE = (".azureml-local/", "data/", ".git/", ".venv/")
ELSEWHERE = ("https://", "mailto:")


@relation("*.md", "*.ipynb", "infra/project.yml", names=True)
def documents_name_existing_files(files: Files, names: frozenset[str]) -> list[str]:
    # The name of a repository looks like a file in a folder.
    repository = parsed(files["infra/project.yml"])["github"]["repository"]
    known = names | {folder for name in names for folder in _folders(name)} | {repository}
    return [
        f"{path}: it names {mentioned}, which does not exist"
        for path, content in files.items()
        if path.endswith((".md", ".ipynb"))
        for mentioned in sorted(set(PATH.findall(markdown_of(path, content))) - known)
        # A package's own document names files from where it is.
        if not mentioned.startswith(MADE) and _of_package(path, mentioned) not in known
    ]


def _of_package(path: str, mentioned: str) -> str:
    return beside(path, mentioned) + "/" * mentioned.endswith("/")


@relation("*.md", "*.ipynb", names=True)
def links_have_targets(files: Files, names: frozenset[str]) -> list[str]:
    known = names | {folder.rstrip("/") for name in names for folder in _folders(name)}
    texts = {path: markdown_of(path, content) for path, content in files.items()}
    found = []
    for path, text in texts.items():
        for target in links(text):
            file, _, anchor = target.partition("#")
            leads_to = beside(path, file) if file else path
            if target.startswith(ELSEWHERE) or (leads_to in known and not anchor):
                continue
            if leads_to not in known or anchor not in anchors(texts.get(leads_to, "")):
                found.append(f"{path}: the target of the link {target} does not exist")
    return found


def markdown_of(path: str, content: bytes) -> str:
    """Return the text of a document; for a notebook, the text of its Markdown cells."""
    if not path.endswith(".ipynb"):
        return content.decode()
    cells = [cell for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


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


@relation("*.md", "endpoints/*.yml", "resources/compute/*.yml", "infra/project.yml")
def documents_use_the_resources_names(files: Files, names: frozenset[str]) -> list[str]:
    project = parsed(files["infra/project.yml"])
    called = {parsed(text).get("name") for path, text in files.items() if path.endswith(".yml")}
    wanted = {
        "--confirm": project["github"]["repository"],
        "--resource-group": project["azure"]["resource_group"],
        "--workspace-name": project["azure"]["workspace_name"],
    }
    found = [] if f"`{project['model_name']}`" in files["README.md"].decode() else ["README.md: it names no model"]
    for path in sorted(path for path in files if path.endswith(".md")):
        text = files[path].decode()
        found += [f"{path}: there is no {name}" for name in AZ_NAME.findall(text) if name not in called]
        found += [
            f"{path}: {option} is not {name}" for option, name in OF_PROJECT.findall(text) if name != wanted[option]
        ]
    return found


RELATIONS = (
    documents_name_existing_files,
    links_have_targets,
    commands_are_those_of_mlops,
    documents_use_the_resources_names,
)
