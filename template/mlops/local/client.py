"""An object shaped like `azure.ai.ml.MLClient`, for the part of it that this project uses."""

from datetime import datetime
from pathlib import Path

from mlops.local import clock
from mlops.local.assets import ComponentOperations, DataOperations, EnvironmentOperations
from mlops.local.batch import BatchDeploymentOperations, BatchEndpointOperations
from mlops.local.batch_job import BatchJobs
from mlops.local.datastore import Datastore
from mlops.local.deployment import OnlineDeploymentOperations
from mlops.local.endpoint import OnlineEndpointOperations
from mlops.local.hosting import Hosting
from mlops.local.jobs import JobOperations
from mlops.local.models import ModelOperations
from mlops.local.schedules import ScheduleOperations


class LocalClient:
    """A workspace in a folder: the same operations, argument names and entities as the real client's."""

    def __init__(self, state: Path):
        self._state = state
        tracking_uri = (state / "mlruns").as_uri()
        self.data = DataOperations(state)
        self.environments = EnvironmentOperations(state / "environments")
        self.components = ComponentOperations(state / "components")
        self.models = ModelOperations(tracking_uri)
        self.jobs = JobOperations(state, self.data, tracking_uri)
        self.datastore = Datastore(state, self.data)
        self.schedules = ScheduleOperations(state, self.datastore)
        self._hosting = Hosting(state)
        self.online_endpoints = OnlineEndpointOperations(state, self._hosting)
        self.online_deployments = OnlineDeploymentOperations(
            state, self._hosting, self.models, self.environments, self.data
        )
        self.batch_endpoints = BatchEndpointOperations(state, BatchJobs(state, self.datastore, self.jobs))
        self.batch_deployments = BatchDeploymentOperations(state, self.models, self.environments)

    def now(self) -> datetime:
        """Return the emulator's time."""
        return clock.now(self._state)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what online deployments have scored is collected too, and return whether it is.

        The data collector sends from a thread: call this before a monitor's window is closed or its rows are read.
        """
        return self._hosting.flush(timeout)

    def close(self) -> None:
        """Stop the process that keeps online endpoints alive, without losing a record; the next use starts it again."""
        self._hosting.stop()
