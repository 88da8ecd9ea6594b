"""Tests the effect of answers on workflows, and this repository's own; test_variants.py checks every variant."""

import pytest
import yaml

from projects import ROOT
from variants.validators import problems

OWN = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / ".github" / "workflows").iterdir())]


@pytest.mark.parametrize(("github_auth", "asks"), [("oidc", True), ("service_principal", False)])
def test_only_jobs_that_sign_in_by_oidc_may_ask_for_a_token(render, github_auth, asks):
    files = (render(github_auth=github_auth, trigger="scheduled") / ".github" / "workflows").iterdir()
    for job in (job for file in files for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()):
        signs_in = any(step.get("uses", "").startswith("azure/login@") for step in job["steps"])
        assert ("id-token" in job["permissions"]) == (signs_in and asks)


@pytest.mark.parametrize(("approval", "gated"), [("github_environment", True), ("none", False)])
def test_approval_gates_what_changes_azure(render, approval, gated):
    workflows = render(approval=approval) / ".github" / "workflows"
    for file, job in [("cd-triggered-by-aml", "deploy"), ("infra", "provision"), ("teardown", "teardown")]:
        content = yaml.safe_load((workflows / f"{file}.yml").read_text(encoding="utf-8"))
        assert ("environment" in content["jobs"][job]) == gated


@pytest.mark.parametrize("path", OWN)
def test_this_repositorys_own_workflows_have_no_error(path):
    assert problems(ROOT, [path]) == []


def test_one_check_is_required_and_waits_for_all_the_others():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))["jobs"]
    required = jobs.pop("required")
    assert sorted(required["needs"]) == sorted(jobs)
    assert required["if"] == "always()"
