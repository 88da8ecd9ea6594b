"""Explains what Azure refuses: what is wrong and what to do about it, in one sentence."""
