"""Names follow Azure's rules, and all files use the same name for the same resource."""

import json
import re
from collections.abc import Iterator
from typing import Any

from mlops.data.batch_scoring import SCORED
from variants.relations.relation import Files, parsed, relation, under

# From learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules; Azure ML's rules for its assets.
RULES = {
    "endpoint": r"[a-zA-Z](?:[a-zA-Z0-9-]{1,30})[a-zA-Z0-9]",
    "deployment": r"[a-zA-Z](?:[a-zA-Z0-9-]{1,30})[a-zA-Z0-9]",
    "asset": r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}",
    "compute": r"[a-zA-Z][a-zA-Z0-9-]{0,22}[a-zA-Z0-9]|[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]",
    "schedule": r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}",
    "signal": r"[a-z][a-z0-9_]{0,254}",
    "storageName": r"[a-z0-9]{3,24}",
    "vaultName": r"[a-zA-Z](?:[a-zA-Z0-9]|-(?!-)){1,22}[a-zA-Z0-9]",
    "registryName": r"[a-zA-Z0-9]{5,50}",
    "workspaceName": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "identityName": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "name": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]",
}
PARAMETERS = "infra/*.parameters.json"
# The suffix of a data asset's name after the model's name, by the file that defines it.
DATA = {"labelled.yml": "data", "labels.yml": "labels", "production.yml": "production", "reference.yml": "reference"}


@relation("endpoints/*.yml", "resources/*.yml", "components/*.yml", "environments/*.yml", PARAMETERS)
def names_keep_azures_rules(files: Files, names: frozenset[str]) -> list[str]:
    return [
        f"{path}: {name!r} is not a valid name of {kind}"
        for path, kind, name in _names(files)
        if not re.fullmatch(RULES[kind], str(name))
    ]


def _names(files: Files) -> Iterator[tuple[str, str, str]]:
    """Return path, kind and name of everything that gets a name in Azure."""
    kinds = {
        "endpoints/online/endpoint/": "endpoint",
        "endpoints/batch/endpoint/": "endpoint",
        "endpoints/online/deployment/": "deployment",
        "endpoints/batch/deployment/": "deployment",
        "endpoints/online/monitor/": "schedule",
        "endpoints/batch/monitor/": "schedule",
        "resources/data/": "asset",
        "resources/compute/": "compute",
        "components/": "asset",
        "environments/": "asset",
    }
    for folder, kind in kinds.items():
        for path, content in under(files, folder).items():
            yield path, kind, content["name"]
            for signal in content.get("create_monitor", {}).get("monitoring_signals", {}):
                yield path, "signal", signal
    for path, values in _parameters(files).items():
        for name in values.keys() & RULES.keys():
            yield path, name, values[name]


def _parameters(files: Files) -> dict[str, dict[str, Any]]:
    contents = {path: json.loads(content) for path, content in files.items() if path.endswith(".parameters.json")}
    return {
        path: {name: of["value"] for name, of in content["parameters"].items()} for path, content in contents.items()
    }


@relation(
    "endpoints/*.yml",
    "pipelines/*.yml",
    "resources/*.yml",
    "infra/project.yml",
    "infra/bridge/event-filters.json",
    PARAMETERS,
)
def files_agree_on_names(files: Files, names: frozenset[str]) -> list[str]:
    project = parsed(files["infra/project.yml"])
    model, prefix, azure = project["model_name"], project["signal_prefix"], project["azure"]
    compared: list[tuple[str, Any, Any]] = []  # the place of a name, its value there, its value elsewhere
    for path, content in under(files, "pipelines/").items():
        # The job that looks around registers a model of its own, which the bridge's filter does not match.
        looks = "-look-around" if path.endswith("look_around.yml") else ""
        compared.append((f"{path}: inputs.model_name", content["inputs"]["model_name"], f"{model}{looks}"))
        compared.append((f"{path}: inputs.data", content["inputs"]["data"]["path"], f"azureml:{model}-data@latest"))
        compared.append((f"{path}: experiment_name", content["experiment_name"], f"{model}{looks or '-training'}"))
    for path, content in under(files, "resources/data/").items():
        compared.append((f"{path}: name", content["name"], f"{model}-{DATA.get(path.rpartition('/')[2])}"))
    for kind in ("online", "batch"):
        endpoints = [content["name"] for content in under(files, f"endpoints/{kind}/endpoint/").values()]
        for path, content in under(files, f"endpoints/{kind}/deployment/").items():
            compared.append((f"{path}: endpoint_name", [content["endpoint_name"]], endpoints))
            compared.append((f"{path}: model", content["model"], f"azureml:{model}@latest"))
            compared.append((f"{path}: name", content["name"], "model-1"))
        for path, content in under(files, f"endpoints/{kind}/monitor/").items():
            target = content["create_monitor"]["monitoring_target"]
            ids = {"endpoint_deployment_id": f"azureml:{endpoints[0]}:model-1", "model_id": f"azureml:{model}:1"}
            compared += [(f"{path}: {key}", target[key], value) for key, value in ids.items() if key in target]
            compared.append((f"{path}: monitoring_target", len(target.keys() & ids.keys()), 1))
            for signal in content["create_monitor"]["monitoring_signals"]:
                compared.append((f"{path}: signal {signal}", signal[: len(prefix)], prefix))
            compared += [(f"{path}: path", scored, f"{SCORED}/{endpoints[0]}") for scored in _scored(content)]
    for path, content in files.items():
        if path.endswith("event-filters.json"):
            filters = json.loads(content)
            compared.append(
                (f"{path}: subjectBeginsWith", filters["modelRegistered"]["subjectBeginsWith"], f"models/{model}:")
            )
            values = [value for of in filters["driftDetected"]["advancedFilters"] for value in of["values"]]
            compared.append((f"{path}: values", prefix in values, True))
    expected = {
        "workspaceName": azure["workspace_name"],
        "vaultName": azure["vault"],
        "location": azure["location"],
        "repository": project["github"]["repository"],
        "trigger": project["trigger"],
    }
    clusters = [content["name"] for content in under(files, "resources/compute/").values()]
    for path, values in _parameters(files).items():
        compared += [(f"{path}: {name}", values[name], expected[name]) for name in values.keys() & expected.keys()]
        if "clusterName" in values and clusters:
            compared.append((f"{path}: clusterName", [values["clusterName"]], clusters))
    stores = {values["storageName"] for values in _parameters(files).values()}
    compared.append(("infra/main.parameters.json: storageName", len(stores), 1))
    return [f"{where} is {here!r}, elsewhere {there!r}" for where, here, there in compared if here != there]


def _scored(monitor: dict[str, Any]) -> Iterator[str]:
    """Return the folders of scored rows that a monitor reads; they are named after the batch endpoint."""
    for signal in monitor["create_monitor"]["monitoring_signals"].values():
        path = signal.get("production_data", {}).get("input_data", {}).get("path", "")
        if path.startswith("azureml://"):
            yield path


RELATIONS = (names_keep_azures_rules, files_agree_on_names)
