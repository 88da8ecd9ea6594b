"""Derives every project that the questions can render from copier.yml, and validates it. README.md: where to start."""
