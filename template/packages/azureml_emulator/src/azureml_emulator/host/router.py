"""Routes requests of an endpoint: checks the key and chooses the deployment."""

import asyncio
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from azureml_emulator.host.deployment import Call, Deployment, RefusedError

DEPLOYMENT = "azureml-model-deployment"
NOT_FORWARDED = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    DEPLOYMENT,
}
MOST_MIRRORED = 50


@dataclass
class Endpoint:
    """An endpoint: its key, its deployments and their shares of the traffic, in percent."""

    key: str
    traffic: dict[str, int] = field(default_factory=dict)
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    _credit: dict[str, int] = field(default_factory=dict)
    _mirroring: set[asyncio.Task[Any]] = field(default_factory=set)

    async def answer(self, method: str, query: str, headers: Headers, body: bytes) -> Response:
        """Answer a request by the deployment in its header, else by one that the traffic's shares select.

        Raises:
            RefusedError: the key is wrong, or there is no such deployment, or none with traffic.
        """
        if headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "The key or token is missing or wrong.")
        wanted = headers.get(DEPLOYMENT)
        name = wanted or self._choose()
        if name not in self.deployments:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no deployment {name}.")
        forwarded = [(key, value) for key, value in headers.raw if key.decode("latin-1") not in NOT_FORWARDED]
        if "x-request-id" not in headers:
            forwarded.append((b"x-request-id", str(uuid.uuid4()).encode()))
        call = Call(method, query, forwarded, body)
        if not wanted:
            self._mirror(call)
        response = await self.deployments[name].send(call)
        response.headers[DEPLOYMENT] = name
        return response

    def share(self, traffic: dict[str, int], mirror_traffic: dict[str, int]) -> None:
        """Change the traffic's shares.

        Raises:
            RefusedError: Azure would refuse them.
        """
        for name in [*traffic, *mirror_traffic]:
            if name not in self.deployments:
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"Traffic names {name}, but there is no such deployment.")
        if any(not 0 <= share <= 100 for share in traffic.values()) or sum(traffic.values()) not in (0, 100):
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Traffic must add up to 100 %, or to 0 %: {traffic}.")
        if len(mirror_traffic) > 1 or any(not 0 <= share <= MOST_MIRRORED for share in mirror_traffic.values()):
            message = f"One deployment can mirror up to {MOST_MIRRORED} % of the traffic: {mirror_traffic}."
            raise RefusedError(HTTPStatus.BAD_REQUEST, message)
        self.traffic, self.mirror_traffic, self._credit = traffic, mirror_traffic, {}

    def _choose(self) -> str:
        """Return the next deployment in turn: shares are exact over any hundred requests, not only on average."""
        for name, share in self.traffic.items():
            self._credit[name] = self._credit.get(name, 0) + share
        if not any(self.traffic.values()):
            raise RefusedError(
                HTTPStatus.NOT_FOUND, "No deployment has traffic: set a share, or name a deployment in a header."
            )
        name = max(self.traffic, key=self._credit.__getitem__)
        self._credit[name] -= 100
        return name

    def _mirror(self, call: Call) -> None:
        for name, share in self.mirror_traffic.items():
            self._credit[f"mirror {name}"] = self._credit.get(f"mirror {name}", 0) + share
            if self._credit[f"mirror {name}"] >= 100:
                self._credit[f"mirror {name}"] -= 100
                task = asyncio.create_task(self.deployments[name].send(call))
                self._mirroring.add(task)
                task.add_done_callback(self._mirroring.discard)
