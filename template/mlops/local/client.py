"""An object shaped like `azure.ai.ml.MLClient`, for the part of it that this project uses."""

from pathlib import Path

from mlops.local.assets import ComponentOperations, DataOperations, EnvironmentOperations
from mlops.local.jobs import JobOperations
from mlops.local.models import ModelOperations


class LocalClient:
    """A workspace in a folder: the same operations, argument names and entities as the real client's."""

    def __init__(self, state: Path):
        tracking_uri = (state / "mlruns").as_uri()
        self.data = DataOperations(state / "data")
        self.environments = EnvironmentOperations(state / "environments")
        self.components = ComponentOperations(state / "components")
        self.models = ModelOperations(tracking_uri)
        self.jobs = JobOperations(state / "jobs", self.data, tracking_uri)
