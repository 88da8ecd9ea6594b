"""Reads the errors of the SDKs: recognizes that a resource does not exist, and explains all other errors.

It imports none of the SDKs and recognizes their errors by class name, so a command that fails early stays fast.
"""

import json
from typing import Any

from mlops.errors import RunFailedError
from mlops.refusals import rights
from mlops.refusals.refused import Kind, Refusal, clean
from mlops.refusals.remedies import sentence

# Packages that communicate with Azure or GitHub. Errors of other packages are faults of this project and keep their
# stack trace.
NETWORK_PACKAGES = (
    "azure",
    "azureml",
    "mltable",
    "msal",
    "msrest",
    "isodate",
    "requests",
    "urllib3",
    "httpx",
    "httpcore",
)
CONNECTION = (
    "ServiceRequestError",
    "ServiceResponseError",
    "IncompleteReadError",
    "RequestException",
    "HTTPError",
    "TransportError",
    "TimeoutError",
    "ConnectionError",
    "gaierror",
    "SSLError",
)
LOGIN = ("CredentialUnavailableError", "ClientAuthenticationError")
INNER = ("innererror", "innerError", "inner_error")


def is_missing(error: Exception) -> bool:
    """Return whether Azure says that the requested resource itself does not exist.

    Any other 404, such as that of a resource group, a workspace or a front end, is a refusal and not an answer.
    """
    if _named(error, "ResourceNotFoundError") and getattr(error, "response", None) is None:
        # The emulator's own error: it has no answer of a server.
        return True
    if getattr(error, "status_code", None) != 404:
        return False
    refusal = _answered(error)
    return rights.is_of_asked(refusal.codes, refusal.message, refusal.asked)


def is_passing(error: Exception) -> bool:
    """Return whether the same request may succeed a little later: a busy service, a cut connection."""
    status = getattr(error, "status_code", None)
    if status is not None and not _named(error, "DecodeError"):
        return status in (401, 408, 429) or status >= 500
    return _named(error, "DecodeError", *CONNECTION, *LOGIN)


def explained(error: Exception) -> RunFailedError:
    """Return Azure's refusal as a message with a remedy."""
    refusal = refusal_of(error)
    return RunFailedError(sentence(refusal) if refusal else clean(str(error)))


def refusal_of(error: BaseException) -> Refusal | None:
    """Return the facts of a refusal, None if the error is not one: then it is a fault of this project."""
    if not _is_of_network(error):
        return None
    cause = _cause(error)
    if getattr(cause, "response", None) is not None and _status(cause):
        return _answered(cause)
    text = str(getattr(cause, "message", None) or cause)
    if _named(cause, *CONNECTION):
        return Refusal(Kind.CONNECTION, text)
    if _named(cause, *LOGIN):
        return Refusal(Kind.LOGIN, text)
    if _named(cause, "AzureError"):
        return Refusal(Kind.SDK, text)
    return Refusal(Kind.UNREADABLE, f"{type(cause).__name__}: {text}")


def code_of(error: Exception) -> str:
    """Return the code of Azure's answer, empty if it has none."""
    return next(iter(_answered(error).codes), "") if getattr(error, "response", None) is not None else ""


def _is_of_network(error: BaseException) -> bool:
    """Return whether an error comes from such a package, or was raised while such a package read an answer."""
    if any(_is_talking(kind.__module__) for kind in type(error).__mro__):
        return True
    modules, step = [], error.__traceback__
    while step is not None:
        modules.append(str(step.tb_frame.f_globals.get("__name__", "")))
        step = step.tb_next
    ours = max((number for number, name in enumerate(modules) if name.split(".")[0] in ("mlops", "model")), default=-1)
    return any(_is_talking(name) for name in modules[ours + 1 :])


def _is_talking(module: str) -> bool:
    return module.split(".")[0] in NETWORK_PACKAGES


def _cause(error: BaseException) -> BaseException:
    """Return the answer behind an error of the SDK that hides it, or the error itself."""
    inner: BaseException | None = error
    for _ in range(5):
        if inner is None or getattr(inner, "response", None) is not None or _named(inner, *CONNECTION):
            break
        hidden = None if _named(error, "AzureError") else inner.__context__
        inner = inner.__cause__ or getattr(inner, "inner_exception", None) or hidden
    return inner if inner is not None and _is_of_network(inner) else error


def _answered(error: BaseException) -> Refusal:
    response: Any = getattr(error, "response", None)
    content = _content(response)
    codes, message = _codes(content), _message(content)
    of_storage = getattr(error, "error_code", None) or _header(response, "x-ms-error-code")
    storage = (str(getattr(of_storage, "value", of_storage)),) if of_storage else ()
    operation = getattr(getattr(error, "error", None), "code", None)
    known = tuple(dict.fromkeys((*codes, *storage, *((str(operation),) if operation and not codes else ()))))
    request: Any = getattr(response, "request", None)
    body = "" if content else _text(response)
    return Refusal(
        Kind.ANSWER,
        message or (str(getattr(error, "message", "")) if known else body) or str(getattr(error, "reason", "") or ""),
        _status(error),
        known,
        f"{getattr(request, 'method', '')} {getattr(request, 'url', '')}".strip(),
        _header(response, "x-ms-request-id") or _header(response, "x-ms-correlation-request-id") or _request(content),
        _header(response, "Retry-After"),
    )


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _content(response: Any) -> dict[str, Any]:
    try:
        content = json.loads(_text(response))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(response: Any) -> str:
    try:
        return str(response.text() if callable(response.text) else response.text)
    except Exception:
        # The body was cut, or was already read as a stream.
        return ""


def _codes(content: dict[str, Any]) -> tuple[str, ...]:
    """Return the code of an error and its inner codes; a body with another format has none."""
    found: list[str] = []
    node: Any = content.get("error", content)
    while isinstance(node, dict) and len(found) < 10:
        code = node.get("code")
        found += [code] if isinstance(code, str) and code else []
        node = next((node[key] for key in INNER if node.get(key)), None)
    return tuple(found)


def _message(content: dict[str, Any]) -> str:
    node: Any = content.get("error", content)
    if isinstance(node, str):
        return str(content.get("error_description") or node)
    said = node.get("message") if isinstance(node, dict) else None
    return said if isinstance(said, str) else str(content.get("message") or content.get("detail") or "")


def _request(content: dict[str, Any]) -> str:
    correlation = content.get("correlation")
    return str(correlation.get("request") or "") if isinstance(correlation, dict) else ""


def _header(response: Any, name: str) -> str:
    try:
        return str(response.headers.get(name) or "")
    except AttributeError:
        return ""


def _named(error: BaseException | None, *names: str) -> bool:
    """Return whether an error is of one of these classes."""
    return any(kind.__name__ in names for kind in type(error).__mro__)
