"""Workflows read only variables and secrets that `mlops bootstrap` sets, and each other's outputs."""

import re

from relations.relation import Files, parsed, relation

FROM_GITHUB = re.compile(r"\b(?:vars|secrets)\.(\w+)")
OF_A_JOB = re.compile(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)")
OF_A_STEP = re.compile(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)")
SETTERS = ("mlops/bootstrap.py", "mlops/identities.py")


@relation(".github/workflows/*.yml", *SETTERS)
def variables_are_set_by_bootstrap(files: Files, names: frozenset[str]) -> list[str]:
    set_there = set(re.findall(rb'"([A-Z][A-Z0-9_]+)"', b"".join(files[path] for path in SETTERS)))
    return [
        f"{path}: {name} is set by no one"
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
    # YAML 1.1 reads the key `on` as true.
    heard = {
        event
        for content in workflows.values()
        for event in ((content.get(True) or content["on"]).get("repository_dispatch") or {}).get("types", [])
    }
    missing = {"model-registered", "drift-detected"} - heard
    return [f".github/workflows/: no workflow starts on {event}" for event in sorted(missing)]


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
                found.append(f"{path}: {update['package-ecosystem']} is updated the day a version comes out")
    return found


RELATIONS = (
    variables_are_set_by_bootstrap,
    outputs_come_from_jobs_and_steps_that_are_there,
    events_that_are_sent_start_a_workflow,
    dependabot_looks_where_something_is,
)
