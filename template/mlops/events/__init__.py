"""Decides about events, and finds events in projects without Event Grid."""
