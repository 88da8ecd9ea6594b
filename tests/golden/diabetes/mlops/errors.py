"""The two ways a command ends badly; both messages are for people and hide the stack trace."""

import sys


def aside(text: str) -> None:
    """Tell a person something that neither stops the command nor is its result."""
    print(f"mlops: {text}", file=sys.stderr)


class WrongInputError(Exception):
    """What was asked cannot be done: exit code 2."""


class RunFailedError(Exception):
    """What was asked was tried and failed: exit code 1."""
