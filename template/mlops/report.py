"""The loop's report: one page that holds everything it shows."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlops.project import STATE

if TYPE_CHECKING:
    from mlops.loop import Progress


def write_report(progress: "Progress") -> Path:
    """Write `loop.html` and return its path."""
    path = STATE / "loop.html"
    path.write_text("<title>loop</title>", encoding="utf-8")
    return path
