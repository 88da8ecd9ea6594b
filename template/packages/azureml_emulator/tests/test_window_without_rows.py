"""A monitor's run over a window without rows fails signal by signal, as on Azure, and says why."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from azureml_emulator.local import LocalWorkspace
from azureml_emulator.monitors.run import MonitorJob
from azureml_metrics.signals import State

END = datetime(2026, 11, 20, 10, tzinfo=UTC)
ROWS = {"uri": "azureml://datastores/workspaceblobstore/paths/rows/model_outputs", "jobInputType": "uri_folder"}
PREPARED = ROWS | {"preprocessingComponentId": "azureml:prepare:1.0.0"}
SIGNALS = {
    "drift": {"signalType": "DataDrift", "productionData": ROWS},
    "predictions": {"signalType": "PredictionDrift", "productionData": ROWS},
    "attribution": {
        "signalType": "FeatureAttributionDrift",
        "productionData": [ROWS | {"dataContext": "model_inputs"}, ROWS | {"dataContext": "model_outputs"}],
        "metricThreshold": {"metric": "NormalizedDiscountedCumulativeGain", "threshold": {"value": 0.9}},
    },
    "quality": {"signalType": "DataQuality", "productionData": PREPARED},
    "performance": {
        "signalType": "Custom",
        "componentId": "azureml:performance:1.0.0",
        "inputAssets": {"production_data": PREPARED},
        "metricThresholds": [],
    },
}
ACTION = {
    "monitorDefinition": {
        "signals": {name: {"mode": "Enabled", "referenceData": ROWS} | signal for name, signal in SIGNALS.items()}
    }
}


@pytest.mark.parametrize("others", [False, True], ids=["nothing at all", "another hour"])
def test_every_kind_of_signal_bears_a_window_without_rows(tmp_path, others):
    local = LocalWorkspace(tmp_path, "mlw", "rg")
    arm = local.emulator.arm
    if others:
        earlier = arm.path(ROWS["uri"]) / "2026/11/20/08/a.jsonl"
        earlier.parent.mkdir(parents=True)
        earlier.write_text(json.dumps({"specversion": "1.0", "correlationid": "c", "data": [{"prediction": 1}]}))
    job = MonitorJob(arm, "run", "monitor", ACTION, END - timedelta(hours=1), END)
    assert job.run() == "Failed"
    found = {each.name: each for each in local.monitor_run("run").signals}
    assert found.keys() == SIGNALS.keys()
    assert {each.state for each in found.values()} == {State.NOT_MEASURED}
    window = "No data found for the given time window: 2026-11-20 09:00:00+00:00 to 2026-11-20 10:00:00+00:00"
    assert [name for name, each in found.items() if not each.reason.startswith(window)] == []
    assert arm.events.pending() is None
    assert arm.documents.get("runs/run")["tags"] == {
        "azureml.modelmonitor.error": "No data found for the given time window."
    }
