"""Registers the components that the monitor names: a schedule does not register them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.ai.ml import load_component

from mlops.paths import ROOT, read_yaml
from mlops.refusals.explain import is_missing

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# The SDK leaves these out of a component's code.
CACHES = "__pycache__"


def bind_components(client: "MLClient", monitor: dict[str, Any]) -> None:
    """Register the project's components that a monitor names, and set their ids in its definition."""
    ids: dict[str, str] = {}
    for part, key, name in list(_references(monitor["create_monitor"])):
        file = ROOT / "components" / f"{name}.yml"
        # A component without a file here was registered by hand.
        if file.exists():
            ids[name] = ids.get(name) or register_component(client, file)
            # The schema removes the prefix of a `component_id`, and of no other key.
            part[key] = f"azureml:{ids[name]}" if key == "component_id" else ids[name]


def register_component(client: "MLClient", definition: Path) -> str:
    """Register a component under a version that depends on its content, and return its id.

    So a version always has the same specification and code, on the laptop and on Azure. Azure allows no change of a
    version.
    """
    component: Any = load_component(definition)
    component.version = version_of(definition)
    try:
        registered = client.components.get(str(component.name), version=component.version)
    except Exception as error:
        if not is_missing(error):
            raise
        registered = client.components.create_or_update(component)
    return str(registered.id)


def version_of(definition: Path) -> str:
    """Return the version of a component's specification and code, in the format of monitors: three numbers."""
    code = (definition.parent / str(read_yaml(definition)["code"])).resolve()
    content = hashlib.sha256(definition.read_bytes())
    for file in sorted(code.rglob("*")):
        if file.is_file() and CACHES not in file.parts:
            content.update(file.relative_to(code).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"1.0.{int(content.hexdigest()[:8], 16) // 2}"


def _references(part: Any) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield each place where a definition names a component: the dictionary, the key and the component's name."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("component_id", "pre_processing_component"):
                yield part, key, str(value).removeprefix("azureml:").partition(":")[0]
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for item in part:
            yield from _references(item)
