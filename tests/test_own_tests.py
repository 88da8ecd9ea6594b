"""A rendered project's own tests pass from the first minute, and leave nothing behind."""

import pytest
from projects import choices, contents, python
from test_data import ANSWERS, as_csv, measurements

PROJECTS = {name: {"dataset": name} for name in choices("dataset")}


def run_own_tests(project):
    before = contents(project)
    done = python(project, "-B", "-m", "pytest", "-p", "no:cacheprovider")
    assert done.code == 0, done.stdout
    assert contents(project) == before


@pytest.mark.parametrize("answers", PROJECTS.values(), ids=PROJECTS)
def test_own_tests_pass(answers, render):
    run_own_tests(render(**answers))


def test_own_tests_pass_on_a_table_of_the_users_own(render):
    project = render(**ANSWERS, compute_target="cluster")
    source = project / ANSWERS["data_path"]
    source.parent.mkdir()
    source.write_text(as_csv(list(measurements())), encoding="utf-8")
    run_own_tests(project)
