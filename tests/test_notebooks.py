"""Runs the five notebooks from top to bottom, twice, with a real kernel and the emulator."""

import json
import re
import subprocess

import nbformat
import psutil
import pytest

from laptop import laptop
from mlops.cli import app
from notebooks import execute
from projects import ANSWERS, choices, contents, python

MOST_SECONDS = 180
MOST_CELLS, MOST_LINES = 14, 25
VARIANTS = {
    **{dataset: {"dataset": dataset} for dataset in choices("dataset") if dataset != "diabetes"},
    "batch": {"endpoint_type": "batch"},
    "both": {"endpoint_type": "online_and_batch", "dataset": "breast_cancer"},
    "advanced": {"monitor_type": "advanced", "dataset": "penguins", "compute_target": "cluster"},
    "custom_data": {"monitor_type": "custom_data"},
}
# Cells with different output in the second run, and the reasons.
GOES_ON = {
    ("02", "gate-decision"): "the same rows give the same model, which is not better than itself",
    ("05", "volumes-picture"): "the clock goes on",
    ("05", "monitor-trigger"): "each run of a monitor has a name of its own",
    ("05", "probe"): "it looks at the run of a monitor",
}
# The monitor's own values for its window, and those that the notebook computes from the same rows.
PROBE = """
import json
from datetime import datetime
from mlops.data.collected import scored_rows
from mlops.jobs.watching import watch
from mlops.workspace import monitor_run
for last in watch(client, run.job_name):
    pass
found = monitor_run(client, run.job_name)
rows = scored_rows(client, contract, datetime.fromisoformat(found.start), datetime.fromisoformat(found.end))
computed = measure(definition, reference, rows.assign(day=0), contract)
print(json.dumps({
    "monitor": sorted([s.name, m.feature, m.metric, m.value, m.breached] for s in found.signals
                      if s.type != "custom" for m in s.measurements),
    "notebook": sorted(computed[["signal", "feature", "metric", "value", "alerts"]].values.tolist()),
    "calibrated": alerts(by_thresholds)["calibrated"].to_dict(),
}))
"""
TRACE = re.compile(rb"notebook|ipynb|jupyter|ipykernel|nbclient|mlops.notebooks", re.IGNORECASE)


@pytest.fixture(
    scope="module",
    params=[pytest.param({}, id="diabetes")]
    + [pytest.param(answers, id=name, marks=pytest.mark.slow) for name, answers in VARIANTS.items()],
)
def runs(request, render):
    """Return a project after two runs of its notebooks, with the outputs of both."""
    project = render(**request.param)
    try:
        yield project, execute(project, {"05": PROBE}), execute(project, {"05": PROBE})
    finally:
        laptop(project / ".azureml-local").local.close()


def test_each_takes_at_most_three_minutes(runs, record_property):
    for number, run in enumerate(runs[1:], 1):
        for name, executed in run.items():
            record_property(f"notebook {name}, run {number}, seconds", round(executed.seconds, 1))
            assert executed.seconds < MOST_SECONDS


def test_second_run_has_the_same_output(runs):
    first, second = ({(name, cell): out for name in run for cell, out in run[name].outputs.items()} for run in runs[1:])
    assert [key for key in first if key not in GOES_ON and first[key] != second[key]] == []
    assert sum(bool(out) for key, out in first.items() if key not in GOES_ON) > 12


def test_training_again_retains_and_registers_no_second_model(runs):
    project, *executed = runs
    assert [run["02"].text("gate-decision").split()[0] for run in executed] == ["PROMOTE", "RETAIN"]
    registered = [path.name for path in project.glob(".azureml-local/arm/models/*/versions/[!.]*.json")]
    assert registered == ["1.json"]


def test_pipeline_of_the_sdk_differs_from_the_yaml_in_names_of_components_only(runs):
    lines = runs[1]["02"].text("compare-jobs").splitlines()[1:]
    assert lines and all(re.match(r"jobs\.\w+\.component\.(name|version) ", line) for line in lines)


