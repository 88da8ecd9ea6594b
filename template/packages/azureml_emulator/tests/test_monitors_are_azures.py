"""The emulator's monitors end as Microsoft's own components do, over the same files, in every state of a window.

`scripts/record_windows.py` made the files, and `scripts/judge_monitors.py` the outcomes.
"""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from projects import ROOT

from azureml_emulator.jobs.spark import ComponentFailedError
from azureml_emulator.local import LocalWorkspace
from azureml_emulator.monitors import run as monitor_run
from azureml_emulator.monitors import window as monitor_window
from azureml_emulator.monitors.run import MonitorJob

RECORDED = ROOT / "tests" / "reference" / "monitoring"
CASES = sorted(file.parent.name for file in RECORDED.glob("*/outcomes.json"))
WINDOWS = [(case, state) for case in CASES for state in json.loads((RECORDED / case / "windows.json").read_text())]


@pytest.fixture
def recorded_components(monkeypatch):
    """Returns a function after which the project's Spark components write what they wrote in a recorded window."""

    def use(written: Path) -> None:
        def run_component(arm, reference, inputs, output, folder):
            found = written / output.name
            if not found.exists():
                raise ComponentFailedError(f"The Spark component {reference} failed.")
            name = "preprocessed_input_data" if output.parent.name == "preprocessed" else "signal_metrics"
            shutil.copytree(found, output / name)

        for module in (monitor_run, monitor_window):
            monkeypatch.setattr(module, "run_component", run_component)

    return use


@pytest.mark.parametrize(("case", "state"), WINDOWS, ids=lambda value: value.replace(" ", "-"))
def test_every_signal_ends_as_microsofts_code_does(tmp_path, recorded_components, case, state):
    recorded = RECORDED / case
    expected = json.loads((recorded / "outcomes.json").read_text(encoding="utf-8"))[state]
    monitor = json.loads((recorded / "monitor.json").read_text(encoding="utf-8"))
    start, end = map(datetime.fromisoformat, json.loads((recorded / "windows.json").read_text())[state])
    local = LocalWorkspace(tmp_path, "mlw", "rg")
    arm = local.emulator.arm
    shutil.copytree(recorded / "recorded", arm.path_of("azureml://datastores/workspaceblobstore/paths/recorded"))
    recorded_components(recorded / "written" / state.replace(" ", "-"))
    MonitorJob(arm, "run", "monitor", {"monitorDefinition": monitor}, start, end).run()
    found = {signal.name: signal for signal in local.monitor_run("run").signals}
    assert found.keys() == expected.keys()
    differing = {name: problem for name in expected if (problem := difference(expected[name], found[name]))}
    assert not differing


def difference(expected, found) -> str:
    """Return how a signal's result differs from the outcome of Microsoft's code, or an empty text."""
    judged = [one for one in expected.get("metrics", ()) if is_number(one.get("threshold_value"))]
    if expected.get("message") == "The project's component wrote no table.":
        return "" if not found.measurements else f"the project's component failed, here {found}"
    if expected["outcome"] == "Failed":
        known = expected["message"].split(" in input ")[0].split(", diff: ")[0]
        text = " ".join(found.notes)
        return "" if not found.measurements and known in text else f"Azure fails with {known!r}, here {found}"
    values = {(one.get("feature_name") or one["group"], one["metric_name"]): one for one in judged}
    here = {(one.feature, one.metric): one for one in found.measurements}
    if values.keys() != here.keys():
        return f"Azure measures {sorted(values)}, here {sorted(here)}"
    for key, one in values.items():
        azures = (one["metric_value"], one["threshold_value"])
        if (here[key].value, here[key].threshold) != pytest.approx(azures, rel=1e-5, abs=1e-6):
            return f"{key} is {azures} in Azure, here {here[key]}"
    if bool(expected["breach"]) != bool(found.breached):
        return f"Azure's tag is {expected['breach']!r}, here {found.breached}"
    return ""


def is_number(value) -> bool:
    return isinstance(value, int | float)
