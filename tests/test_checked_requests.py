"""Every request of the Azure half's tests is checked: one that Azure's published API does not have fails its test."""

import re
from pathlib import Path

import pytest
import requests

from azure_runs import run
from azureml_emulator.transport import Response
from checked_requests import answering
from openapi_check import HOST

COLOUR = (
    f"https://{HOST}/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    "/colours/red?api-version=2023-04-01"
)
EXPECTED = "GET workspaces/colours 2023-04-01: there is no resource workspaces/colours"
CLEARED = f"import requests; requests.get({COLOUR!r}); emulator.requests.clear()"


def test_run_names_the_step_that_sent_an_unknown_request(render, tmp_path):
    steps = {"python": "result = 1"}, {"python": CLEARED}
    with pytest.raises(AssertionError, match=re.escape(f"step 2, Python: {EXPECTED}")):
        run(render(), tmp_path / "state", *steps)


def test_unknown_request_of_this_process_fails_its_test():
    with pytest.raises(AssertionError, match=re.escape(EXPECTED)), answering(lambda request: Response(404)):
        requests.get(COLOUR, timeout=1)


def test_every_test_that_answers_requests_checks_them():
    unchecked = re.compile(r"\.answering\(|answered_by\(")
    checking = ("checked_requests.py", "azure_process.py", Path(__file__).name)
    files = [file for file in Path(__file__).parent.glob("*.py") if file.name not in checking]
    assert [file.name for file in files if unchecked.search(file.read_text(encoding="utf-8"))] == []
