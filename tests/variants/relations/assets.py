"""Every asset that a YAML file refers to is defined in that version by the project, or created by Azure."""

import re
from collections.abc import Iterator
from typing import Any

from variants.relations.relation import Files, relation, under

REFERENCE = re.compile(r"azureml:(?!//)(?P<name>[^:@]+)(?::(?P<version>[^:@]+)|@(?P<label>\w+))?")
# The kind of asset that a reference names, by its key.
KINDS = {
    "environment": "environment",
    "compute": "compute",
    "default_compute": "compute",
    "model": "model",
    "model_id": "model",
    "component_id": "component",
    "pre_processing_component": "component",
    "path": "data",
    "endpoint_deployment_id": "deployment",
}
WITHOUT_VERSION = {"compute"}
# Azure's serverless compute has a name but no file.
GIVEN = {("compute", "serverless"): None}


@relation("pipelines/*.yml", "components/*.yml", "environments/*.yml", "resources/*.yml", "endpoints/*.yml")
def references_point_at_what_is_defined(files: Files, names: frozenset[str]) -> list[str]:
    defined = GIVEN | dict(_defined(files))
    return [
        f"{path}: {key}: {text} is not defined by this project"
        for folder in ("pipelines/", "components/", "resources/", "endpoints/")
        for path, content in under(files, folder).items()
        for key, text in _references(content)
        if not _points_at(key, text, defined)
    ]


def _points_at(key: str, text: str, defined: dict[tuple[str, str], str | None]) -> bool:
    match, kind = REFERENCE.fullmatch(text), KINDS.get(key)
    if match is None or kind is None or (kind, match["name"]) not in defined:
        return False
    if kind in WITHOUT_VERSION:
        return match["version"] is None and match["label"] is None
    version = defined[kind, match["name"]]
    return match["label"] == "latest" or (match["version"] is not None and version in (None, match["version"]))


def _references(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _references(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _references(value, key)
    elif isinstance(content, str) and content.startswith("azureml:") and not content.startswith("azureml://"):
        yield key, content


def _defined(files: Files) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Return kind and name of the project's assets with their version; None if versions are numbered automatically."""
    for folder, kind in [("environments/", "environment"), ("components/", "component"), ("resources/data/", "data")]:
        for content in under(files, folder).values():
            if "$schema" in content:
                yield (kind, content["name"]), content.get("version")
    for content in under(files, "resources/compute/").values():
        yield ("compute", content["name"]), None
    for content in under(files, "pipelines/").values():
        yield ("model", content["inputs"]["model_name"]), None
    for content in under(files, "endpoints/online/deployment/").values():
        yield ("deployment", content["endpoint_name"]), content["name"]
        # Azure creates a data asset for each collection, in version 1.
        for collection in content["data_collector"]["collections"]:
            yield ("data", f"{content['endpoint_name']}-{content['name']}-{collection}"), "1"


RELATIONS = (references_point_at_what_is_defined,)
