"""All online endpoints of a state folder: files hold the wanted state, and processes follow it."""

import asyncio
import secrets
import shutil
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Any

from azureml_emulator.clock import Clock
from azureml_emulator.files import read_json, write_json
from azureml_emulator.host.collector import Collector
from azureml_emulator.host.deployment import Deployment, RefusedError
from azureml_emulator.host.layout import DEPLOYMENT, ENDPOINT, deployment_folder, endpoint_folder, host_folder
from azureml_emulator.host.process import Server, ServerFailedError, Specification
from azureml_emulator.host.router import Endpoint


class Endpoints:
    """The endpoints and deployments that the host keeps alive; only the host writes their files."""

    def __init__(self, state: Path, port: int):
        self._state, self._port = state, port
        self._changing = asyncio.Lock()
        self._endpoints: dict[str, Endpoint] = {}
        self._collectors: dict[str, Collector] = {}
        self._is_closing = False

    def restore(self) -> None:
        """Start the deployments in the files; requests wait until they run."""
        shutil.rmtree(host_folder(self._state) / "staging", ignore_errors=True)
        for file in host_folder(self._state).glob(f"endpoints/*/{ENDPOINT}"):
            self._load(file.parent.name)
            endpoint = self._endpoints[file.parent.name]
            for definition in file.parent.glob(f"deployments/*/{DEPLOYMENT}"):
                content = read_json(definition)
                if content["resource"]["properties"]["provisioningState"] == "Succeeded":
                    name, folder = definition.parent.name, definition.parent / content["generation"]
                    deployment = self._build(file.parent.name, name, content, folder)
                    deployment.supervise()
                    endpoint.deployments[name] = deployment

    def endpoint(self, name: str) -> Endpoint:
        """Return an endpoint.

        Raises:
            RefusedError: it does not exist, or the host is stopping.
        """
        if self._is_closing:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "The emulator's endpoint host is stopping.")
        if name not in self._endpoints:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no online endpoint {name}.")
        return self._endpoints[name]

    def deployment(self, endpoint: str, name: str) -> Deployment:
        """Return a running deployment.

        Raises:
            RefusedError: it does not exist or does not run.
        """
        if name not in self.endpoint(endpoint).deployments:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no running deployment {name} of {endpoint}.")
        return self._endpoints[endpoint].deployments[name]

    def collector(self, token: str) -> Collector | None:
        """Return the collector of the deployment with this token."""
        return self._collectors.get(token)

    def put_endpoint(self, name: str, content: dict[str, Any]) -> None:
        """Create an endpoint or change its traffic, which takes effect with the next request."""
        properties = content["resource"]["properties"]
        endpoint, folder = self._endpoints.get(name) or Endpoint(content["key"]), endpoint_folder(self._state, name)
        endpoint.share(properties["traffic"], properties["mirrorTraffic"])
        if name not in self._endpoints:
            # An interrupted deletion may have left files.
            shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / ENDPOINT, content | {"key": endpoint.key}, private=True)
        self._endpoints[name] = endpoint

    async def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint and all of its deployments."""
        async with self._changing:
            endpoint = self._endpoints.pop(name, None)
            # Delete the definition first: if this process dies halfway, a restarted host must not bring the endpoint
            # back.
            (endpoint_folder(self._state, name) / ENDPOINT).unlink(missing_ok=True)
            running = endpoint.deployments.values() if endpoint else ()
            await asyncio.gather(*(deployment.close() for deployment in running))
            shutil.rmtree(endpoint_folder(self._state, name), ignore_errors=True)

    async def put_deployment(self, endpoint_name: str, name: str, content: dict[str, Any], staging: Path) -> None:
        """Start a deployment from the folder `staging`; one of the same name serves until the new one does.

        Raises:
            RefusedError: it does not start. None of its processes keeps running.
        """
        async with self._changing:
            endpoint = self.endpoint(endpoint_name)
            folder = deployment_folder(self._state, endpoint_name, name)
            content["generation"] = uuid.uuid4().hex
            generation = folder / content["generation"]
            folder.mkdir(parents=True, exist_ok=True)
            staging.replace(generation)
            deployment = self._build(endpoint_name, name, content, generation)
            try:
                await deployment.server.start()
            except ServerFailedError as error:
                await deployment.close()
                if name not in endpoint.deployments:
                    content["resource"]["properties"]["provisioningState"] = "Failed"
                    write_json(folder / DEPLOYMENT, content)
                    _remove_others(folder, keep=generation)
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"The deployment {name} failed. {error}") from error
            content["resource"]["properties"]["provisioningState"] = "Succeeded"
            write_json(folder / DEPLOYMENT, content)
            deployment.supervise()
            previous = endpoint.deployments.get(name)
            endpoint.deployments[name] = deployment
            if previous:
                await previous.close()
            _remove_others(folder, keep=generation)

    async def delete_deployment(self, endpoint_name: str, name: str) -> None:
        """Delete a deployment after it has answered its open requests.

        Raises:
            RefusedError: it has traffic.
        """
        async with self._changing:
            endpoint = self.endpoint(endpoint_name)
            if endpoint.traffic.get(name) or endpoint.mirror_traffic.get(name):
                raise RefusedError(
                    HTTPStatus.BAD_REQUEST, f"The deployment {name} has traffic: set its share to 0 first."
                )
            folder = deployment_folder(self._state, endpoint_name, name)
            (folder / DEPLOYMENT).unlink(missing_ok=True)
            deployment = endpoint.deployments.pop(name, None)
            if deployment:
                await deployment.close()
            shutil.rmtree(folder, ignore_errors=True)

    async def collected(self) -> None:
        """Wait until every scored row has arrived in every collection that takes all rows."""
        for deployment in self._running():
            await deployment.collected()

    def give_up_on_records(self) -> None:
        """Stop waiting for rows that have not arrived: a killed worker has lost them."""
        for deployment in self._running():
            deployment.give_up_on_records()

    async def close(self) -> None:
        """Stop everything gracefully; the files stay, so that the next host starts it again."""
        running = self._running()
        self._endpoints, self._is_closing = {}, True
        await asyncio.gather(*(deployment.close() for deployment in running))

    def _running(self) -> list[Deployment]:
        return [deployment for endpoint in self._endpoints.values() for deployment in endpoint.deployments.values()]

    def _load(self, name: str) -> None:
        content = read_json(endpoint_folder(self._state, name) / ENDPOINT)
        properties = content["resource"]["properties"]
        self._endpoints[name] = Endpoint(content["key"], properties["traffic"], properties["mirrorTraffic"])

    def _build(self, endpoint_name: str, name: str, content: dict[str, Any], folder: Path) -> Deployment:
        specification = Specification(**content["specification"])
        collected = Path(content["collected"])
        collector = Collector(Clock(self._state), collected, specification.source, set(specification.collections))
        # The SDK does not name the deployment: a name and password in its address identify the owner of its records.
        token = secrets.token_hex(16)
        self._collectors[token] = collector
        server = Server(specification, folder, f"collector:{token}@127.0.0.1:{self._port}")
        return Deployment(specification, server, collector)


def _remove_others(folder: Path, keep: Path) -> None:
    """Remove the folders of earlier generations."""
    for other in folder.iterdir():
        if other.is_dir() and other != keep:
            shutil.rmtree(other, ignore_errors=True)
