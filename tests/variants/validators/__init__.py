"""Validates the files of a project: each kind of file is checked by the tools for its format.

`problems` is the entry point. A validator is a function of a project's folder and the files to check. It returns
errors as "path: error".
"""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from variants.validators import (
    azure_ml,
    bicep,
    configuration,
    markdown,
    notebooks,
    python,
    readers,
    required_keys,
    text,
    workflows,
)

Validator = Callable[[Path, list[str]], list[str]]

# All validators of a file, by its path. Every file is checked as text, and by at least one other validator.
VALIDATORS: dict[str, list[Validator]] = {
    "*": [text.is_clean, text.has_a_portable_name],
    "*.yml": [text.is_tidy_yaml, azure_ml.is_accepted, required_keys.are_present],
    "*.yaml": [text.is_tidy_yaml],
    "*.json": [configuration.is_json],
    "*.toml": [configuration.is_toml],
    "*.ini": [configuration.is_ini],
    ".editorconfig": [configuration.is_ini],
    ".importlinter": [configuration.is_ini],
    "*.csv": [configuration.is_table],
    "*.txt": [configuration.is_requirements],
    "*.gitignore": [configuration.is_gitignore],
    "*.amlignore": [configuration.is_gitignore],
    ".gitattributes": [configuration.is_gitattributes],
    "*.py": [python.is_python, python.is_linted],
    "*.ipynb": [notebooks.is_notebook, python.is_linted],
    "*.md": [markdown.diagrams_parse],
    ".github/workflows/*.yml": [
        workflows.is_workflow,
        workflows.is_secure,
        workflows.keeps_house_rules,
        workflows.runs_shell,
    ],
    ".github/dependabot.yml": [workflows.is_dependabot, workflows.is_secure],
    ".devcontainer/devcontainer.json": [configuration.is_devcontainer],
    ".pre-commit-config.yaml": [configuration.is_pre_commit],
    "infra/*": [bicep.deploys],
    "infra/project.yml": [readers.holds_settings],
    "src/model/contract.yml": [readers.is_contract],
}


def problems(project: Path, paths: Iterable[str]) -> list[str]:
    """Return the errors of some files of a whole project; a file without a validator is an error too."""
    listed = sorted(paths)
    found = [f"{path}: there is no validator for this file" for path in listed if len(_patterns(path)) < 2]
    found += text.is_text(project, listed)
    readable = [path for path in listed if not text.is_text(project, [path])]
    for pattern, validators in VALIDATORS.items():
        matching = [path for path in readable if pattern in _patterns(path)]
        if matching:
            found += [sentence for validator in validators for sentence in _look(validator, project, matching)]
    return found


def _look(validator: Validator, project: Path, paths: list[str]) -> list[str]:
    """Return a validator's findings; an unreadable file is an error and does not stop the run."""
    try:
        return validator(project, paths)
    except Exception as error:  # a tool may raise anything on a broken file
        if len(paths) > 1:
            return [sentence for path in paths for sentence in _look(validator, project, [path])]
        return [f"{paths[0]}: {validator.__name__}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"]


def _patterns(path: str) -> list[str]:
    return [pattern for pattern in VALIDATORS if fnmatchcase(path, pattern)]
