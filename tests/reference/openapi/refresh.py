"""Generates the schemas of Azure ML's REST API from the types in `azmcp` (PyPI: msmcp-azure).

Usage: uv run --no-project --with dnfile python refresh.py AZMCP; AZMCP is the program `azmcp` of that package.

Microsoft generates those types from the OpenAPI documents of github.com/Azure/azure-rest-api-specs, one file for each
API version. They contain bodies, names and listing POST actions, with patterns, enumerations and discriminators.
`azmcp bicepschema get` shows only the newest version, so the files are read from the program itself: they are
compressed resources of a .NET library in it.
"""

import json
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import dnfile

HERE = Path(__file__).parent
PROVIDER = "Microsoft.MachineLearningServices"
FILE = "machinelearningservices/microsoft.machinelearningservices/{version}/types.json.deflated"
# The API versions that azure-ai-ml uses, each for its own kinds of resource.
VERSIONS = (
    "2022-02-01-preview",
    "2022-10-01",
    "2023-04-01",
    "2023-04-01-preview",
    "2023-06-01-preview",
    "2023-08-01-preview",
    "2023-10-01",
    "2024-01-01-preview",
    "2024-10-01-preview",
)
TYPES = (
    "workspaces",
    "workspaces/batchEndpoints",
    "workspaces/batchEndpoints/deployments",
    "workspaces/codes",
    "workspaces/codes/versions",
    "workspaces/components",
    "workspaces/components/versions",
    "workspaces/data",
    "workspaces/data/versions",
    "workspaces/datastores",
    "workspaces/environments",
    "workspaces/environments/versions",
    "workspaces/jobs",
    "workspaces/models",
    "workspaces/models/versions",
    "workspaces/onlineEndpoints",
    "workspaces/onlineEndpoints/deployments",
    "workspaces/schedules",
)
# Only their names are checked: this project never writes them.
READ_ONLY = ("workspaces", "workspaces/datastores")
REQUIRED, GIVEN_BY_THE_ADDRESS = 1, ("apiVersion", "id", "name", "type", "systemData")

Schema = dict[str, Any]


class Converter:
    """Converts the types of one file into JSON schemas that refer to each other by number."""

    def __init__(self, types: list[dict[str, Any]]):
        self._types = types
        self.definitions: dict[str, Schema] = {}

    def reference(self, pointer: dict[str, str]) -> Schema:
        """Return a reference to a type, and make sure that it is defined."""
        number = pointer["$ref"].removeprefix("#/")
        if number not in self.definitions:
            self.definitions[number] = {}
            self.definitions[number] = self._schema(self._types[int(number)])
        return {"$ref": f"#/$defs/{number}"}

    def body(self, kind: dict[str, Any]) -> Schema:
        """Return the schema of a resource's body; properties that are in its address may be left out."""
        schema = self._schema(self._types[int(kind["$ref"].removeprefix("#/"))])
        schema["required"] = [name for name in schema.get("required", []) if name not in GIVEN_BY_THE_ADDRESS]
        return schema

    def name(self, kind: dict[str, Any]) -> Schema:
        """Return the schema of a resource's name."""
        found = self._types[int(kind["$ref"].removeprefix("#/"))]["properties"]["name"]["type"]
        return self._schema(self._types[int(found["$ref"].removeprefix("#/"))])

    def _schema(self, kind: dict[str, Any]) -> Schema:
        match kind["$type"]:
            case "StringType":
                keys = {"minLength": "minLength", "maxLength": "maxLength", "pattern": "pattern"}
                return {"type": "string"} | {to: kind[key] for key, to in keys.items() if key in kind}
            case "StringLiteralType":
                # Resource Manager compares enumerations case-insensitively.
                return {"type": "string", "pattern": f"^{_any_case(kind['value'])}$"}
            case "IntegerType":
                # Bicep has only integers: `number` in an OpenAPI document is an integer in these types too.
                return {"type": "number"}
            case "BooleanType":
                return {"type": "boolean"}
            case "AnyType":
                return {}
            case "UnionType":
                return {"anyOf": [self.reference(element) for element in kind["elements"]]}
            case "ArrayType":
                return {"type": "array", "items": self.reference(kind["itemType"])}
            case "ObjectType":
                return self._object(kind["properties"], kind.get("additionalProperties"))
            case "DiscriminatedObjectType":
                return self._discriminated(kind)
        raise ValueError(f"unknown type {kind['$type']}")

    def _object(self, properties: dict[str, Any], additional: dict[str, str] | None = None) -> Schema:
        return {
            "type": "object",
            "properties": {
                name: self.reference(details["type"])
                if details["flags"] & REQUIRED
                else {"anyOf": [{"type": "null"}, self.reference(details["type"])]}
                for name, details in sorted(properties.items())
            },
            "required": sorted(name for name, details in properties.items() if details["flags"] & REQUIRED),
            "additionalProperties": self.reference(additional) if additional else False,
        }

    def _discriminated(self, kind: dict[str, Any]) -> Schema:
        """Return one schema for each kind that the discriminator names, and a schema that rejects any other name."""
        key = kind["discriminator"]
        cases = []
        for value, pointer in sorted(kind["elements"].items()):
            element = self._types[int(pointer["$ref"].removeprefix("#/"))]
            schema = self._object(kind["baseProperties"] | element["properties"])
            chosen = {"properties": {key: {"pattern": f"^{_any_case(value)}$"}}, "required": [key]}
            cases.append({"if": chosen, "then": schema})
        names = "|".join(_any_case(value) for value in sorted(kind["elements"]))
        named = {"type": "string", "pattern": f"^({names})$"}
        return {"type": "object", "properties": {key: named}, "required": [key], "allOf": cases}


def convert(types: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the stored content of one API version."""
    converter = Converter(types)
    resources, actions = {}, {}
    for kind in types:
        if kind["$type"] == "ResourceType":
            name = kind["name"].partition("@")[0].removeprefix(f"{PROVIDER}/")
            if name in TYPES:
                body = {} if name in READ_ONLY else converter.body(kind["body"])
                resources[name] = {"name": converter.name(kind["body"]), "body": body}
        if kind["$type"] == "ResourceFunctionType":
            name = kind["resourceType"].removeprefix(f"{PROVIDER}/")
            if name in TYPES and name not in READ_ONLY[:1]:
                given = kind.get("input")
                actions[f"{name}/{kind['name']}"] = converter.reference(given) if given else {}
    return {"resources": resources, "actions": actions, "$defs": converter.definitions}


def _any_case(value: str) -> str:
    return f"(?i:{re.escape(value)})"


def resources(program: bytes) -> dict[str, bytes]:
    """Return the compressed files of the library with the types, by name."""
    start = program.index(b"/types.json.deflated\0")
    while (start := program.rfind(b"MZ", 0, start)) >= 0:
        header = start + struct.unpack_from("<I", program, start + 60)[0]
        if program[header : header + 4] == b"PE\0\0":
            library = dnfile.dnPE(data=program[start:])
            return {str(resource.name): resource.data for resource in library.net.resources}
    raise ValueError("this program holds no types: is it `azmcp` of msmcp-azure?")


def main(azmcp: str) -> None:
    """Write a file for each API version."""
    files = resources(Path(azmcp).read_bytes())
    for version in VERSIONS:
        types = json.loads(zlib.decompress(files[FILE.format(version=version)], -zlib.MAX_WBITS))
        content = json.dumps(convert(types), separators=(",", ":"), sort_keys=True)
        (HERE / f"{version}.json").write_text(f"{content}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
