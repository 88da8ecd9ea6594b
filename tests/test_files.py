"""Files and folders are replaced as a whole, with concurrent writers and whenever a command is killed."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from mlops.data.assets import write_table
from mlops.files import locked, replace_folder, restored, write_json, write_text
from model.tables import read_mltable
from projects import ROOT, import_path, mlops

OTHER_FILE_SYSTEM = Path("/dev/shm")
ENVIRONMENT = os.environ | {"PYTHONPATH": import_path(ROOT / "template")}


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "content").write_text(text)
    return path


def entries(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


# File modes


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_file_has_the_mode_that_the_umask_gives(tmp_path, umask):
    write_text(tmp_path / "a.yml", "a: 1\n")
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "table")
    assert mode(tmp_path / "a.yml") == 0o640
    assert mode(tmp_path / "table") == 0o750
    assert mode(tmp_path / "table" / "rows.parquet") == 0o640


def test_file_that_exists_keeps_its_mode(tmp_path, umask):
    file = tmp_path / "monitor.yml"
    file.write_text("a: 1\n")
    file.chmod(0o664)
    write_text(file, "a: 2\n")
    assert (mode(file), file.read_text()) == (0o664, "a: 2\n")


def test_private_file_is_readable_by_its_owner_only(tmp_path):
    write_json(tmp_path / "token.json", {"token": "t"}, private=True)
    assert mode(tmp_path / "token.json") == 0o600


# Kills

KILLED = """
import os, sys
from pathlib import Path
from mlops import files

rename, count = Path.replace, int(sys.argv[2])

def replace(self, target):
    global count
    if count == 0:
        os._exit(9)
    count -= 1
    return rename(self, target)

Path.replace = replace
files.replace_folder(Path(sys.argv[1]) / "new", Path(sys.argv[1]) / "place" / "target")
"""


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_kill_at_any_rename_leaves_the_old_folder_or_the_new(tmp_path, renames):
    target = folder(tmp_path / "place" / "target", "old")
    folder(tmp_path / "new", "new")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(renames)], env=ENVIRONMENT, check=False)
    assert (restored(target) / "content").read_text() == ("new" if renames == 2 else "old")
    assert entries(target.parent) == ["target"]


def test_next_replacement_repairs_an_interrupted_one(tmp_path):
    folder(tmp_path / "place" / ".target.old", "old")
    replace_folder(folder(tmp_path / "new", "new"), tmp_path / "place" / "target")
    assert (tmp_path / "place" / "target" / "content").read_text() == "new"
    assert entries(tmp_path / "place") == ["target"]


# Concurrent commands

REPEATED = """
import sys
from pathlib import Path
import pandas as pd
from mlops.data.assets import write_table

for number in range(40):
    write_table(pd.DataFrame({"writer": [sys.argv[2]] * 50, "number": [number] * 50}), Path(sys.argv[1]))
"""


def test_concurrent_commands_that_write_one_table_leave_a_complete_table(tmp_path):
    table = tmp_path / "data" / "labelled"
    command = [sys.executable, "-c", REPEATED, str(table)]
    writers = [
        subprocess.Popen([*command, name], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    said = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], said
    rows = read_mltable(table)
    assert len(rows) == 50
    assert rows.nunique().tolist() == [1, 1]
    assert entries(table.parent) == ["labelled"]


def test_lock_of_a_folder_keeps_others_waiting(tmp_path):
    order = []

    def wait() -> None:
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.fixture(scope="module")
def project(render):
    return render()


def test_two_commands_at_once_in_one_project_both_end_well(project):
    environment = ENVIRONMENT | {"PYTHONPATH": import_path(project)}
    command = [sys.executable, "-m", "mlops.cli", "data"]
    for _ in range(2):
        both = [
            subprocess.Popen(
                command, cwd=project, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        said = [one.communicate() for one in both]
        assert [one.returncode for one in both] == [0, 0, 0], said
    assert entries(project / ".azureml-local" / "arm" / "data" / "diabetes-model-data" / "versions") == ["1.json"]
    assert not [name for name in entries(project / "data") if name.startswith(".")]


@pytest.mark.skipif(not OTHER_FILE_SYSTEM.is_dir(), reason="there is no other file system here")
def test_state_may_be_on_another_file_system_than_the_data(render, tmp_path_factory):
    import tempfile

    project = render()
    with tempfile.TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as state:
        (project / ".azureml-local").symlink_to(state)
        for _ in range(2):
            done = mlops(project, "data")
            assert done.code == 0, done.stderr
        assert (Path(state) / "arm" / "data" / "diabetes-model-data" / "versions" / "1.json").exists()
        # Labels of rows that were sent wait beside the data, and are kept before anything is sent.
        done = mlops(project, "invoke", "--rows", "10")
        assert "Invalid cross-device link" not in done.stderr
        assert len(read_mltable(project / "data" / "pending_labels")) == 10
