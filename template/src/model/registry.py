"""Access to the model registry through MLflow: Azure ML's registry in a job, a folder on a laptop."""

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

ROLLOUT_FAILED = ("rollout", "failed")


@dataclass(frozen=True)
class Champion:
    """The model version that a challenger has to beat."""

    name: str
    version: str

    @property
    def uri(self) -> str:
        """Return the model's MLflow URI."""
        return f"models:/{self.name}/{self.version}"


def find_champion(name: str) -> Champion | None:
    """Return the newest version without a failed rollout, or None."""
    try:
        versions = MlflowClient().search_model_versions(f"name='{name}'")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    tag, failed = ROLLOUT_FAILED
    standing = [version for version in versions if version.tags.get(tag) != failed]
    newest = max(standing, key=lambda version: int(version.version), default=None)
    return Champion(name, str(newest.version)) if newest else None
