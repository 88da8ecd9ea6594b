"""The emulator's own failures, each with a sentence for a person."""


class EmulatorError(Exception):
    """Something that the emulator cannot do, or a file of its state that cannot be used."""
