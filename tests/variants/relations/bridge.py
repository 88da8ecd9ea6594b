"""The bridge receives the monitor's alerts, and the function gets the settings that it reads."""

import json
import re

from variants.relations.relation import Files, relation

# The tag with the monitor's result; Event Grid ignores case.
TAG = "data.RunTags.azureml_modelmonitor_threshold_breached"
READ = re.compile(rb'os\.environ\["([A-Z_]+)"\]')
SET = re.compile(rb"name: '([A-Z_]+)'")
FUNCTION = ("infra/bridge/function/function_app.py", "infra/bridge/function/main.bicep")


@relation("infra/bridge/event-filters.json")
def filters_look_at_the_monitors_tag(files: Files, names: frozenset[str]) -> list[str]:
    return [
        f"{path}: it filters by {given['key']}, not at {TAG}"
        for path, content in files.items()
        for given in json.loads(content)["driftDetected"]["advancedFilters"]
        if given["key"] != TAG
    ]


@relation(*FUNCTION)
def function_gets_the_settings_it_reads(files: Files, names: frozenset[str]) -> list[str]:
    if not files:
        return []
    code, bicep = FUNCTION
    read, given = set(READ.findall(files[code])), set(SET.findall(files[bicep]))
    return [f"{bicep}: {code} reads {name.decode()}, which is not set" for name in sorted(read - given)]


RELATIONS = (filters_look_at_the_monitors_tag, function_gets_the_settings_it_reads)
