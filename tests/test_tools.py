"""A rendered project passes all of its own commit hooks, without downloads."""

import os
import subprocess
import sys
from pathlib import Path

from projects import ROOT, import_path

TOOLS = Path(sys.executable).parent


def test_a_rendered_project_passes_its_commit_hooks(render, tmp_path):
    project = render()
    for command in (["git", "init", "-q"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=project, check=True)
    here = {"UV_PROJECT_ENVIRONMENT": str(TOOLS.parent), "UV_NO_SYNC": "1", "PRE_COMMIT_HOME": str(tmp_path)}
    here |= {"PYTHONPATH": import_path(project)}
    here |= {"MYPY_CACHE_DIR": str(ROOT / "template" / ".mypy_cache")}
    # A proxy that does not exist: network access fails.
    here |= {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [TOOLS / "pre-commit", "run", "--all-files"],
        cwd=project,
        env=os.environ | here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") >= 8
