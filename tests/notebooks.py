"""Runs a project's notebooks from top to bottom with a real kernel, and returns the outputs of each cell."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from traitlets import default

from projects import import_path

SECONDS = re.compile(r" +\d+\.\d s *$", re.MULTILINE)
Outputs = list[tuple[str, str]]


class OwnPython(AsyncKernelManager):
    """Ignores the kernels of this machine: only the tests' own Python is left."""

    @default("kernel_spec_manager")
    def _no_kernels_of_this_machine(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


@dataclass(frozen=True)
class Executed:
    """The outputs of a notebook's cells, by cell name, and the duration."""

    outputs: dict[str, Outputs]
    seconds: float

    def text(self, cell: str) -> str:
        """Return the printed and returned text of a cell."""
        return "".join(content for kind, content in self.outputs[cell] if kind == "text/plain")


def execute(project: Path, probes: dict[str, str] | None = None) -> dict[str, Executed]:
    """Run every notebook of a project in order; a probe is code that a notebook's kernel runs at its end.

    Raises:
        CellExecutionError: a cell failed.
    """
    found = {}
    for path in sorted((project / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if path.name[:2] in (probes or {}):
            notebook.cells.append(nbformat.v4.new_code_cell(probes[path.name[:2]], id="probe"))
        started = time.perf_counter()
        _run(notebook, project)
        seconds = time.perf_counter() - started
        cells = {cell.id: _outputs(cell) for cell in notebook.cells if cell.cell_type == "code"}
        found[path.name[:2]] = Executed(cells, seconds)
    return found


def _run(notebook: Any, project: Path) -> None:
    folder = {"metadata": {"path": str(project / "notebooks")}}
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "AZURE", "MLFLOW_"))
    }
    # A kernel sends what a cell prints in as many pieces as it takes fifths of a second.
    client = NotebookClient(
        notebook, kernel_manager_class=OwnPython, timeout=180, resources=folder, coalesce_streams=True
    )
    client.execute(env=inherited | {"PYTHONPATH": import_path(project)})


def _outputs(cell: Any) -> Outputs:
    """Return text and charts in their order, without warnings and without durations of steps."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            found.append(("text/plain", SECONDS.sub("", output.text)))
        for kind in ("text/plain", "image/png"):
            if kind in output.get("data", {}):
                found.append((kind, output.data[kind]))
    return found
