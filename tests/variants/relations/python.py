"""Python imports only modules of the project."""

from pathlib import PurePosixPath

from variants.relations.relation import Files, imported, parsed, relation

# The folders of the project's packages, by top-level name.
PACKAGES = {
    "model": "src/",
    "mlops": "",
    "azureml_emulator": "packages/azureml_emulator/src/",
    "azureml_metrics": "packages/azureml_metrics/src/",
}


@relation("*.py", names=True)
def imports_are_there(files: Files, names: frozenset[str]) -> list[str]:
    return [
        f"{path}: it imports {module}, which does not exist"
        for path, content in files.items()
        for module in sorted(imported(content))
        if module.split(".")[0] in PACKAGES and not _is_there(module, names)
    ]


def _is_there(module: str, names: frozenset[str]) -> bool:
    path = PACKAGES[module.split(".")[0]] + module.replace(".", "/")
    return f"{path}.py" in names or f"{path}/__init__.py" in names


@relation("endpoints/*/deployment/*.yml", names=True)
def code_that_is_deployed_is_there(files: Files, names: frozenset[str]) -> list[str]:
    found = []
    for path, content in files.items():
        script = parsed(content)["code_configuration"]["scoring_script"]
        if f"src/{script}" not in names:
            found.append(f"{path}: scoring_script: {PurePosixPath(script)} does not exist")
    return found


RELATIONS = (imports_are_there, code_that_is_deployed_is_there)
