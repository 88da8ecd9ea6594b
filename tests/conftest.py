import os
from collections.abc import Callable
from pathlib import Path

import pytest

import projects

# With more threads Arrow aborts one in twenty processes that end right after reading Parquet on a busy machine, and the
# tests start thousands of processes. All child processes inherit this setting.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Test marks that the default run excludes, and the flag that runs them.
FLAGS = {
    "slow": "run what takes minutes or gigabytes, and nothing else",
    "loops": "run the loops of a covering set of projects, and nothing else",
    "all_variants": "render and validate every project there can be, and nothing else",
}

# Files that take minutes, slowest first. They start first, so that no worker runs one of them alone at the end.
SLOWEST = (
    "test_own_tests",
    "test_loop",
    "test_notebooks",
    "test_updates",
    "test_doctor",
    "test_training",
    "test_connection",
    "test_rollout_azure",
    "test_azure_verbs",
    "test_jobs",
    "test_triage",
    "test_retraining",
    "test_rollout",
    "test_serving",
    "test_variants",
    "test_act",
    "test_bridge",
    "test_datasets",
    "test_free_text",
    "test_template",
)


def pytest_addoption(parser):
    for name, meaning in FLAGS.items():
        parser.addoption(f"--{name.replace('_', '-')}", action="store_true", help=meaning)
    parser.addoption("--update-golden", action="store_true", help="replace tests/golden by what is rendered now")


def pytest_configure(config):
    # Each loop test has its own project, so unlike in other files its tests can run on different workers.
    if config.getoption("--loops"):
        config.option.dist = "load"


def pytest_collection_modifyitems(config, items):
    wanted = {name for name in FLAGS if config.getoption(name)}
    marked = [{name for name in FLAGS if item.get_closest_marker(name)} for item in items]
    kept = [item for item, marks in zip(items, marked, strict=True) if (marks & wanted if wanted else not marks)]
    if config.getoption("--update-golden"):
        kept = [item for item in items if item.path.stem == "test_golden"]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = sorted(kept, key=lambda item: [*SLOWEST, item.path.stem].index(item.path.stem))


def pytest_terminal_summary(terminalreporter):
    """Print the figures that tests recorded in all processes."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, figure in report.user_properties:
            if report.when == "call":
                terminalreporter.write_line(f"{name}: {figure}")


@pytest.fixture(scope="session")
def template() -> Path:
    """Return the template of the working tree."""
    return projects.template()


@pytest.fixture(scope="session")
def render(template, tmp_path_factory) -> Callable[..., Path]:
    """Return a function that renders a project into a new folder, or into `destination`."""

    def render(destination: Path | None = None, **answers) -> Path:
        return projects.render_from(template, destination or tmp_path_factory.mktemp("rendered") / "project", **answers)

    return render
