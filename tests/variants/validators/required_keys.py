"""Required keys in Azure ML's YAML: the SDK accepts a file without them, and Azure then uses its own default."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

SIZE = r"Standard_[A-Z]+\d+[a-z]*_v\d"
# Microsoft Learn, "Submit Spark jobs": the sizes of serverless Spark.
SPARK_SIZE = r"standard_e(4|8|16|32|64)s_v3"
POSITIVE, SENTENCE = r"[1-9]\d*", r".{10,}"
VERSION = r"\d+\.\d+\.\d+"
# A tag with a date, or a digest: `latest` would be another image tomorrow.
IMAGE = r"mcr\.microsoft\.com/azureml/[a-z0-9.-]+(:\d{8}\.v\d+|@sha256:[0-9a-f]{64})"
# Data is created next to the project; a model's reference is an output of its job.
PATH = (
    r"\.\./\.\./data/(labelled|labels|production)|azureml://datastores/workspaceblobstore/paths/azureml/JOB/reference"
)
PROBE = ["initial_delay", "period", "timeout", "success_threshold", "failure_threshold"]

# By schema: the required keys of each file, and their allowed values; slashes separate nested mappings.
REQUIRED: dict[str, dict[str, str]] = {
    "managedOnlineDeployment": {
        "model": ".+",
        "environment": ".+",
        "code_configuration/code": r"\.\./\.\./\.\./src",
        "code_configuration/scoring_script": r"score\.py",
        "instance_type": SIZE,
        "instance_count": POSITIVE,
        "environment_variables/WORKER_COUNT": POSITIVE,
        "request_settings/max_concurrent_requests_per_instance": POSITIVE,
        "request_settings/request_timeout_ms": POSITIVE,
        "data_collector/sampling_rate": r"1(\.0)?",  # each row has a label
        "data_collector/rolling_rate": "hour",  # the folders that `mlops` reads
        # The monitor needs both; Azure accepts the strings, not booleans.
        "data_collector/collections/model_inputs/enabled": "True",
        "data_collector/collections/model_outputs/enabled": "True",
        **{f"{kind}_probe/{key}": POSITIVE for kind in ("liveness", "readiness") for key in PROBE},
    },
    "managedOnlineEndpoint": {"description": ".+", "auth_mode": "key", "identity/type": "system_assigned"},
    "batchEndpoint": {"description": ".+", "auth_mode": "aad_token"},
    "modelBatchDeployment": {
        "type": "model",
        "model": ".+",
        "environment": ".+",
        "compute": ".+",
        "code_configuration/code": r"\.\./\.\./\.\./src",
        "code_configuration/scoring_script": r"batch_score\.py",
        "resources/instance_count": POSITIVE,
        "settings/mini_batch_size": POSITIVE,
        "settings/max_concurrency_per_instance": POSITIVE,
        "settings/output_action": "append_row",
        "settings/output_file_name": r".+\.jsonl",
        "settings/error_threshold": "0",
        "settings/retry_settings/max_retries": POSITIVE,
        "settings/retry_settings/timeout": POSITIVE,
    },
    "monitorSchedule": {
        "description": SENTENCE,
        "trigger/schedule/hours": r"\d+",
        "trigger/schedule/minutes": r"\d+",
        "create_monitor/alert_notification/emails/0": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    },
    "environment": {"description": SENTENCE, "image": IMAGE, "conda_file": r"conda(_batch)?\.yml"},
    "amlCompute": {
        "size": SIZE,
        "tier": "dedicated|low_priority",
        "min_instances": "0",  # an idle cluster costs nothing
        "max_instances": POSITIVE,
        "idle_time_before_scale_down": POSITIVE,
        "identity/type": "system_assigned",
        "ssh_public_access_enabled": "False",
    },
    "data": {"description": SENTENCE, "version": r"\d+", "type": "mltable", "path": PATH},
    "commandComponent": {
        "description": SENTENCE,
        "version": VERSION,
        "type": "command",
        "code": r"\.\./src",
        "environment": ".+",
        "command": ".+",
    },
    "sparkComponent": {
        "description": SENTENCE,
        "version": VERSION,
        "type": "spark",
        "code": r"\.\./src",
        "args": ".+",
        "conf/spark.driver.cores": POSITIVE,
        "conf/spark.driver.memory": r"\d+g",
        "conf/spark.executor.cores": POSITIVE,
        "conf/spark.executor.memory": r"\d+g",
        "conf/spark.executor.instances": POSITIVE,
    },
    "pipelineJob": {
        "experiment_name": ".+",
        "settings/default_compute": "azureml:.+",
        # If the gate does not promote, registration must not follow.
        "settings/continue_on_step_failure": "False",
        "inputs/data/type": "mltable",
    },
}  # fmt: skip

# By name: keys of a file that differ from those of its kind.
OWN = {
    # One step of this job looks at Spark, and needs no other.
    "pipelines/look_around.yml": {"settings/continue_on_step_failure": "True"},
}


def are_present(project: Path, paths: list[str]) -> list[str]:
    """Every required key of a file of this kind is present and has an allowed value."""
    found = []
    for path in paths:
        content = yaml.safe_load((project / path).read_text(encoding="utf-8"))
        schema = re.fullmatch(r".*/(\w+)\.schema\.json", str(content.get("$schema", "")))
        if schema:
            found += [f"{path}: {what}" for what in _missing(content, REQUIRED.get(schema[1], {}) | OWN.get(path, {}))]
            found += [f"{path}: {key} must be a string: put it in quotes" for key in _unquoted(content)]
    return found


def _unquoted(content: dict[str, Any]) -> Iterator[str]:
    """Return the keys that must be strings: 1.10 is not 1.1, and Azure accepts no numbers for variables."""
    texts = {"version": content.get("version")} | content.get("environment_variables", {})
    return (key for key, value in texts.items() if value is not None and not isinstance(value, str))


def _missing(content: dict[str, Any], wanted: Mapping[str, str]) -> Iterator[str]:
    for key, pattern in wanted.items():
        value = _inside(content, key.split("/"))
        if value is None:
            yield f"{key.replace('/', '.')} is missing"
        elif not re.fullmatch(pattern, str(value), re.DOTALL):
            yield f"{key.replace('/', '.')} is {value!r}, which is not {pattern}"


def _inside(value: Any, keys: list[str]) -> Any:
    for key in keys:
        if isinstance(value, list):
            value = dict(enumerate(value)).get(int(key))
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value
