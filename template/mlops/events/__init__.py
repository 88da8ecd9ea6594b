"""Decides what an event leads to, and finds events in projects without Event Grid."""
