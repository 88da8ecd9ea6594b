"""The emulator's own errors, with messages for people."""


class EmulatorError(Exception):
    """The emulator cannot do something, or a file of its state is unusable."""
