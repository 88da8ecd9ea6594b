"""Holds every request that a test has the SDKs send against Azure's published API, while it is answered."""

from collections.abc import Iterator
from contextlib import contextmanager

from azureml_emulator.transport import Application, Request, Response, answered_by
from openapi_check import Checker


class Checked:
    """An application whose requests are checked; `problems` says what is wrong with them."""

    def __init__(self, application: Application):
        self._application, self._checker = application, Checker()
        self.problems: list[str] = []

    def __call__(self, request: Request) -> Response:
        """Check a request and have it answered: the answer, or what is raised in its place, is the application's."""
        self.problems += self._checker.problems(request)
        return self._application(request)


@contextmanager
def answering(application: Application) -> Iterator[None]:
    """Answer every request of this process.

    Raises:
        AssertionError: at the end, if a request is not one of the published API.
    """
    checked = Checked(application)
    with answered_by(checked):
        yield
    assert_published({"this test": checked.problems})


def assert_published(problems: dict[str, list[str]]) -> None:
    """Refuse requests that the published API does not have.

    Args:
        problems: what is wrong with the requests, by what sent them.

    Raises:
        AssertionError: something is wrong with one; the message names who sent it.
    """
    all_problems = [f"{sender}: {problem}" for sender, found in problems.items() for problem in sorted(set(found))]
    assert not all_problems, "requests that Azure's published API does not have:\n" + "\n".join(all_problems)
