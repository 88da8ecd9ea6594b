# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = [
#   "azure-ai-ml~=1.30.0",
#   "azure-storage-file-datalake~=12.13",
#   "azureml-core",
#   "azureml-fsspec~=1.3.1",
#   "interpret-community[mimic]~=0.31.0",
#   "lightgbm==4.6.0",
#   "mlflow-skinny~=2.22",
#   "mltable~=1.6.3",
#   "numpy<2",
#   "pandas==2.2.3",
#   "pyarrow==19.0.1",
#   "pyspark==3.5.5",
#   "scikit-learn<1.7",
#   "setuptools<81",
# ]
# ///
"""Runs Microsoft's monitoring components over recorded windows: `uv run scripts/judge_monitors.py CHECKOUT [CASE ...]`.

CHECKOUT is a clone of Azure/azureml-assets at the commit PINNED. Each signal's chain is read from its own specification
(`*_signal_monitor/spec.yaml`) and runs step by step on local PySpark. Stand-ins exist for what only a workspace has:
credentials, tags and the store of run metrics. The outcome of every signal in every window is written to
tests/reference/monitoring/CASE/outcomes.json, to which the tests hold the emulator.
"""

import contextlib
import hashlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

PINNED = "4b41f8ccbc01cf492767adc586ce1661c54c340a"
RECORDED = Path(__file__).absolute().parents[1] / "tests" / "reference" / "monitoring"
COMPONENTS = "assets/model_monitoring/components"
PATHS = "azureml://datastores/workspaceblobstore/paths/"
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")
PARENT = re.compile(r"\$\{\{parent\.(inputs|outputs)\.(\w+)\}\}")
STEP = re.compile(r"\$\{\{parent\.jobs\.(\w+)\.outputs\.(\w+)\}\}")
BREACH_TAG = "azureml_modelmonitor_threshold_breached"
# Steps that draw the studio's charts: they run in the windows of the first two states, and judge nothing.
CHARTS = ("model_monitor_compute_histogram", "model_monitor_compute_histogram_buckets", "model_monitor_output_metrics")
WITH_CHARTS = ("normal", "gaps")
# A simulated day of the emulator.
DAY = timedelta(hours=1)

Values = dict[str, Any]


class Components:
    """Microsoft's components: their specifications by name, the folder of their code, and what they have computed.

    As in Azure, a step that ran with the same inputs is not run again.
    """

    def __init__(self, checkout: Path, work: Path):
        self.folder = checkout / COMPONENTS
        self.code = self.folder / "src"
        self.work = work
        files = [file for file in self.folder.rglob("spec.yaml") if "genai" not in str(file)]
        self._specifications = {spec["name"]: spec for spec in map(_load, files)}
        self.tags: dict[str, str] = {}

    def run(self, name: str, inputs: Values) -> dict[str, str]:
        """Run a component and return the folder of each output."""
        spec = self._specifications[name]
        values = _with_defaults(spec, inputs)
        known = hashlib.sha256(json.dumps([name, values], sort_keys=True, default=str).encode()).hexdigest()[:16]
        folder = self.work / known
        outputs = {key: str(folder / key) for key in spec.get("outputs") or {}}
        if not outputs or not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            self._start(spec, values, outputs)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "done").touch()
        return outputs

    def run_pipeline(self, name: str, inputs: Values, charts: bool) -> dict[str, dict[str, str]]:
        """Run the steps of a signal's pipeline and return the outputs of each; `charts` tells whether to draw."""
        spec = self._specifications[name]
        values, steps = _with_defaults(spec, inputs), {}
        for step, job in spec["jobs"].items():
            component = job["component"].split("/components/")[1].split("/")[0]
            if charts or component not in CHARTS:
                given = {key: _value(value, values, steps) for key, value in job["inputs"].items()}
                steps[step] = self.run(component, given)
        return steps

    def _start(self, spec: Mapping[str, Any], inputs: Values, outputs: Mapping[str, str]) -> None:
        """Execute a component's entry file as `__main__`, in this process, which has one Spark session."""
        text = OPTIONAL.sub(lambda part: part[1] if _is_given(part[1], inputs) else "", spec["args"])
        values = {"inputs": inputs, "outputs": outputs}
        parts = shlex.split(PLACEHOLDER.sub(lambda found: f"'{found[0]}'", text))
        arguments = [PLACEHOLDER.sub(lambda found: str(values[found[1]][found[2]]), part) for part in parts]
        entry = self.code / spec["entry"]["file"]
        for folder in outputs.values():
            Path(folder).mkdir(parents=True, exist_ok=True)
        sys.argv, before = [str(entry), *arguments], set(sys.modules)
        sys.path.insert(0, str(entry.parent))
        try:
            runpy.run_path(str(entry), run_name="__main__")
        finally:
            sys.path.remove(str(entry.parent))
            # Several components have modules of the same name beside their entry file.
            for module in set(sys.modules) - before:
                if Path(getattr(sys.modules[module], "__file__", None) or "/").parent == entry.parent:
                    del sys.modules[module]


