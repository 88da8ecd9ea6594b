"""Emulates data, environments, components and code: assets in versions that never change."""

import hashlib
import json
import re
from typing import Any

from azureml_emulator.answers import Refused, answer, not_found
from azureml_emulator.arm.kind import Kind, page
from azureml_emulator.routes import Routes
from azureml_emulator.state import Document
from azureml_emulator.transport import Request, Response

# The properties that make up an asset's content, by kind. Others, such as tags, may change.
CONTENT = {
    "data": ("dataUri", "dataType"),
    "environments": ("image", "condaFile", "build"),
    "components": ("componentSpec",),
    "codes": ("codeUri",),
}
TITLES = {"data": "Data", "environments": "Environment", "components": "Component", "codes": "Code"}
LONGEST_NAME = 255
REGISTRY = re.compile(r"(azureml:)?//?registries/(?P<name>[^/]+)/")
REGISTRIES = ("azureml",)


class Assets(Kind):
    """`WORKSPACE/{kind}/NAME/versions/VERSION`."""

    routes = Routes()

    @routes("GET", "{kind=data|environments|components|codes}/{name}/versions")
    def list(self, request: Request, kind: str, name: str) -> Response:
        """Return an asset's versions, the newest first; an unregistered name is not found."""
        if kind == "codes" and "hash" in request.query:
            # The SDK asks by the hash of the content, under a name that it invents.
            return self.codes(request)
        found = [document for _, document in self.documents.all(f"{kind}/{name}/versions")]
        if not found:
            raise not_found(f"{TITLES.get(kind, kind)} container", name)
        return page(request, found[::-1][: int(request.query.get("$top", len(found)))])

    @routes("GET", "codes")
    def codes(self, request: Request) -> Response:
        """Return the code with a hash: the SDK uploads only code that is not found."""
        everything = [
            document
            for name in self.documents.names("codes")
            for _, document in self.documents.all(f"codes/{name}/versions")
        ]
        return page(request, [document for document in everything if _hash(document) == request.query.get("hash")])

    @routes("GET", "{kind=data|environments|components|codes}/{name}")
    def container(self, request: Request, kind: str, name: str) -> Response:
        """Return an asset's container, which names its newest and its next version."""
        versions = self.documents.names(f"{kind}/{name}/versions")
        if not versions:
            raise not_found(f"{TITLES[kind]} container", name)
        numbers = [int(version) for version in versions if version.isdecimal()]
        properties = {"latestVersion": versions[-1], "nextVersion": str(max(numbers, default=0) + 1)}
        return answer(200, self.named(f"{kind}/{name}", name, properties))

    @routes("GET", "{kind=data|environments|components|codes}/{name}/versions/{version}")
    def get(self, request: Request, kind: str, name: str, version: str) -> Response:
        """Return a version."""
        return answer(200, self.find(kind, name, version))

    @routes("PUT", "{kind=data|environments|components|codes}/{name}/versions/{version}")
    def put(self, request: Request, kind: str, name: str, version: str) -> Response:
        """Register a version; an existing version keeps its content."""
        if len(name) > LONGEST_NAME:
            raise Refused(400, "ValidationError", f"The name {name} has more than {LONGEST_NAME} characters.")
        properties = json.loads(request.body)["properties"]
        if kind == "data":
            properties["dataUri"] = self.long(properties["dataUri"])
            if not properties["dataUri"].startswith(("azureml://subscriptions/", "https://")):
                message = f"{properties['dataUri']} is not a datastore path, the only documented address of data."
                raise Refused(400, "UserError", message)
        path = f"{kind}/{name}/versions/{version}"
        if kind == "components":
            self._check_component(properties["componentSpec"])
        document = self.named(path, version, properties)
        is_new = self.documents.create(path, document)
        if not is_new:
            self._check_unchanged(kind, name, self.find(kind, name, version), properties)
            self.documents.put(path, document)
        return answer(201 if is_new else 200, document)

    @routes("POST", "{kind=data|environments|components|codes}/{name}/versions/{version}/startPendingUpload")
    def start_upload(self, request: Request, kind: str, name: str, version: str) -> Response:
        """Return an upload address, signed by the service's own delegation key: no account key is needed."""
        digest = hashlib.sha256(f"{kind}/{name}/{version}".encode()).hexdigest()[:32]
        here = self.workspace
        address = f"https://{here.account}.blob.core.windows.net/{here.container}-{digest}"
        reference: Document = {
            "blobUri": address,
            "storageAccountArmId": here.document()["properties"]["storageAccount"],
        }
        signed = f"{address}?skoid={here.guid}&sktid={digest}&sp=rcwl&sr=c&se=2026-12-31T00%3A00%3A00Z&sig=c2ln"
        reference["credential"] = {"credentialType": "SAS", "sasUri": signed}
        content = {"pendingUploadId": digest, "pendingUploadType": "TemporaryBlobReference"}
        return answer(200, content | {"blobReferenceForConsumption": reference})

    def find(self, kind: str, name: str, version: str) -> Document:
        """Return a version.

        Raises:
            Refused: it was never registered.
        """
        document = self.documents.get(f"{kind}/{name}/versions/{version}")
        if document is None:
            raise not_found(TITLES.get(kind, kind), f"{name}:{version}")
        return document

    def resolve(self, reference: str, kind: str) -> Document:
        """Return the asset of an ARM id or a short reference such as `azureml:NAME:VERSION`.

        Raises:
            Refused: there is no asset of that name.
        """
        if f"/{kind}/" in reference:
            name, _, version = reference.partition(f"/{kind}/")[2].partition("/versions/")
        else:
            name, _, version = reference.removeprefix("azureml:").partition(":")
        if not version:
            raise Refused(400, "UserError", f"{reference} does not name a version of {kind}.")
        return self.find(kind, name, version)

    def check(self, reference: str, kind: str) -> None:
        """Check that the asset of a reference exists; the only registry is Azure's own, and any asset exists there.

        Raises:
            Refused: nothing of that name was registered, or there is no such registry.
        """
        found = REGISTRY.match(reference)
        if found and found["name"] not in REGISTRIES:
            raise Refused(404, "RegistryNotFound", f"The registry {found['name']} was not found.")
        if not found:
            self.resolve(reference, kind)

    def environment(self, reference: str) -> dict[str, Any]:
        """Return the properties of a registered environment; of a registry's own nothing is known."""
        return {} if REGISTRY.match(reference) else self.resolve(reference, "environments")["properties"]

    def long(self, address: str) -> str:
        """Return a datastore's address in the long form, in which the service stores it."""
        if not address.startswith("azureml://datastores/"):
            return address
        store, _, path = address.removeprefix("azureml://datastores/").partition("/paths/")
        return self.workspace.uri(path, store)

    def _check_unchanged(self, kind: str, name: str, known: Document, properties: dict[str, Any]) -> None:
        """Refuse other content for an existing version; only anonymous components may be sent again unchanged."""
        for key in CONTENT[kind] if name != "azureml_anonymous" else ():
            if known["properties"].get(key) != properties.get(key):
                message = f"{TITLES[kind]} {name}:{known['name']} exists already and cannot be changed."
                raise Refused(409, "UserError", message)

    def _check_component(self, spec: dict[str, Any]) -> None:
        """Refuse a component whose environment or code was never registered."""
        for key, kind in (("environment", "environments"), ("code", "codes")):
            reference = spec.get(key)
            if isinstance(reference, str):
                self.check(reference.removeprefix("azureml:"), kind)


def _hash(document: Document) -> str | None:
    found: str | None = (document["properties"].get("properties") or {}).get("hash_sha256")
    return found
