"""The interface for notebooks. They import nothing else of `mlops`, so modules may move without breaking a notebook."""

from mlops.data.assets import build_data, read_asset
from mlops.data.production import usual_rows
from mlops.data.scoring import request_text, score
from mlops.jobs.following import follow
from mlops.jobs.jobs import prepare
from mlops.monitoring.calibrate import calibrate
from mlops.monitoring.reference import read_reference, register_reference
from mlops.monitoring.schedule import bound_schedule, monitor_file
from mlops.monitoring.thresholds import set_thresholds
from mlops.notebooks.charts import distributions, drift_by_day, ratios, target, volumes
from mlops.notebooks.explore import alerts, differences, last_days, measure, wait_for_rows
from mlops.notebooks.session import connect
from mlops.notebooks.simulated_days import Drift, features_by_weight, production_day
from mlops.paths import BATCH_ENDPOINT, ONLINE_ENDPOINT, PIPELINE, ROOT, TRAINING_ENVIRONMENT, read_yaml
from mlops.registry import version_to_deploy
from mlops.rollout.batch import load_deployment as load_batch_deployment
from mlops.rollout.online import load_deployment as load_online_deployment
from mlops.rollout.plan import deployment_name
from mlops.storage import blob_path, container
from mlops.training.environments import register_environment
from mlops.training.pipeline import git_commit, load_pipeline, result_of
from mlops.workspace import end_day as next_day

__all__ = [
    "BATCH_ENDPOINT",
    "ONLINE_ENDPOINT",
    "PIPELINE",
    "ROOT",
    "TRAINING_ENVIRONMENT",
    "Drift",
    "alerts",
    "blob_path",
    "bound_schedule",
    "build_data",
    "calibrate",
    "connect",
    "container",
    "deployment_name",
    "differences",
    "distributions",
    "drift_by_day",
    "features_by_weight",
    "follow",
    "git_commit",
    "last_days",
    "load_batch_deployment",
    "load_online_deployment",
    "load_pipeline",
    "measure",
    "monitor_file",
    "next_day",
    "prepare",
    "production_day",
    "ratios",
    "read_asset",
    "read_reference",
    "read_yaml",
    "register_environment",
    "register_reference",
    "request_text",
    "result_of",
    "score",
    "set_thresholds",
    "target",
    "usual_rows",
    "version_to_deploy",
    "volumes",
    "wait_for_rows",
]
