"""The README's two commands; test_loop.py runs the first one in a fresh clone."""

import re

from projects import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST, _, TEST, *_ = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_first_command_is_one_line():
    assert FIRST.count("\n") == 1


def test_ci_runs_the_test_command():
    assert TEST in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
