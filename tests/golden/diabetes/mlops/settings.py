"""What the template's answers decide about Azure and GitHub: `infra/project.yml`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import WrongInputError
from mlops.project import ROOT, read_yaml


@dataclass(frozen=True)
class GitHubSettings:
    """The repository and how it signs in to Azure."""

    repository: str
    branch: str
    authentication: str
    approval: str

    @property
    def uses_oidc(self) -> bool:
        """Whether each job signs in with a token of its own."""
        return self.authentication == "oidc"

    @property
    def needs_approval(self) -> bool:
        """Whether a reviewer of a GitHub environment releases deployments."""
        return self.approval == "github_environment"


@dataclass(frozen=True)
class AzureSettings:
    """Where the project lives, and the names of what it made there."""

    location: str
    resource_group: str
    workspace_name: str
    workspace: str
    identity: str
    vault: str
    function: str


@dataclass(frozen=True)
class Settings:
    """`infra/project.yml`."""

    model_name: str
    signal_prefix: str
    trigger: str
    cool_down_hours: int
    github: GitHubSettings
    azure: AzureSettings


def load_settings(root: Path = ROOT) -> Settings:
    """Read the project's settings.

    Raises:
        WrongInputError: the file lacks a setting or has one too many.
    """
    content: dict[str, Any] = read_yaml(root / "infra" / "project.yml")
    try:
        parts = {"github": GitHubSettings(**content["github"]), "azure": AzureSettings(**content["azure"])}
        return Settings(**(content | parts))
    except (KeyError, TypeError) as error:
        raise WrongInputError(f"infra/project.yml does not hold what is expected: {error}") from error
