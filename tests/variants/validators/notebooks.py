"""Notebooks are valid and contain no results of a run."""

from pathlib import Path

import nbformat

KEYS_OF_A_RUN = ("execution", "collapsed")


def is_notebook(project: Path, paths: list[str]) -> list[str]:
    """The notebook matches its schema and has no outputs, execution counts or personal settings."""
    found = []
    for path in paths:
        try:
            notebook = nbformat.read(project / path, as_version=nbformat.NO_CONVERT)
            nbformat.validate(notebook)
        except Exception as error:  # nbformat raises the exceptions of its parsers
            found.append(f"{path}: {' '.join(str(error).split())[:300]}")
            continue
        for number, cell in enumerate(notebook.cells):
            if cell.get("outputs") or cell.get("execution_count") is not None:
                found.append(f"{path}: cell {number} has an output")
            if cell.metadata.keys() & set(KEYS_OF_A_RUN):
                found.append(f"{path}: cell {number} has an execution count")
    return found
