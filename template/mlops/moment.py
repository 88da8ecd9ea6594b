"""What time it is where a command acts."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops.workspace import Client


def now(client: "Client") -> datetime:
    """Return the time: real, or the emulator's, whose clock each monitor run moves on."""
    from mlops.local.client import LocalClient

    if isinstance(client, LocalClient):
        return client.now()
    return datetime.now(UTC)
