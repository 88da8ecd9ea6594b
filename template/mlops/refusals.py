"""Reads a refusal of Azure: whether a thing does not exist, and a sentence with a remedy for the rest."""

import re
from typing import Any

from mlops.errors import RunFailedError

# A 404 with one of these is about something above the thing that was asked for.
OF_SOMETHING_ELSE = (
    "ResourceGroupNotFound",
    "SubscriptionNotFound",
    "InvalidSubscriptionId",
    "InvalidResourceNamespace",
)
WORKSPACE_MISSING = re.compile(r"Microsoft\.MachineLearningServices/workspaces/[^/']+'", re.IGNORECASE)


def is_missing(error: Exception) -> bool:
    """Return whether Azure says that the very thing asked for does not exist.

    Any other 404, such as that of a resource group, a workspace or a front end, is a refusal and not an answer.
    """
    if _named(error, "ResourceNotFoundError") and getattr(error, "response", None) is None:
        # The emulator's: it has no answer of a server behind it.
        return True
    if getattr(error, "status_code", None) != 404:
        return False
    code = code_of(error)
    if not code or code in OF_SOMETHING_ELSE:
        return False
    return not WORKSPACE_MISSING.search(str(getattr(error, "message", "")))


def code_of(error: Exception) -> str:
    """Return the code in the body of Azure's answer, empty if the body is not Azure's JSON."""
    content: Any = getattr(getattr(error, "error", None), "code", None)
    return str(content or "")


def is_passing(error: Exception) -> bool:
    """Return whether the same question may be answered a little later: a busy service, a cut connection."""
    status = getattr(error, "status_code", None)
    if status is not None:
        return status in (401, 408, 429) or status >= 500
    return _named(
        error, "ServiceRequestError", "ServiceResponseError", "IncompleteReadError", "ClientAuthenticationError"
    )


def _named(error: Exception, *names: str) -> bool:
    """Return whether an error is of one of these classes, without an import of the SDK that may have raised it."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def explained(error: Exception) -> RunFailedError:
    """Return what Azure refused, as a sentence with a remedy."""
    return RunFailedError(str(error))
