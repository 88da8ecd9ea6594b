"""The `mlops` command, which runs on a laptop and on a GitHub runner."""
