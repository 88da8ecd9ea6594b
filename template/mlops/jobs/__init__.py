"""Submits jobs, follows them and reads their outputs."""
