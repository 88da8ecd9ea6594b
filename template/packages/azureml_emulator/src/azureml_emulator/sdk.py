"""Replaces private names of the Azure SDK; an SDK that moves one fails here and nowhere else.

`azure.ai.ml` opens blob storage by two names of one of its modules and passes no transport on. They become the same
classes with a transport of their own, only for the storage accounts of emulators.
"""

from typing import Any

from azure.ai.ml._artifacts import _blob_storage_helper
from azure.core.pipeline.transport import HttpTransport
from azure.storage.blob import BlobServiceClient, ContainerClient

from azureml_emulator.errors import EmulatorError

CLIENTS = {"BlobServiceClient": BlobServiceClient, "ContainerClient": ContainerClient}
# The transports of emulators by the names of their storage accounts.
_TRANSPORTS: dict[str, HttpTransport] = {}


def open_storage_in_process(account: str, transport: HttpTransport) -> None:
    """Have `azure.ai.ml` reach the blobs of a storage account through a transport; other accounts are unaffected.

    Raises:
        EmulatorError: this version of the SDK opens its storage in another way.
    """
    _TRANSPORTS[account] = transport
    for name, client in CLIENTS.items():
        if not hasattr(_blob_storage_helper, name):
            raise EmulatorError(f"This version of azure-ai-ml has no _blob_storage_helper.{name}: use the pinned one.")
        setattr(_blob_storage_helper, name, _routed(client))


def _routed(client: Any) -> Any:
    class Routed(client):
        """The SDK's client, with the transport of its account."""

        def __init__(self, account_url: str, *args: Any, **kwargs: Any):
            account = account_url.partition("//")[2].partition(".")[0]
            if account in _TRANSPORTS:
                kwargs.setdefault("transport", _TRANSPORTS[account])
            super().__init__(account_url, *args, **kwargs)

    Routed.__name__ = client.__name__
    return Routed
