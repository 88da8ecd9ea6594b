"""Runs the prompts in a terminal: a wrong answer is explained and asked again."""

import io
import os
import sys

import pexpect
import pytest
import yaml

from projects import ANSWERS, questions
from test_questions import NAME, REGION

DOWN, UP, ENTER, CLEAR = "\x1b[B", "\x1b[A", "\r", "\x15"
ASKED = {name: details for name, details in questions().items() if "when" not in details and "ask" not in details}
# Multi-line questions end with Escape and Enter.
END = "\x1b\r"


@pytest.fixture(scope="module")
def conversation(template, tmp_path_factory):
    """Return the terminal's output of one interactive `copier copy`, and the project."""
    project = tmp_path_factory.mktemp("prompted") / "project"
    shown = io.StringIO()
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "copier", "copy", str(template), str(project)],
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 200),
        env=os.environ | {"TERM": "xterm"},
    )
    terminal.logfile_read = shown
    for name, question in ASKED.items():
        terminal.expect_exact(question["help"])
        for keys in ANSWERED.get(name, [END if question["type"] == "yaml" else ENTER]):
            terminal.send(keys)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    return shown.getvalue(), project


# Selects the second data set; text questions get wrong answers first.
ANSWERED = {
    "dataset": [DOWN, ENTER],
    "project_name": [CLEAR, "../x", ENTER, CLEAR, "Tumours", ENTER],
    "location": [CLEAR, "atlantis", ENTER, CLEAR, "northeurope", ENTER],
    "trigger": [UP, ENTER],
}


def test_answers_given_at_the_prompts_are_rendered(conversation):
    _, project = conversation
    answers = yaml.safe_load((project / ANSWERS).read_text(encoding="utf-8"))
    assert (answers["dataset"], answers["trigger"]) == ("breast_cancer", "scheduled")
    assert (answers["project_name"], answers["location"]) == ("Tumours", "northeurope")
    assert (project / ".github" / "workflows" / "poll.yml").is_file()


@pytest.mark.parametrize("sentence", [NAME, REGION])
def test_wrong_answer_is_explained_at_the_prompt(conversation, sentence):
    shown, _ = conversation
    assert sentence in shown


def test_prompts_show_no_traceback(conversation):
    shown, _ = conversation
    assert "Traceback" not in shown