def _with_defaults(spec: Mapping[str, Any], inputs: Values) -> Values:
    known = {key: given["default"] for key, given in spec["inputs"].items() if "default" in given}
    return known | {key: value for key, value in inputs.items() if value is not None}


def _load(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def _is_given(part: str, inputs: Values) -> bool:
    return all(inputs.get(name) not in (None, "") for _, name in PLACEHOLDER.findall(part))


def _value(given: Any, inputs: Values, steps: Mapping[str, Mapping[str, str]]) -> Any:
    text = given["path"] if isinstance(given, dict) else given
    if found := PARENT.fullmatch(str(text)):
        return inputs.get(found[2])
    if found := STEP.fullmatch(str(text)):
        return steps[found[1]][found[2]]
    return text


def stand_in(components: Components) -> None:
    """Replace what only a workspace has."""
    sys.path[:0] = [str(components.code), str(components.folder / "tests" / "unit")]
    # Spark's workers are other processes.
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(components.code), "SPARK_LOCAL_IP": "127.0.0.1"}
    from azureml.dataprep.api import _rslex_executor

    # Usage data would be sent after each read, and wait for a network.
    _rslex_executor.HBI_MODE = True
    import shared_utilities.event_utils as events
    from shared_utilities import amlfs
    from shared_utilities.store_url import StoreUrl

    events.add_tags_to_run = lambda run, tags: components.tags.update(tags)
    events.add_tags_to_root_run = lambda tags: components.tags.update(tags)
    events.post_email_event = lambda *given: None
    StoreUrl.get_credential = lambda self, *given: None
    # The studio's charts are files of the datastore.
    amlfs.amlfs_put_as_json = amlfs.amlfs_upload = lambda *given, **named: None
    from model_monitor_metric_outputter import runmetric_client

    class NoRunMetrics:
        """Accepts the metrics of a run and keeps none."""

        def get_or_create_run_id(self, *given: Any) -> str:
            return "run"

        def publish_metric(self, *given: Any) -> None: ...

        def publish_metrics(self, *given: Any) -> None: ...

    runmetric_client.RunMetricClient = NoRunMetrics
    sys.modules["runmetric_client"] = runmetric_client
    import spark_mltable  # noqa: F401  `spark.read.mltable` on a laptop, as the components' own tests do it


def session() -> Any:
    """Return the one Spark session, which is small and quiet."""
    from pyspark.sql import SparkSession

    small = {"spark.sql.shuffle.partitions": 2, "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]").appName("judge")
    for key, value in (small | {"spark.driver.host": "127.0.0.1", "spark.default.parallelism": 2}).items():
        builder = builder.config(key, value)
    found = builder.getOrCreate()
    found.sparkContext.setLogLevel("OFF")
    return found


