"""Trains and retrains, and knows which model version counts."""
