"""Runs the process that keeps online endpoints alive between commands: inference servers, router, collector."""
