"""Lists the checks of `mlops doctor`, in the order in which a person meets what they look at. All of them only read."""

from mlops.doctor.deployment import look_at_deployments
from mlops.doctor.environments import look_at_environments
from mlops.doctor.examination import Check
from mlops.doctor.monitor import (
    look_at_components,
    look_at_data,
    look_at_last_run,
    look_at_schedule,
    look_at_tables,
)
from mlops.doctor.storage import look_at_storage

CHECKS = (
    Check("datastores", look_at_storage),
    Check("training data", look_at_data),
    Check("environments", look_at_environments),
    Check("deployments and their collected rows", look_at_deployments),
    Check("the monitor's schedule", look_at_schedule),
    Check("the monitor's components", look_at_components),
    Check("the monitor's tables", look_at_tables),
    Check("the monitor's last run", look_at_last_run),
)
