"""Gets the types that infra/ uses from `azmcp bicepschema get` (PyPI: msmcp-azure, offline) and stores what tests read.

Usage: python refresh.py AZMCP [TYPE ...]; without types, the stored types are updated.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def ask(azmcp: str, resource_type: str) -> dict[str, Any]:
    """Return a type's API version and its objects: property -> [type, flags]."""
    command = [azmcp, "bicepschema", "get", "--resource-type", resource_type]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    entries = answer["results"]["BicepSchemaResult"]
    resource = next(entry for entry in entries if entry["$type"] == "Resource")
    objects = {entry["name"]: shrink(entry) for entry in entries if entry["$type"] in ("Object", "DiscriminatedObject")}
    body = shrink(resource["bodyType"])
    reached: dict[str, Any] = {}
    collect(body, objects, reached)
    return {"type": resource_type, "version": resource["name"].split("@")[1], "body": body, "objects": reached}


def shrink(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an object's property names, types and flags."""
    properties = entry.get("properties") or entry.get("baseProperties") or []
    kept: dict[str, Any] = {
        "properties": {item["name"]: [item["type"] or "any", item.get("flags", "")] for item in properties}
    }
    if entry.get("additionalPropertiesType"):
        kept["additional"] = entry["additionalPropertiesType"]
    if entry["$type"] == "DiscriminatedObject":
        kept["discriminator"] = entry["discriminator"]
        elements = [shrink(element) for element in entry["elements"]]
        kept["elements"] = {element["properties"][entry["discriminator"]][0]: element for element in elements}
    return kept


def collect(entry: dict[str, Any], objects: dict[str, Any], reached: dict[str, Any]) -> None:
    """Return the objects that a body can reach."""
    names = [kind for kind, _ in entry["properties"].values()] + [entry.get("additional", "")]
    for element in entry.get("elements", {}).values():
        collect(element, objects, reached)
    for name in names:
        plain = name.removesuffix("[]")
        if plain in objects and plain not in reached:
            reached[plain] = objects[plain]
            collect(objects[plain], objects, reached)


if __name__ == "__main__":
    files = HERE.glob("*.json")
    for wanted in sys.argv[2:] or sorted(json.loads(file.read_text())["type"] for file in files):
        kept = json.dumps(ask(sys.argv[1], wanted), separators=(",", ":"), sort_keys=True)
        (HERE / f"{wanted.replace('/', '_')}.json").write_text(kept + "\n", encoding="utf-8")
