"""Finds the function that answers a request by its verb and path."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azureml_emulator.transport import Request, Response

Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    """A verb, a pattern of a path such as `data/{name}/versions` or `{kind=data|codes}/{name}`, and its handler."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler


class Routes:
    """The routes of one service."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __call__(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Register the decorated function for a verb and a path."""
        named = re.sub(r"\{(\w+)=([\w|]+)\}", r"(?P<\1>\2)", path)
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", named) + "/?", re.IGNORECASE)

        def register(handler: Handler) -> Handler:
            self._routes.append(Route(method, pattern, handler))
            return handler

        return register

    def answer(self, owner: Any, request: Request, path: str) -> Response | None:
        """Return the answer of the route of a request, or None if there is none."""
        for route in self._routes:
            found = route.pattern.fullmatch(path)
            if found and route.method == request.method:
                return route.handler(owner, request, **found.groupdict())
        return None
