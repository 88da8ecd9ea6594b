"""Compares rendered projects with the copies in tests/golden, which show the effect of a change of the template.

Static files are the same in every project, so a golden copy lists their paths and contains only the others.
`uv run pytest tests/test_golden.py --update-golden` refreshes the copies. pyproject.toml takes the rendered projects'
dependencies from these copies, so that versions are pinned in one place only.
"""

import shutil

import pytest

from projects import GOLDEN, ROOT, contents, without_origin, working_files

PROJECTS = {
    "diabetes": {},
    "flights": {
        "dataset": "flights",
        "description": 'Says "late" or not: 100 % of the time, über-punctual \\ {{ no template }} #1',
        "alert_emails": ["ml-alerts@example.com", "on-call@example.org"],
        "compute_size": "large",
        "endpoint_type": "online_and_batch",
        "monitor_type": "custom_data",
        "trigger": "scheduled",
        "approval": "none",
    },
    "penguins": {
        "dataset": "penguins",
        "compute_size": "medium",
        "compute_target": "cluster",
        "monitor_type": "advanced",
        "trigger": "function",
        "github_auth": "service_principal",
        "workspace": "existing",
    },
}


PATHS = "paths.txt"


def reduced(rendered):
    """Remove the files that are identical in the template, and add the list of all paths."""
    static = contents(ROOT / "template")
    made = {path: content for path, content in rendered.items() if static.get(path) != content}
    return made | {PATHS: "".join(f"{path}\n" for path in sorted(rendered)).encode()}


def golden(name):
    """Return a golden copy without the files that the rendered project ignores."""
    folder = GOLDEN / name
    files = [ROOT / path for path in working_files() if folder in (ROOT / path).parents]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", PROJECTS)
def test_golden_copy_equals_a_fresh_render(name, render, request):
    rendered = reduced(without_origin(contents(render(**PROJECTS[name]))))
    if request.config.getoption("--update-golden"):
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
        for path, content in rendered.items():
            (GOLDEN / name / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name / path).write_bytes(content)
    assert golden(name) == rendered


def test_every_golden_copy_has_its_answers_here():
    assert {path.name for path in GOLDEN.iterdir()} == set(PROJECTS)
