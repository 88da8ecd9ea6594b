from collections.abc import Callable
from pathlib import Path

import pytest
from projects import copy_working_files, render_from


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run what takes minutes or gigabytes as well")
    parser.addoption("--update-golden", action="store_true", help="replace tests/golden by what is rendered now")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """The template as it stands, out of git's sight: Copier then reads it in place instead of cloning it."""
    return copy_working_files(tmp_path_factory.mktemp("template"), "copier.yml", "extensions", "template")


@pytest.fixture(scope="session")
def render(template, tmp_path_factory) -> Callable[..., Path]:
    """Renders a project into a folder of its own, or into `destination`."""

    def render(destination: Path | None = None, **answers) -> Path:
        return render_from(template, destination or tmp_path_factory.mktemp("rendered") / "project", **answers)

    return render
