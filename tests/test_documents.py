"""Checks documents: commands are valid, quoted messages exist, and stopped resources exist."""

import ast
import json
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

from commands_in import commands, problem, simple
from projects import ROOT, mlops
from test_bootstrap import azure_cli
from variants.relations.documents import markdown_of

VARIANTS = {
    "default": {},
    "existing": {
        "dataset": "penguins",
        "compute_target": "cluster",
        "trigger": "function",
        "monitor_type": "advanced",
        "workspace": "existing",
        "notebooks": False,
    },
    "batch": {"endpoint_type": "batch", "trigger": "scheduled", "approval": "none", "compute_size": "large"},
    "both": {"endpoint_type": "online_and_batch", "monitor_type": "custom_data", "github_auth": "service_principal"},
}
# The core `az` commands that documents may name; the slow test parses each with the Azure CLI.
AZ = {
    "login",
    "keyvault secret set --vault-name VAULT --name github-dispatch-token --file FILE",
}
OUR_OWN = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.fixture(scope="module", params=VARIANTS)
def project(request, render):
    return render(**VARIANTS[request.param])


def wrong(found: list[list[str]], parser: pytest.Parser) -> list[str]:
    assert found
    problems = {shlex.join(command): problem(command, parser) for command in found}
    return [f"{command}: {what}" for command, what in problems.items() if what]


def written(document: Path) -> list[list[str]]:
    return list(commands(markdown_of(document.name, document.read_bytes())))


@pytest.mark.parametrize("document", OUR_OWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_in_our_own_documents_can_be_typed(document, pytestconfig):
    found = written(document)
    assert not found or wrong(found, pytestconfig._parser) == []


def test_commands_in_a_projects_documents_can_be_typed(project, pytestconfig):
    documents = sorted([*project.rglob("*.md"), *project.rglob("*.ipynb")])
    assert {"README.md", "costs.md", "troubleshooting.md"} <= {path.name for path in documents}
    assert wrong([command for path in documents for command in written(path)], pytestconfig._parser) == []


def test_commands_of_uv_in_a_projects_workflows_can_be_typed(project, pytestconfig):
    text = "\n".join(path.read_text(encoding="utf-8") for path in project.glob(".github/workflows/*.yml"))
    lines = re.findall(r"^\s*(?:- )?(?:run: )?(uvx? .+)$", text, re.MULTILINE)
    assert wrong([command for line in lines for command in simple(line)], pytestconfig._parser) == []


@pytest.mark.parametrize(
    "line",
    [
        "uv run mlops lop",
        "uv run mlops loop --shft none",
        "uv run pytest --no-such-option",
        "uvx copier update --no-such-option",
        "git restore --no-such-option",
        "az ml job crate -f x.yml",
        "gh auth login --no-such-option",
        "docker compose up",
    ],
)
def test_an_invalid_command_is_found(line, pytestconfig):
    assert wrong(list(simple(line)), pytestconfig._parser)


def test_each_core_az_command_in_a_document_is_one_that_the_azure_cli_parses(project):
    documents = [*OUR_OWN, *project.rglob("*.md")]
    named = {shlex.join(command[1:]) for path in documents for command in written(path) if command[0] == "az"}
    assert {line for line in named if not line.startswith("ml ")} <= AZ


@pytest.mark.slow
def test_the_azure_cli_accepts_the_commands_in_documents():
    lines = [json.dumps(shlex.split(line)) for line in sorted(AZ)]
    parse = [*azure_cli(), str(Path(__file__).with_name("az_parse.py"))]
    assert subprocess.run(parse, input="\n".join(lines), capture_output=True, text=True, check=True).stdout == ""


@cache
def said() -> list[str]:
    """Return every string in the project's own code and settings, with `…` for inserted values."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "template").glob(".pre-commit-config.yaml")]
    for path in (ROOT / "template").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_each_message_of_mlops_in_the_troubleshooting_exists():
    text = (ROOT / "template" / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    ours, _, others = text.partition("## Messages from Azure")
    quoted = re.findall(r"^> (.+)$", ours + others.partition("## Messages from git and pre-commit")[2], re.MULTILINE)
    assert len(quoted) > 20
    # This message is from pre-commit-hooks.
    quoted.remove("Merge conflict string")
    assert [sentence for sentence in quoted if not any(_says(text, sentence) for text in said())] == []


def _says(text: str, sentence: str) -> bool:
    """Return whether the constant parts of a message appear in a text, in this order."""
    parts = [re.escape(part) for part in sentence.split("…") if part.strip()]
    return re.search(".*?".join(parts), text, re.DOTALL) is not None


def test_each_resource_that_the_costs_page_stops_belongs_to_the_project(project):
    page = (project / "docs" / "costs.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^az ml [\w-]+ \w+ --name (\S+)", page, re.MULTILINE))
    made = {
        name
        for path in [*project.glob("endpoints/**/*.yml"), *project.glob("resources/compute/*.yml")]
        if path.parent.name != "deployment"
        for name in re.findall(r"^name: (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named == made


def test_the_costs_page_removes_the_same_as_teardown(project):
    page = (project / "docs" / "costs.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^uv run mlops (teardown .* --dry-run)$", page, re.MULTILINE)
    done = mlops(project, *shlex.split(line))
    assert done.code == 0, done.stderr
    endpoint = re.search(r"(?:online|batch) endpoint `(\S+)`", page)
    assert endpoint and endpoint[1] in done.stdout


def test_files_that_a_projects_documents_name_are_there(project):
    named = {
        (document, path)
        for document in project.rglob("*.md")
        for path in re.findall(r"`([\w./-]+(?:/|/[\w-]+\.\w+))`", document.read_text(encoding="utf-8"))
        if not path.startswith(".azureml-local/")
    }
    assert (project / "README.md", "src/model/estimator.py") in named
    # A package's own document names files from where it lies.
    assert [
        path for document, path in named if not any((of / path).exists() for of in (project, document.parent))
    ] == []
