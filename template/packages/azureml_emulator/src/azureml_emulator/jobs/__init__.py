"""Runs the work of jobs: the components' own command lines, over files of the workspace's storage."""
