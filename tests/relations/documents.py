"""Documents name no file that is not there, and no command that `mlops` does not have."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache

from commands_in import mlops_problem
from relations.relation import Files, beside, parsed, relation
from validators.markdown import anchors, links

# A code span that is a path: a folder, a file in a folder, or one of those at the top.
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)*/|[\w.-]+(?:/[\w.-]+)+\.\w+|[\w-]+\.(?:toml|ini|md))`")
CALL = re.compile(r"uv run mlops ([\w-]+[^`\n|&;]*)")
AZ_NAME = re.compile(
    r"az ml (?:schedule|online-endpoint|batch-endpoint|compute) [\w-]+ [^`\n|]*?(?:-n|--name) ([\w-]+)"
)
OF_PROJECT = re.compile(r"(--confirm|--resource-group|--workspace-name) \"?([^\s\"`]+)")
# What running it makes, and what Azure's studio offers to download.
MADE = (".azureml-local/", "data/", ".git/", ".venv/")
ELSEWHERE = ("https://", "mailto:")


@relation("*.md", "*.ipynb", "infra/project.yml", names=True)
def documents_name_files_that_are_there(files: Files, names: frozenset[str]) -> list[str]:
    # A repository is written like a file in a folder.
    repository = parsed(files["infra/project.yml"])["github"]["repository"]
    known = names | {folder for name in names for folder in _folders(name)} | {repository}
    return [
        f"{path}: it names {mentioned}, which is not there"
        for path, content in files.items()
        if path.endswith((".md", ".ipynb"))
        for mentioned in sorted(set(PATH.findall(markdown_of(path, content))) - known)
        # A package's own document names files from where it is.
        if not mentioned.startswith(MADE) and _of_package(path, mentioned) not in known
    ]


def _of_package(path: str, mentioned: str) -> str:
    return beside(path, mentioned) + "/" * mentioned.endswith("/")


@relation("*.md", "*.ipynb", names=True)
def links_lead_somewhere(files: Files, names: frozenset[str]) -> list[str]:
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
                found.append(f"{path}: the link {target} leads nowhere")
    return found


def markdown_of(path: str, content: bytes) -> str:
    """What a document says: of a notebook, what stands between its code."""
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
def documents_call_things_by_their_names(files: Files, names: frozenset[str]) -> list[str]:
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
    documents_name_files_that_are_there,
    links_lead_somewhere,
    commands_are_those_of_mlops,
    documents_call_things_by_their_names,
)
