"""The errors with which a command fails; their messages are for people and replace the stack trace."""


class WrongInputError(Exception):
    """The request cannot be fulfilled: exit code 2."""


class RunFailedError(Exception):
    """The operation was tried and failed: exit code 1."""
