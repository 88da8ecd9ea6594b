"""The state of a workspace: a file for each document, whole at any moment, and named when it is damaged."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.ai.ml.entities import Data
from laptop import laptop

from azureml_emulator.errors import EmulatorError
from azureml_emulator.files import create_text, write_text
from azureml_emulator.state import Documents
from mlops.refusals.explain import explained

LARGE = {"text": "x" * 100_000}


@pytest.fixture
def documents(tmp_path):
    return Documents(tmp_path / "arm")


def test_of_many_that_create_one_document_one_does(documents):
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda number: documents.create("data/a/versions/1", {"by": number}), range(64)))
    assert made.count(True) == 1
    assert documents.get("data/a/versions/1") == {"by": made.index(True)}


def test_document_is_whole_while_it_is_replaced(documents):
    documents.put("jobs/a", LARGE)
    with ThreadPoolExecutor(8) as threads:
        writing = [threads.submit(documents.put, "jobs/a", LARGE) for _ in range(50)]
        read = [documents.get("jobs/a") for _ in range(200)]
        assert all(one.exception() is None for one in writing)
    assert all(content == LARGE for content in read)


def test_what_is_being_written_is_not_listed(documents, tmp_path):
    documents.put("data/a/versions/1", {})
    (tmp_path / "arm" / "data" / "a" / "versions" / ".2.json-half").write_text("{")
    assert documents.names("data/a/versions") == ["1"]


@pytest.mark.parametrize("write", [write_text, create_text])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_beside_it(tmp_path, monkeypatch, write):
    file = tmp_path / "a.json"
    file.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", _full)
    monkeypatch.setattr("os.link", _full)
    with pytest.raises(OSError, match="No space left"):
        write(file, "new")
    assert (file.read_text(), [path.name for path in tmp_path.iterdir()]) == ("old", ["a.json"])


def _full(*_):
    raise OSError(28, "No space left on device")


def test_damaged_document_is_named(documents, tmp_path):
    write_text(tmp_path / "arm" / "jobs" / "a.json", "{")
    with pytest.raises(EmulatorError, match=r"jobs/a\.json is damaged: .*`rm -r \.azureml-local` starts anew\."):
        documents.get("jobs/a")


def test_damaged_document_ends_a_command_with_a_sentence_that_names_it(tmp_path):
    place = laptop(tmp_path / "state")
    write_text(tmp_path / "state" / "arm" / "data" / "a" / "versions" / "1.json", "{")
    with pytest.raises(Exception, match="is damaged") as raised:
        place.client.data.get("a", version="1")
    assert "data/a/versions/1.json is damaged" in str(explained(raised.value))


def test_full_disk_ends_a_command_with_a_sentence(tmp_path, monkeypatch):
    place = laptop(tmp_path / "state")
    (tmp_path / "rows.csv").write_text("a\n1\n")
    monkeypatch.setattr("pathlib.Path.replace", _full)
    with pytest.raises(Exception, match="No space left on device") as raised:
        place.client.data.create_or_update(
            Data(name="rows", version="1", type="uri_file", path=str(tmp_path / "rows.csv"))
        )
    assert "No space left on device" in str(explained(raised.value))


def test_file_system_without_hard_links_keeps_documents_too(documents, monkeypatch):
    def no_links(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert [documents.create("data/a/versions/1", {"by": number}) for number in range(2)] == [True, False]
    assert documents.get("data/a/versions/1") == {"by": 0}
