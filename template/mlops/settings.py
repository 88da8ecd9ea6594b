"""Reads `infra/project.yml`, the template's answers about Azure and GitHub."""

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mlops.errors import WrongInputError
from mlops.paths import ROOT, read_yaml

FILE = "infra/project.yml"
Section = TypeVar("Section")


@dataclass(frozen=True)
class GitHubSettings:
    """The repository and its sign-in to Azure."""

    repository: str
    branch: str
    authentication: str
    approval: str

    @property
    def uses_oidc(self) -> bool:
        """Return whether each job signs in with a token of its own."""
        return self.authentication == "oidc"

    @property
    def needs_approval(self) -> bool:
        """Return whether a reviewer of a GitHub environment approves deployments."""
        return self.approval == "github_environment"


@dataclass(frozen=True)
class AzureSettings:
    """The location of the project in Azure, and the names of its resources."""

    location: str
    resource_group: str
    workspace_name: str
    workspace: str
    identity: str
    vault: str
    function: str


@dataclass(frozen=True)
class Limits:
    """The limits of a new deployment's failures and latency while it has a share of the traffic."""

    error_rate: float = 0.0
    milliseconds: float = 1000.0


@dataclass(frozen=True)
class RolloutSettings:
    """The tests of a new deployment before it has all traffic.

    Raises:
        WrongInputError: a value is invalid.
    """

    share: int = 10
    watch_minutes: float = 5
    laptop_watch_seconds: float = 2
    probes: int = 20
    error_rate: float = 0.01
    p95_milliseconds: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse an invalid value."""
        for name, (is_right, wanted) in ROLLOUT_VALUES.items():
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or not is_right(value):
                raise WrongInputError(f"{FILE}: rollout.{name} is {value!r}; it must be {wanted}.")

    @property
    def limits(self) -> Limits:
        """Return the limits of failures and latency."""
        return Limits(self.error_rate, self.p95_milliseconds)

    def watch_seconds(self, on_laptop: bool) -> float:
        """Return the number of seconds for which a new deployment keeps its share."""
        return self.laptop_watch_seconds if on_laptop else 60 * self.watch_minutes

    def within(self, milliseconds: float) -> "RolloutSettings":
        """Return these settings with another limit for the 95th percentile of the latency.

        Raises:
            WrongInputError: it is not more than 0.
        """
        if not 0 < milliseconds < math.inf:
            raise WrongInputError(f"--max-latency-ms is {milliseconds:g}; it must be more than 0.")
        return replace(self, p95_milliseconds=milliseconds)


ROLLOUT_VALUES: dict[str, tuple[Callable[[float], bool], str]] = {
    "share": (lambda value: value == int(value) and 1 <= value <= 99, "a whole percentage from 1 to 99"),
    "watch_minutes": (lambda value: 0 <= value <= 1440, "minutes from 0 to 1440"),
    "laptop_watch_seconds": (lambda value: 0 <= value <= 3600, "seconds from 0 to 3600"),
    "probes": (lambda value: value == int(value) and 1 <= value <= 1000, "a whole number from 1 to 1000"),
    "error_rate": (lambda value: 0 <= value < 1, "a share from 0 to less than 1"),
    "p95_milliseconds": (lambda value: value > 0, "more than 0"),
}


@dataclass(frozen=True)
class Settings:
    """`infra/project.yml`."""

    model_name: str
    signal_prefix: str
    trigger: str
    cool_down_hours: int
    github: GitHubSettings
    azure: AzureSettings
    rollout: RolloutSettings = field(default_factory=RolloutSettings)


def load_settings(root: Path = ROOT) -> Settings:
    """Read the project's settings.

    Raises:
        WrongInputError: a setting is missing, unknown or invalid.
    """
    try:
        content: Any = read_yaml(root / "infra" / "project.yml")
    except OSError as error:
        raise WrongInputError(f"{FILE} cannot be read: {error.strerror or error}.") from error
    except yaml.YAMLError as error:
        raise WrongInputError(f"{FILE} is not YAML: {error}") from error
    parts: dict[str, Any] = {"github": GitHubSettings, "azure": AzureSettings, "rollout": RolloutSettings}
    given = dict(_section(content, ""))
    # A project from before this section uses the defaults, and so does one with an empty section.
    if given.get("rollout") is None:
        given["rollout"] = {}
    for name, kind in parts.items():
        if name in given:
            given[name] = _made(kind, _section(given[name], name), f"{name}.")
    return _made(Settings, given, "")


def _made(kind: Callable[..., Section], given: dict[str, Any], prefix: str) -> Section:
    """Create a section from its values.

    Raises:
        WrongInputError: one is missing or unknown.
    """
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        known_names = ", ".join(f"'{prefix}{name}'" for name in known)
        raise WrongInputError(f"{FILE}: unknown setting '{prefix}{unknown[0]}'; known are {known_names}.")
    needed = [name for name, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    missing = [name for name in needed if name not in given]
    if missing:
        raise WrongInputError(f"{FILE}: the setting '{prefix}{missing[0]}' is missing.")
    return kind(**given)


def _section(content: Any, name: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise WrongInputError(f"{FILE}: {name or 'the file'} must hold settings, one `name: value` each.")
    return content
