"""An object shaped like `azure.ai.ml.MLClient`, for the part of it that this project uses.

Each group of operations is imported when it is first used: a command that asks one question starts in half the time.
"""

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.local import clock

if TYPE_CHECKING:
    from mlops.local.assets import ComponentOperations, DataOperations, EnvironmentOperations
    from mlops.local.batch import BatchDeploymentOperations, BatchEndpointOperations
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
        self._tracking_uri = (state / "mlruns").as_uri()

    @cached_property
    def _hosting(self) -> "Hosting":
        from mlops.local.hosting import Hosting

        return Hosting(self._state)

    @cached_property
    def data(self) -> "DataOperations":
        """Data assets."""
        from mlops.local.assets import DataOperations

        return DataOperations(self._state)

    @cached_property
    def environments(self) -> "EnvironmentOperations":
        """Environments."""
        from mlops.local.assets import EnvironmentOperations

        return EnvironmentOperations(self._state / "environments")

    @cached_property
    def components(self) -> "ComponentOperations":
        """Components."""
        from mlops.local.assets import ComponentOperations

        return ComponentOperations(self._state / "components")

    @cached_property
    def models(self) -> "ModelOperations":
        """Registered models."""
        from mlops.local.models import ModelOperations

        return ModelOperations(self._tracking_uri)

    @cached_property
    def jobs(self) -> "JobOperations":
        """Pipeline jobs."""
        from mlops.local.jobs import JobOperations

        return JobOperations(self._state, self.data, self._tracking_uri)

    @cached_property
    def datastore(self) -> "Datastore":
        """The workspace's storage."""
        from mlops.local.datastore import Datastore

        return Datastore(self._state, self.data, self.components)

    @cached_property
    def schedules(self) -> "ScheduleOperations":
        """Monitor schedules."""
        from mlops.local.schedules import ScheduleOperations

        return ScheduleOperations(self._state, self.datastore)

    @cached_property
    def online_endpoints(self) -> "OnlineEndpointOperations":
        """Online endpoints."""
        from mlops.local.endpoint import OnlineEndpointOperations

        return OnlineEndpointOperations(self._state, self._hosting)

    @cached_property
    def online_deployments(self) -> "OnlineDeploymentOperations":
        """Online deployments."""
        from mlops.local.deployment import OnlineDeploymentOperations

        return OnlineDeploymentOperations(self._state, self._hosting, self.models, self.environments, self.data)

    @cached_property
    def batch_endpoints(self) -> "BatchEndpointOperations":
        """Batch endpoints."""
        from mlops.local.batch import BatchEndpointOperations
        from mlops.local.batch_job import BatchJobs

        return BatchEndpointOperations(self._state, BatchJobs(self._state, self.datastore, self.jobs))

    @cached_property
    def batch_deployments(self) -> "BatchDeploymentOperations":
        """Batch deployments."""
        from mlops.local.batch import BatchDeploymentOperations

        return BatchDeploymentOperations(self._state, self.models, self.environments)

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