class Judge:
    """Runs the signals of one recorded case."""

    def __init__(self, components: Components, case: Path):
        self._components, self._case = components, case
        self._monitor = json.loads((case / "monitor.json").read_text(encoding="utf-8"))
        self._windows = json.loads((case / "windows.json").read_text(encoding="utf-8"))

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Return what came of every signal in every window."""
        return {
            state: {name: self._outcome(state, name, signal) for name, signal in self._monitor["signals"].items()}
            for state in self._windows
        }

    def importances(self) -> dict[str, float]:
        """Return the importances of the reference's columns, by the component that attribution drift uses."""
        signal = next(one for one in self._monitor["signals"].values() if "referenceData" in one)
        given = self._common("normal", "signal", {**signal, "productionData": None})
        inputs = {key: given[key] for key in ("baseline_data", "target_column", "task_type")}
        with quiet():
            table = self._components.run("feature_importance_metrics", inputs)["signal_metrics"]
            rows = session().read.parquet(f"{table}/data").collect()
        return {row["feature"]: row["metric_value"] for row in rows if row["metric_name"] == "FeatureImportance"}

    def _outcome(self, state: str, name: str, signal: Mapping[str, Any]) -> dict[str, Any]:
        self._components.tags.clear()
        started = time.perf_counter()
        try:
            with quiet():
                table = SIGNALS[signal["signalType"]](self, state, name, signal)
                found = {"outcome": "Completed", "metrics": _metrics(table)}
        except Exception as error:
            message = next((line for line in str(error).splitlines() if line.strip()), "")
            message = re.sub(r"/\S*/[0-9a-f]{16}/", "FOLDER/", message.replace(str(self._case), "CASE"))
            found = {"outcome": "Failed", "error": type(error).__name__, "message": message}
        print(
            f"{self._case.name}: {state}: {name}: {found['outcome']} {time.perf_counter() - started:.1f} s", flush=True
        )
        return found | {"breach": self._components.tags.get(BREACH_TAG, "")}

    def drift(self, state: str, name: str, signal: Mapping[str, Any]) -> str:
        """Run the chain of data drift or prediction drift and return its metrics' table."""
        kind = {"DataDrift": "data_drift", "PredictionDrift": "prediction_drift"}[signal["signalType"]]
        inputs = self._common(state, name, signal) | _filter(signal)
        for one in signal["metricThresholds"]:
            if one.get("threshold"):
                inputs[f"{one['dataType'].lower()}_metric"] = _capital(one["metric"])
                inputs[f"{one['dataType'].lower()}_threshold"] = one["threshold"]["value"]
        steps = self._components.run_pipeline(f"{kind}_signal_monitor", inputs, state in WITH_CHARTS)
        return steps["compute_drift_metrics"]["signal_metrics"]

    def quality(self, state: str, name: str, signal: Mapping[str, Any]) -> str:
        """Run the chain of data quality. It takes one threshold for each data type."""
        inputs = self._common(state, name, signal) | _filter(signal)
        for data_type in ("Numerical", "Categorical"):
            given = [one for one in signal["metricThresholds"] if one["dataType"] == data_type]
            if given:
                inputs[f"{data_type.lower()}_metrics"] = ",".join(_capital(one["metric"]) for one in given)
                inputs[f"{data_type.lower()}_threshold"] = min(one["threshold"]["value"] for one in given)
        steps = self._components.run_pipeline("data_quality_signal_monitor", inputs, state in WITH_CHARTS)
        return steps["join_data_quality_metrics"]["signal_metrics"]

    def attribution(self, state: str, name: str, signal: Mapping[str, Any]) -> str:
        """Join inputs with outputs and run the chain of Azure's attribution drift."""
        inputs, outputs = (
            self._preprocessed(state, data, correlated=True)
            for data in sorted(signal["productionData"], key=lambda data: str(data["dataContext"]))
        )
        sides = {"left_input_data": inputs, "right_input_data": outputs}
        columns = {"left_join_column": "correlationid", "right_join_column": "correlationid"}
        joined = self._components.run("model_monitor_data_joiner", sides | columns)["joined_data"]
        given = self._common(state, name, {**signal, "productionData": None}) | {"target_data": joined}
        steps = self._components.run_pipeline("feature_attribution_drift_signal_monitor", given, charts=True)
        return steps["compute_feature_attribution"]["signal_metrics"]

    def custom(self, state: str, name: str, signal: Mapping[str, Any]) -> str:
        """Preprocess the production data, and let Azure output and judge what the project's component wrote of it."""
        for data in signal["inputAssets"].values():
            if data["jobInputType"] == "uri_folder":
                self._preprocessed(state, data, correlated=False)
        table = self._written(state, name)
        common = {"signal_name": name, "signal_metrics": table}
        output = {"monitor_name": "monitor", "signal_type": "Custom", "metric_timestamp": self._windows[state][1]}
        self._components.run("model_monitor_metric_outputter", common | output)
        self._components.run("model_monitor_evaluate_metrics_threshold", common)
        return table

    def _common(self, state: str, name: str, signal: Mapping[str, Any]) -> Values:
        is_number = str(self._monitor["monitoringTarget"].get("taskType")).lower() == "regression"
        production = signal["productionData"]
        return {
            "monitor_name": "monitor",
            "signal_name": name,
            "target_data": production and self._preprocessed(state, production, correlated=False),
            "baseline_data": str(self._path(signal["referenceData"])),
            "target_column": (signal["referenceData"].get("columns") or {}).get("target_column"),
            "task_type": "Regression" if is_number else "Classification",
            "monitor_current_time": self._windows[state][1],
        }

    def _preprocessed(self, state: str, data: Mapping[str, Any], correlated: bool) -> str:
        """Return the table that Azure's preprocessor makes of a window, or that the project's own one made."""
        if data.get("preprocessingComponentId"):
            return self._written(state, f"{self._path(data).name}-*")
        start, end = map(datetime.fromisoformat, self._windows[state])
        size, offset = (int(re.sub(r"\D", "", data.get(key) or default)) for key, default in WINDOW)
        start, end = min(start, end - size * DAY) - offset * DAY, end - offset * DAY
        inputs = {
            "data_window_start": start.isoformat(),
            "data_window_end": end.isoformat(),
            "input_data": str(self._path(data)),
            "extract_correlation_id": str(correlated),
        }
        return self._components.run("model_data_collector_preprocessor", inputs)["preprocessed_input_data"]

    def _written(self, state: str, name: str) -> str:
        """Return a table that a component of the project wrote, with an address instead of a relative pattern.

        Raises:
            RuntimeError: the component wrote none: it had no rows, or failed.
        """
        found = list((self._case / "written" / state.replace(" ", "-")).glob(name))
        if not found:
            raise RuntimeError("The project's component wrote no table.")
        folder = self._components.work / self._case.name / found[0].relative_to(self._case)
        if not folder.exists():
            shutil.copytree(found[0], folder)
            content = {"paths": [{"pattern": f"{folder}/data/*.parquet"}], "transformations": ["read_parquet"]}
            (folder / "MLTable").write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(folder)

    def _path(self, data: Mapping[str, Any]) -> Path:
        return self._case / data["uri"].removeprefix(PATHS)


