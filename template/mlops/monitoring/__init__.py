"""The drift monitor: its schedule, reference data, thresholds, components and runs."""
