"""Batch jobs fail where Azure's driver fails. The list is in the README."""

import pytest
from batch_jobs import PATHS, BatchJobs

INIT = "def init():\n    pass\n"
# Each mini-batch has two files, so one item is too few.
WRONG = {
    "None": ("return None", "TypeError: The return value 'None' is not a Pandas DataFrame or a list."),
    "text": ("return 'a'", "TypeError: The return value 'a' is not a Pandas DataFrame or a list."),
    "dictionary": ("return {}", "TypeError: The return value '{}' is not a Pandas DataFrame or a list."),
    "an array": ("import numpy; return numpy.zeros(2)", "is not a Pandas DataFrame or a list."),
    "a generator": ("return (path for path in batch)", "is not a Pandas DataFrame or a list."),
    "nothing": ("return []", "2 of 2 files failed, error_threshold allows 0."),
    "too few": ("return batch[:1]", "1 of 2 files failed, error_threshold allows 0."),
    "short table": ("import pandas; return pandas.DataFrame({'a': [1]})", "1 of 2 files failed"),
}
RIGHT = {
    "a list": ("return ['a', 'b']", b"a\nb\n"),
    "a tuple": ("return ('a', 'b')", b"a\nb\n"),
    "more rows than files": ("return ['a', 'b', 'c']", b"a\nb\nc\n"),
    "a table": ("import pandas; return pandas.DataFrame({'a': [1, 2], 'b': ['x', 'y z']})", b'1 x\n2 "y z"\n'),
}


@pytest.fixture
def jobs(tmp_path):
    return BatchJobs(tmp_path / "state")


@pytest.fixture
def rows(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.csv").write_text("1\n")
    return folder


@pytest.fixture
def code(tmp_path):
    """Return a function that writes a scoring script and returns its folder."""

    def code(text):
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code" / "batch.py").write_text(text)
        return tmp_path / "code"

    return code


def scoring(body):
    return f"{INIT}def run(batch):\n    {body}\n"


@pytest.mark.parametrize("returned", WRONG)
def test_wrong_results_fail_the_job(jobs, rows, code, returned):
    body, error = WRONG[returned]
    jobs.deploy(code(scoring(body)), mini_batch_size=2)
    status, said = jobs.score(rows)
    assert status == "Failed"
    assert error in said


@pytest.mark.parametrize("returned", RIGHT)
def test_lists_and_tables_are_written(jobs, rows, code, returned):
    body, written = RIGHT[returned]
    jobs.deploy(code(scoring(body)), mini_batch_size=2)
    assert jobs.score(rows) == ("Completed", "")
    assert jobs.output() == written


def test_job_without_any_result_fails_whatever_the_threshold(jobs, rows, code):
    jobs.deploy(code(scoring("return None")), error_threshold=-1)
    status, said = jobs.score(rows)
    assert status == "Failed"
    assert "No succeeded mini batch item returned from run(). Please check 'response: run()'" in said


def test_results_that_are_not_appended_may_be_empty_below_the_threshold(jobs, rows, code):
    jobs.deploy(code(scoring("return []")), error_threshold=-1, output_action="summary_only")
    assert jobs.score(rows) == ("Completed", "")


@pytest.mark.parametrize(
    ("text", "missing"), [(INIT, "run"), ("def run(batch):\n    return batch\n", "init")], ids=["no run", "no init"]
)
def test_script_without_a_function_fails_the_job(jobs, rows, code, text, missing):
    jobs.deploy(code(text))
    status, said = jobs.score(rows)
    assert status == "Failed"
    assert f"The scoring script batch.py has no function {missing}(): it must contain init() and run()." in said


def test_output_that_exists_is_not_overwritten(jobs, rows, code):
    jobs.deploy(code(scoring("return batch")))
    assert jobs.score(rows) == ("Completed", "")
    first = jobs.output()
    status, said = jobs.score(rows)
    assert status == "Failed"
    assert "Output already exists" in said
    assert jobs.output() == first


def test_rows_that_do_not_exist_fail_the_job(jobs, code):
    jobs.deploy(code(scoring("return batch")))
    status, said = jobs.score(f"{PATHS}/nowhere")
    assert status == "Failed"
    assert "Error Code: ScriptExecution.StreamAccess.NotFound" in said
