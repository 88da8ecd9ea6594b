"""The two ways a command ends badly; both messages are for people and hide the stack trace."""


class WrongInputError(Exception):
    """What was asked cannot be done: exit code 2."""


class RunFailedError(Exception):
    """What was asked was tried and failed: exit code 1."""
