"""Records windows of monitors in every state, for the judge: `uv run python scripts/record_windows.py [CASE ...]`.

A case is a project with a monitor. It is rendered, trained and deployed on the laptop. Then its endpoint scores the
rows of one window for each state. What the collector, the batch job, the training and the project's components wrote is
kept under tests/reference/monitoring/CASE. `judge_monitors.py` runs Microsoft's components over the same files.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "reference" / "monitoring"
sys.path.insert(0, str(ROOT / "tests"))

CASES: dict[str, dict[str, Any]] = {
    "diabetes": {"dataset": "diabetes", "monitor_type": "advanced"},
    "penguins": {"dataset": "penguins", "monitor_type": "advanced"},
    "breast_cancer": {"dataset": "breast_cancer", "monitor_type": "out_of_box"},
    "flights": {"dataset": "flights", "monitor_type": "custom_data"},
    "penguins_batch": {"dataset": "penguins", "endpoint_type": "batch", "monitor_type": "custom_data"},
}
STATES = (
    "normal",
    "drifted",
    "empty",
    "few rows",
    "no labels",
    "some labels",
    "missing column",
    "new category",
    "gaps",
    "whole numbers",
    "a cut off line",
    "a retired deployment",
)
# Wide data takes Microsoft's code minutes, and is judged in these.
FEW_STATES = {"breast_cancer": ("normal", "drifted", "empty", "gaps")}
# Windows are so far apart that one of seven simulated days holds one state.
APART = 9
ROWS = 80
PATHS = "azureml://datastores/workspaceblobstore/paths/"


def record(case: str) -> None:
    """Render and train a project, and record its windows."""
    import projects

    with tempfile.TemporaryDirectory() as folder:
        project = projects.render_from(projects.template(), Path(folder) / "project", notebooks=False, **CASES[case])
        for verb in ("data", "train"):
            done = projects.mlops(project, verb, MLOPS_EVENTS="now")
            assert done.code == 0, done.stdout + done.stderr
        done = projects.python(project, __file__, "--inside", case, beside=(ROOT / "tests",))
        print(done.stdout + done.stderr)
        assert done.code == 0


def record_inside(case: str) -> None:
    """Record the windows of the project in the working directory."""
    from azureml_emulator.monitors.run import MonitorJob
    from mlops.data.production import usual_rows
    from mlops.data.scoring import score
    from mlops.monitoring.schedule import monitor_name
    from mlops.workspace import _local, connect, end_day, flush, now
    from model.contract import load_contract

    client, contract = connect(), load_contract()
    local = _local(client)
    assert local
    arm = local.emulator.arm
    action = arm.schedules.find(monitor_name())["properties"]["action"]
    # Data of the recording lies beside that of the project, under the address that the tests use too.
    storage = arm.path_of(f"{PATHS}recorded")
    kept = RECORDED / case
    shutil.rmtree(kept, ignore_errors=True)
    usual = usual_rows()
    windows: dict[str, tuple[datetime, datetime]] = {}
    sent: dict[str, pd.DataFrame] = {}
    for number, state in enumerate(FEW_STATES.get(case, STATES)):
        for _ in range(APART):
            end_day(client)
        sent[state] = rows_in(state, usual, contract, number)
        if len(sent[state]):
            score(client, sent[state][[contract.id_column, *contract.features]])
        assert flush(client)
        start = now(client).replace(minute=0, second=0, microsecond=0)
        windows[state] = (start, start + timedelta(hours=1))
    bound = copied(arm, action, storage)
    for state, (start, _) in windows.items():
        edit(state, storage, start.strftime("%Y/%m/%d/%H"), contract)
    write_labels(sent, storage, contract)
    for state, (start, end) in windows.items():
        job = state.replace(" ", "-")
        MonitorJob(arm, job, monitor_name(), bound, start, end).run()
        written = arm.state / "monitoring" / job
        for table in [*written.glob("*/signal_metrics"), *written.glob("preprocessed/*/preprocessed_input_data")]:
            if not (table / "data" / "part-0.parquet").exists():  # what the emulator itself preprocessed is not kept
                keep_table(table, kept / "written" / job / table.parent.name)
    shutil.copytree(storage, kept / "recorded")
    times = {state: [moment.isoformat() for moment in window] for state, window in windows.items()}
    write_json(kept / "windows.json", times)
    write_json(kept / "monitor.json", bound["monitorDefinition"] | {"target_column": contract.target})
    local.close()


def rows_in(state: str, usual: pd.DataFrame, contract: Any, number: int) -> pd.DataFrame:
    """Return the rows that a state's window scores, each with an identifier of its own."""
    from mlops.data.production import numbered
    from mlops.data.shifts import Shift, shift_rows

    count = {"empty": 0, "few rows": 3}.get(state, ROWS)
    rows = numbered(usual.sample(count, random_state=number), number, contract)
    if state == "drifted":
        rows = shift_rows(rows, Shift.OFFSET, usual, contract)
    if state == "new category" and contract.categorical:
        rows.loc[: count // 3, contract.categorical[0]] = "never seen"
    if state == "gaps":
        rows.loc[: count // 3, contract.features[0]] = None
        rows.loc[count // 4 : count // 2, contract.features[-1]] = None
    return rows


def copied(arm: Any, action: dict[str, Any], storage: Path) -> dict[str, Any]:
    """Copy the data that a monitor reads, and return its action with the new addresses."""
    bound = json.loads(json.dumps(action))
    for data in _data(bound):
        name = {"training": "reference", "ground_truth": "labels"}.get(data["dataContext"], data["dataContext"])
        if not (storage / name).exists():
            shutil.copytree(arm.path_of(data["uri"]), storage / name, ignore=shutil.ignore_patterns(".emulator"))
        data["uri"] = f"{PATHS}recorded/{name}"
    signals = bound["monitorDefinition"]["signals"]
    drift = next((signal for signal in signals.values() if signal["signalType"] == "PredictionDrift"), None)
    if drift:
        # Azure's own attribution drift over the same data, which it cannot accept.
        inputs = next(signal for signal in signals.values() if signal["signalType"] == "DataDrift")["productionData"]
        signals["azures_attribution_drift"] = {
            "signalType": "FeatureAttributionDrift",
            "mode": "Enabled",
            "productionData": [inputs, drift["productionData"]],
            "referenceData": drift["referenceData"],
            "metricThreshold": {"metric": "NormalizedDiscountedCumulativeGain", "threshold": {"value": 0.9}},
        }
    return bound


def _data(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "uri" in part:
            yield part
        for value in part.values():
            yield from _data(value)
    elif isinstance(part, list):
        for item in part:
            yield from _data(item)


def edit(state: str, storage: Path, hour: str, contract: Any) -> None:
    """Change the collected files of a window to what only another scoring script, or a fault, would write."""
    for folder in sorted(storage.glob(f"model_*/{hour}")):
        if state == "a retired deployment":
            shutil.move(folder, storage / "retired" / folder.relative_to(storage))
            continue
        for file in folder.glob("*.jsonl"):
            lines = file.read_text(encoding="utf-8").splitlines()
            if state == "a cut off line":
                lines[-1] = lines[-1][: len(lines[-1]) // 2]
            if folder.relative_to(storage).parts[0] == "model_inputs":
                lines = [_edited(state, line, contract) for line in lines]
            file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _edited(state: str, line: str, contract: Any) -> str:
    if state not in ("missing column", "whole numbers"):
        return line
    record = json.loads(line)
    for row in record.get("data", [record]):
        name = contract.features[0]
        if state == "missing column":
            del row[name]
        elif contract.numerical and row[name] is not None:
            row[name] = round(row[name])
    return json.dumps(record)


def write_labels(sent: Mapping[str, pd.DataFrame], storage: Path, contract: Any) -> None:
    """Write the labels that are known: none, those of half of the rows, or all."""
    from model.tables import write_mltable

    if (storage / "labels").exists():
        known = {state: {"no labels": 0, "some labels": ROWS // 2}.get(state, ROWS) for state in sent}
        labels = pd.concat([rows[: known[state]] for state, rows in sent.items()])
        shutil.rmtree(storage / "labels")
        write_mltable(labels[[contract.id_column, contract.target]], storage / "labels", {})


def keep_table(table: Path, kept: Path) -> None:
    """Keep a table that Spark wrote, without its checksums."""
    shutil.copytree(table, kept, ignore=shutil.ignore_patterns("*.crc", "_SUCCESS"))


def write_json(file: Path, content: Any) -> None:
    """Write JSON that a person can compare."""
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Record the named cases, or all."""
    if sys.argv[1:2] == ["--inside"]:
        return record_inside(sys.argv[2])
    for case in sys.argv[1:] or CASES:
        record(case)
    return None


if __name__ == "__main__":
    main()
