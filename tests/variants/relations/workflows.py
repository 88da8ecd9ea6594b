"""Workflows start on the events that are sent, follow triage's decision, and read variables that are set."""

import re
from typing import Any

from mlops.events.triage import Outcome
from variants.relations.relation import Files, parsed, relation

FROM_GITHUB = re.compile(r"\b(?:vars|secrets)\.(\w+)")
OF_A_JOB = re.compile(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)")
OF_A_STEP = re.compile(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)")
SETTERS = ("mlops/azure/bootstrap.py", "mlops/azure/identities.py")
# What starts each workflow.
STARTS = {
    "cd-triggered-by-aml": {"repository_dispatch", "workflow_dispatch"},
    "ci-triggered-by-aml": {"repository_dispatch", "workflow_dispatch", "schedule"},
    "ci": {"pull_request", "push"},
    "infra": {"workflow_dispatch", "push"},
    "poll": {"workflow_dispatch", "schedule"},
    "teardown": {"workflow_dispatch"},
    "template": {"workflow_dispatch", "schedule"},
}
# The commands that change something in Azure, with the outcome of triage and the approval that they require.
OBEYS = {"mlops calibrate": Outcome.DEPLOY, "mlops deploy": Outcome.DEPLOY, "mlops retrain": Outcome.RETRAIN}
APPROVED = {"mlops deploy": "production", "mlops provision": "infrastructure", "mlops teardown": "infrastructure"}


@relation(".github/workflows/*.yml", *SETTERS)
def variables_are_set_by_bootstrap(files: Files, names: frozenset[str]) -> list[str]:
    set_there = set(re.findall(rb'"([A-Z][A-Z0-9_]+)"', b"".join(files[path] for path in SETTERS)))
    return [
        f"{path}: {name} is never set"
        for path, content in files.items()
        if path not in SETTERS
        for name in sorted(set(FROM_GITHUB.findall(content.decode())))
        if name.encode() not in set_there
    ]


@relation(".github/workflows/*.yml")
def outputs_come_from_jobs_and_steps_that_are_there(files: Files, names: frozenset[str]) -> list[str]:
    found = []
    for path, content in files.items():
        workflow, text = parsed(content), content.decode()
        jobs = workflow["jobs"]
        steps = {step["id"] for job in jobs.values() for step in job["steps"] if "id" in step}
        found += [f"{path}: there is no step {step}" for step, _ in OF_A_STEP.findall(text) if step not in steps]
        for job, output in OF_A_JOB.findall(text):
            if output not in jobs.get(job, {}).get("outputs", {}):
                found.append(f"{path}: job {job} has no output {output}")
    return found


@relation(".github/workflows/*.yml", "infra/project.yml", "infra/bridge/*")
def events_that_are_sent_start_a_workflow(files: Files, names: frozenset[str]) -> list[str]:
    workflows = {path: parsed(content) for path, content in files.items() if path.startswith(".github/")}
    heard = {
        event
        for content in workflows.values()
        for event in (_starts(content).get("repository_dispatch") or {}).get("types", [])
    }
    missing = {"model-registered", "drift-detected"} - heard
    return [f".github/workflows/: no workflow starts on {event}" for event in sorted(missing)]


def _starts(workflow: dict[Any, Any]) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return workflow.get(True) or workflow["on"]


@relation(".github/workflows/*.yml")
def workflows_start_when_they_should(files: Files, names: frozenset[str]) -> list[str]:
    found = []
    for path, content in files.items():
        starts, wanted = _starts(parsed(content)), STARTS[path.rpartition("/")[2].removesuffix(".yml")]
        if starts.keys() != wanted:
            found.append(f"{path}: it starts on {', '.join(starts)}, not on {', '.join(sorted(wanted))}")
        if starts.get("push", {"branches": ["main"]}).get("branches") != ["main"]:
            found.append(f"{path}: it starts on pushes to other branches than main")
    if parsed(files[".github/workflows/infra.yml"])[True]["push"].get("paths") != ["infra/**"]:
        found.append(".github/workflows/infra.yml: it does not start on changes of infra/ only")
    return found


@relation(".github/workflows/*.yml")
def only_building_and_removing_wait_for_each_other(files: Files, names: frozenset[str]) -> list[str]:
    # GitHub keeps one waiting run per group and cancels older ones: two workflows in a group would cancel each other.
    groups: dict[str, list[str]] = {}
    for path, content in files.items():
        groups.setdefault(parsed(content)["concurrency"]["group"], []).append(path.rpartition("/")[2])
    together = [sorted(members) for members in groups.values() if len(members) > 1]
    if together == [["infra.yml", "teardown.yml"]]:
        return []
    return [f".github/workflows/: the workflows that share a group are {', '.join(map(str, together)) or 'none'}"]


@relation(".github/workflows/*.yml", "infra/project.yml")
def workflows_do_what_was_decided_and_approved(files: Files, names: frozenset[str]) -> list[str]:
    is_approved = parsed(files["infra/project.yml"])["github"]["approval"] == "github_environment"
    found = []
    for path, content in files.items():
        for name, job in parsed(content).get("jobs", {}).items():
            for step in job["steps"]:
                conditions = f"{job.get('if', '')} {step.get('if', '')}"
                for call, outcome in OBEYS.items():
                    if call in step.get("run", "") and f"triage.outputs.outcome == '{outcome}'" not in conditions:
                        found.append(f"{path}: {name}: it runs `{call}` without a condition on the decision")
                for call, environment in APPROVED.items():
                    wanted = environment if is_approved else None
                    if call in step.get("run", "") and job.get("environment") != wanted:
                        found.append(f"{path}: {name}: it runs `{call}` in the environment {job.get('environment')}")
    return found


@relation(".github/dependabot.yml", names=True)
def dependabot_looks_where_something_is(files: Files, names: frozenset[str]) -> list[str]:
    folders = {"/"} | {f"/{name.rpartition('/')[0]}" for name in names}
    found = []
    for path, content in files.items():
        for update in parsed(content)["updates"]:
            listed = update.get("directories") or [update["directory"]]
            if listed[0] not in folders:
                found.append(f"{path}: there is nothing in {listed[0]}")
            if "cooldown" not in update:
                found.append(f"{path}: {update['package-ecosystem']} is updated without a cooldown")
    return found


RELATIONS = (
    variables_are_set_by_bootstrap,
    outputs_come_from_jobs_and_steps_that_are_there,
    events_that_are_sent_start_a_workflow,
    workflows_start_when_they_should,
    only_building_and_removing_wait_for_each_other,
    workflows_do_what_was_decided_and_approved,
    dependabot_looks_where_something_is,
)
