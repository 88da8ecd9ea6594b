"""Paths of the host of online endpoints below the state folder."""

from pathlib import Path

ENDPOINT = "endpoint.json"
DEPLOYMENT = "deployment.json"
ADDRESS = "host.json"
LOG = "host.log"


def host_folder(state: Path) -> Path:
    """Return the host's own folder."""
    return state / "host"


def endpoint_folder(state: Path, endpoint: str) -> Path:
    """Return the folder of an endpoint's definition."""
    return host_folder(state) / "endpoints" / endpoint


def deployment_folder(state: Path, endpoint: str, deployment: str) -> Path:
    """Return the folder of a deployment's definition, with its code, model and log."""
    return endpoint_folder(state, endpoint) / "deployments" / deployment
