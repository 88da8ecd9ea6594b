"""Finds the calls of an Azure ML client in code, and checks them against the class that implements them."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.ai.ml import MLClient


@dataclass(frozen=True)
class ClientCall:
    """A call `client.<group>.<method>(...)`; code that mentions LocalClient is only used on a laptop."""

    where: str
    group: str
    method: str
    positional: int
    keywords: tuple[str, ...]
    is_complete: bool
    knows_laptop: bool


def client_calls(source: str, where: str) -> Iterator[ClientCall]:
    """Return the calls in a piece of code; `where` is its name, to which the line number is added."""
    tree = ast.parse(source)
    aware = {
        id(node)
        for part in ast.walk(tree)
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and "LocalClient" in ast.unparse(part)
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_group(node.func.value):
            keywords = tuple(keyword.arg for keyword in node.keywords if keyword.arg)
            spread = len(keywords) < len(node.keywords) or any(isinstance(part, ast.Starred) for part in node.args)
            yield ClientCall(
                f"{where}:{node.lineno}",
                node.func.value.attr,
                node.func.attr,
                len(node.args),
                keywords,
                not spread,
                id(node) in aware,
            )


def _is_group(node: ast.expr) -> bool:
    """Return whether this is `client.<group>` or `<something>._client.<group>`."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    return (isinstance(owner, ast.Name) and owner.id == "client") or (
        isinstance(owner, ast.Attribute) and owner.attr == "_client"
    )


def sdk_groups() -> dict[str, type]:
    """Return the classes behind `ml_client.<group>`."""
    found = {}
    for name, member in inspect.getmembers(MLClient, lambda member: isinstance(member, property)):
        kind = inspect.get_annotations(inspect.unwrap(member.fget), eval_str=False).get("return")
        if inspect.isclass(kind) and kind.__name__.endswith("Operations"):
            found[name] = kind
    return found


def problem(call: ClientCall, groups: Mapping[str, type]) -> str | None:
    """Return the error of a call of these classes, or None."""
    if call.group not in groups:
        return f"{call.where}: a client has no `{call.group}`"
    method = getattr(groups[call.group], call.method, None)
    if method is None:
        return f"{call.where}: `{call.group}` has no `{call.method}`"
    return _misfit(call, inspect.unwrap(method))


def _misfit(call: ClientCall, method: Callable[..., Any]) -> str | None:
    signature = inspect.signature(method)
    given: dict[str, Any] = dict.fromkeys(call.keywords)
    try:
        bind = signature.bind if call.is_complete else signature.bind_partial
        bound = bind(None, *[None] * call.positional, **given)
    except TypeError as error:
        return f"{call.where}: `{call.group}.{call.method}`: {error}"
    unnamed = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")
    unknown = set(bound.arguments.get(unnamed, {})) - words(method)
    return f"{call.where}: `{call.group}.{call.method}` takes no {', '.join(sorted(unknown))}" if unknown else None


def words(method: Callable[..., Any]) -> set[str]:
    """Return the strings in a method's code; they include the keys that it reads from its `**kwargs`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
