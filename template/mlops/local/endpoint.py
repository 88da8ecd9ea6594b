"""Online endpoints on the laptop: the SDK's operations, carried out by the host process."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceNotFoundError
from azure.core.polling import LROPoller

from mlops.files import read_json
from mlops.local.hosting import Hosting, refuse_error
from mlops.local.poller import begin

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineEndpoint
    from azure.ai.ml.entities._endpoint.online_endpoint import EndpointAadToken, EndpointAuthKeys, EndpointAuthToken


class OnlineEndpointOperations:
    """`ml_client.online_endpoints`."""

    def __init__(self, state: Path, hosting: Hosting):
        self._folder, self._hosting = state / "online" / "endpoints", hosting

    def begin_create_or_update(self, endpoint: "OnlineEndpoint") -> "LROPoller[OnlineEndpoint]":
        """Create an endpoint or change its traffic.

        Raises (from `result()`):
            HttpResponseError: the traffic does not add up or names a deployment that does not run.
        """
        from mlops.local import resources

        resource = resources.online_endpoint(endpoint)
        name = str(endpoint.name)

        def work() -> "OnlineEndpoint":
            content = {"resource": resource, "key": secrets.token_urlsafe(32)}
            self._hosting.control("PUT", f"endpoints/{name}", content)
            return self.get(name)

        return begin(work)

    def get(self, name: str) -> "OnlineEndpoint":
        """Return an endpoint.

        Raises:
            ResourceNotFoundError: it does not exist.
        """
        from mlops.local import resources

        uri = f"{self._hosting.address}/endpoints/{name}/score"
        deployments = sorted(path.parent.name for path in (self._folder / name).glob("deployments/*/deployment.json"))
        return resources.online_endpoint_entity(self._content(name)["resource"], uri, deployments)

    def list(self) -> "Iterator[OnlineEndpoint]":
        """Return every endpoint."""
        for file in sorted(self._folder.glob("*/endpoint.json")):
            yield self.get(file.parent.name)

    def begin_delete(self, name: str) -> LROPoller[None]:
        """Delete an endpoint and its deployments once they have answered what is under way."""
        return begin(lambda: self._hosting.control("DELETE", f"endpoints/{name}") and None)

    def get_keys(self, name: str) -> "EndpointAuthKeys | EndpointAuthToken | EndpointAadToken":
        """Return what a request must carry as its bearer; tokens, which Azure issues anew each time, stay the same.

        Who asks for it is about to send requests: the host is started if it has ended, as it does when it is idle.
        """
        from azure.ai.ml.entities._endpoint.online_endpoint import EndpointAadToken, EndpointAuthKeys, EndpointAuthToken

        self._content(name)
        self._hosting.ensure()
        content = self._content(name)
        mode = content["resource"]["properties"]["authMode"].lower()
        if mode == "key":
            return EndpointAuthKeys(primary_key=content["key"], secondary_key=content["key"])
        if mode == "aadtoken":
            return EndpointAadToken(AccessToken(content["key"], 0))
        return EndpointAuthToken(access_token=content["key"])

    def invoke(self, endpoint_name: str, *, request_file: str | Path, deployment_name: str | None = None) -> str:
        """Send a request's file and return the answer's text.

        Raises:
            HttpResponseError: anything but an answer of the model; `status_code` is 424 for an error of its own.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._content(endpoint_name)['key']}"}
        if deployment_name:
            headers["azureml-model-deployment"] = deployment_name
        response = self._hosting.score(endpoint_name, Path(request_file).read_bytes(), headers)
        refuse_error(response)
        return str(response.text())

    def _content(self, name: str) -> dict[str, Any]:
        file = self._folder / name / "endpoint.json"
        if not file.exists():
            raise ResourceNotFoundError(f"There is no online endpoint {name}.")
        return dict(read_json(file))
