"""Decides what an event leads to, and finds events where nothing sends them."""
