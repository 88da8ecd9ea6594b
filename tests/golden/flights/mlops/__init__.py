"""The `mlops` command: what runs on a laptop and on a GitHub runner."""
