"""GitHub takes a repository dispatch by its rules; the Logic App's expressions are Azure's or refused."""

import json

import httpx
import pytest

from azureml_emulator.events.logic_app_expressions import STANDARD, ExpressionError, evaluate
from azureml_emulator.github.server import LARGEST_PAYLOAD, GitHub
from azureml_emulator.tokens import GITHUB_TOKEN

REPOSITORY = "my-organization/diabetes"
DISPATCHES = f"/repos/{REPOSITORY}/dispatches"


@pytest.mark.parametrize(
    ("body", "status", "path", "token"),
    [
        ({"event_type": "a", "client_payload": {}}, 204, DISPATCHES, GITHUB_TOKEN),
        ({"event_type": "a"}, 401, DISPATCHES, "wrong"),
        ({"event_type": "a"}, 404, "/repos/some/other/dispatches", GITHUB_TOKEN),
        ({"event_type": ""}, 422, DISPATCHES, GITHUB_TOKEN),
        ({"event_type": "a" * 101}, 422, DISPATCHES, GITHUB_TOKEN),
        ({"event_type": "a", "client_payload": []}, 422, DISPATCHES, GITHUB_TOKEN),
        ({"event_type": "a", "client_payload": dict.fromkeys("abcdefghijk", 1)}, 422, DISPATCHES, GITHUB_TOKEN),
        ({"event_type": "a", "client_payload": {"k": "x" * LARGEST_PAYLOAD}}, 422, DISPATCHES, GITHUB_TOKEN),
        ("{", 400, DISPATCHES, GITHUB_TOKEN),
    ],
)  # fmt: skip
def test_github_takes_a_dispatch_by_its_rules(body, status, path, token):
    with GitHub(REPOSITORY) as github:
        content = body if isinstance(body, str) else json.dumps(body)
        answer = httpx.post(github.url + path, content=content, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status


def test_expressions_that_the_emulator_does_not_know_are_errors():
    for expression in ("@guid()", "@first('a'", "@first('a') more", "@first(#)"):
        with pytest.raises(ExpressionError):
            evaluate(expression, STANDARD)
    assert evaluate("a@{concat('x', 'it''s')}b", STANDARD) == "axit'sb"
