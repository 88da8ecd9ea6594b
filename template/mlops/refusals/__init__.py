"""Explains refusals of Azure: the problem and its remedy, in one sentence."""
