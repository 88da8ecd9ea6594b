"""The GitHub workflows of every variant: published schemas (check-jsonschema) and their security (zizmor)."""

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import yaml

ANSWERS = {
    "trigger": ["logic_app", "function", "scheduled"],
    "approval": ["github_environment", "none"],
    "github_auth": ["oidc", "service_principal"],
}
VARIANTS = [dict(zip(ANSWERS, values, strict=True)) for values in product(*ANSWERS.values())]


def findings(project: Path) -> str:
    """What the two tools find, nothing if they find nothing."""
    workflows = sorted(str(file) for file in (project / ".github" / "workflows").glob("*.yml"))
    schema = "vendor.github-workflows"
    commands = [
        ["check-jsonschema", "--builtin-schema", schema, *workflows],
        ["check-jsonschema", "--builtin-schema", "vendor.dependabot", str(project / ".github" / "dependabot.yml")],
        ["zizmor", "--pedantic", "--offline", "--quiet", "--no-progress", str(project)],
    ]
    runs = [subprocess.run([tool(name), *rest], capture_output=True, text=True) for name, *rest in commands]
    return "\n".join(run.stdout + run.stderr for run in runs if run.returncode)


def tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed"
    return found


@pytest.mark.parametrize("answers", VARIANTS, ids=lambda answers: "-".join(answers.values()))
def test_nothing_is_found_in_any_variant(render, answers):
    project = render(**answers)
    assert findings(project) == ""
    for file in (project / ".github" / "workflows").glob("*.yml"):
        keep_the_house_rules(yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader), answers)


def keep_the_house_rules(workflow: dict, answers: dict) -> None:
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["cancel-in-progress"] in ("true", "false")
    for job in workflow["jobs"].values():
        assert int(job["timeout-minutes"]) < 360
        signs_in = any(step.get("uses", "").startswith("azure/login@") for step in job["steps"])
        assert ("id-token" in job["permissions"]) == (signs_in and answers["github_auth"] == "oidc")
        assert signs_in == (job.get("env", {}).get("MLOPS_TARGET") == "azure")
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert len(step.get("uses", "@" + "0" * 40).split("@")[1]) == 40


@pytest.mark.parametrize(("approval", "gated"), [("github_environment", True), ("none", False)])
def test_approval_gates_what_changes_azure(render, approval, gated):
    workflows = render(approval=approval) / ".github" / "workflows"
    for file, job in [("cd-triggered-by-aml", "deploy"), ("infra", "provision"), ("teardown", "teardown")]:
        content = yaml.safe_load((workflows / f"{file}.yml").read_text(encoding="utf-8"))
        assert ("environment" in content["jobs"][job]) == gated


@pytest.mark.parametrize(
    ("good", "bad", "finding"),
    [
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        (
            "run: uv run mlops triage retrain",
            "run: uv run mlops triage '${{ github.event.client_payload.signal }}'",
            "template-injection",
        ),
        ("\npermissions: {}\n", "\n", "excessive-permissions"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("concurrency:\n  group: retrain\n  cancel-in-progress: false\n", "", "concurrency-limits"),
        ("timeout-minutes: 350", "timeout: 350", "timeout"),
    ],
    ids=lambda value: value if len(value) < 30 and "\n" not in value else "",
)
def test_a_defect_is_caught(render, good, bad, finding):
    project = render()
    file = project / ".github" / "workflows" / "ci-triggered-by-aml.yml"
    text = file.read_text(encoding="utf-8")
    assert good in text
    file.write_text(text.replace(good, bad), encoding="utf-8")
    # Without the job's own permissions as well, the defaults of the repository would hold.
    if finding == "excessive-permissions":
        content = file.read_text(encoding="utf-8")
        start, end = content.index("    permissions:"), content.index("    env:")
        file.write_text(content[:start] + content[end:], encoding="utf-8")
    assert finding in findings(project)