def test_explored_metrics_are_those_of_the_monitor(runs):
    probe = json.loads(runs[1]["05"].text("probe").splitlines()[-1])
    # The number of rows measures no feature.
    monitor = [row for row in probe["monitor"] if row[2] != "RowCount"]
    assert [row[:3] for row in probe["notebook"]] == [row[:3] for row in monitor] != []
    assert [row[3] for row in probe["notebook"]] == pytest.approx([row[3] for row in monitor])
    assert [row[4] for row in probe["notebook"]] == [row[4] for row in monitor]


def test_calibrated_signals_alert_with_the_drift_and_not_before(runs):
    alerts = json.loads(runs[1]["05"].text("probe").splitlines()[-1])["calibrated"]
    assert [alerts[day] for day in "12"] == ["quiet"] * 2
    assert "data_drift" in alerts["5"]


def test_no_model_will_be_trained_on_synthetic_rows(runs):
    assert not (runs[0] / "data" / "pending_labels").exists()


def test_each_chart_is_shown_once(runs):
    cells = {cell: out for executed in runs[1].values() for cell, out in executed.outputs.items()}
    pictures = {name: out for name, out in cells.items() if name.endswith("-picture")}
    assert len(pictures) >= 5
    assert {sum(kind == "image/png" for kind, _ in out) for out in pictures.values()} == {1}


def test_no_kernel_is_left(runs):
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    assert [child for child in running if "ipykernel" in " ".join(child.cmdline())] == []


def test_endpoint_can_be_stopped_for_good(runs):
    python(runs[0], "-c", "from mlops.workspace import close, connect; close(connect())")
    found = subprocess.run(["pgrep", "-fa", str(runs[0])], capture_output=True, text=True, check=False)
    assert found.stdout == ""


@pytest.mark.slow  # projects with the default answers are tested with all their tests (test_own_tests.py)
@pytest.mark.parametrize("name", ["batch", "both"])
def test_project_finds_its_own_notebooks_in_order(name, render):
    done = python(render(**VARIANTS[name]), "-m", "pytest", "tests/test_notebooks.py", "tests/test_exploring.py")
    assert done.code == 0, done.stdout


@pytest.mark.parametrize("answers", [{}, VARIANTS["batch"], VARIANTS["advanced"]], ids=["online", "batch", "advanced"])
def test_without_notebooks_nothing_refers_to_them(answers, render):
    files = contents(render(notebooks=False, **answers))
    assert b"notebooks: false" in files.pop(ANSWERS)
    assert [path for path, text in files.items() if TRACE.search(path.encode()) or TRACE.search(text)] == []
    assert not [path for path in files if path.startswith("mlops/notebooks/") or path.endswith("test_exploring.py")]


@pytest.mark.parametrize("endpoint_type", choices("endpoint_type"))
class TestRendered:
    def test_files_and_links_that_a_notebook_names_exist(self, endpoint_type, render):
        project = render(endpoint_type=endpoint_type)
        for path, text in prose(project):
            named = re.findall(r"\]\((?!https:)([^)]+)\)", text)
            assert [link for link in named if not (path.parent / link).is_file()] == []
            files = re.findall(r"`((?:components|endpoints|pipelines|resources|src)/[^` ]*)`| -f ([\w./]+)`", text)
            assert [file for file in map("".join, files) if not (project / file).exists()] == []

    def test_commands_that_a_notebook_names_exist(self, endpoint_type, render):
        known = {command.name or command.callback.__name__ for command in app.registered_commands}
        text = "".join(text for _, text in prose(render(endpoint_type=endpoint_type)))
        assert set(re.findall(r"`(?:uv run )?mlops (\w+)`", text)) <= known

    def test_notebook_does_not_mention_its_author(self, endpoint_type, render):
        for path in (render(endpoint_type=endpoint_type) / "notebooks").iterdir():
            notebook = json.loads(path.read_text(encoding="utf-8"))
            assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
            assert all(cell["metadata"] == {} for cell in notebook["cells"])

    def test_cells_are_few_and_short(self, endpoint_type, render):
        for path in (render(endpoint_type=endpoint_type) / "notebooks").iterdir():
            code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            assert len(code) <= MOST_CELLS
            assert max(len(source.splitlines()) for source in code) <= MOST_LINES


def prose(project):
    """Return each notebook with its Markdown text."""
    for path in sorted((project / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield path, "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
