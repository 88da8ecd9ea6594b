"""Trains and retrains the model."""