WINDOW = (("windowSize", "P1D"), ("windowOffset", "P0D"))
SIGNALS = {
    "DataDrift": Judge.drift,
    "PredictionDrift": Judge.drift,
    "DataQuality": Judge.quality,
    "FeatureAttributionDrift": Judge.attribution,
    "Custom": Judge.custom,
}


def _filter(signal: Mapping[str, Any]) -> Values:
    features = (signal.get("features") or {}).get("features")
    return {"filter_type": "Subset", "filter_value": ",".join(features)} if features else {"filter_type": "All"}


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _metrics(table: str) -> list[Values]:
    """Return the metrics of a table as Azure's judge sees them, without row counts."""
    rows = session().read.parquet(f"{table}/data").collect()
    found = []
    for row in rows:
        values = row.asDict()
        if values["metric_name"] in ("BaselineRowCount", "TargetRowCount"):
            continue
        names = ("group", "feature_name", "data_type", "metric_name", "metric_value", "threshold_value")
        kept = {name: values[name] for name in names if values.get(name) is not None}
        found.append({name: str(value) if value != value else value for name, value in kept.items()})
    return sorted(found, key=lambda one: (one["metric_name"], one.get("group") or "", one.get("feature_name") or ""))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what the components print."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def main() -> None:
    """Judge the named cases, or all."""
    checkout = Path(sys.argv[1]).absolute()
    done = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if done.stdout.strip() not in (PINNED, ""):
        print(f"warning: the checkout is at {done.stdout.strip()}, not at {PINNED}")
    cases = [RECORDED / name for name in sys.argv[2:]] or sorted(
        file.parent for file in RECORDED.glob("*/monitor.json")
    )
    with tempfile.TemporaryDirectory() as work:
        # Some components write into the working directory, MLflow among them.
        os.chdir(work)
        components = Components(checkout, Path(work))
        stand_in(components)
        session()
        for case in cases:
            judge = Judge(components, case)
            for name, content in (("importances", judge.importances()), ("outcomes", judge.outcomes())):
                text = json.dumps(content, indent=1, ensure_ascii=False)
                (case / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
