"""Runs `mlops data` with a user's own table: any spelling is read alike, and a wrong table changes nothing."""

import csv
import io
import random
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from mlops.data.assets import partition
from model.contract import Contract, ContractError, check_labelled
from model.datasets import file
from model.split import split
from model.tables import read_mltable, write_mltable
from projects import ROOT, contents, mlops, python

ANSWERS = {
    "dataset": "custom",
    "data_path": "data/Messwerte für März.csv",
    "task": "binary_classification",
    "target_column": "In Ordnung?",
    "id_column": "Nr.",
    "time_column": "gemessen am",
    "numerical_columns": ["Größe in cm", "Gewicht: kg", "#Fehler"],
    "categorical_columns": ["Stadt & Land", "Código"],
}


def measurements(count=300):
    """Return a typical office table: spaces, letters beyond ASCII, codes with leading zeros, gaps."""
    draw = random.Random(1)
    for number in range(1, count + 1):
        size, town = draw.uniform(100, 200), draw.choice(["Köln", "Łódź", "São Paulo"])
        yield {
            "Nr.": f"A-{number}",
            "gemessen am": f"2026-03-{number % 28 + 1:02d}T09:00:00",
            "Größe in cm": round(size, 1),
            "Gewicht: kg": "" if draw.random() < 0.05 else round(size / 2 + draw.gauss(0, 5), 1),
            "#Fehler": draw.randint(0, 1),
            "Stadt & Land": town,
            "Código": f"{draw.randint(0, 9):03d}",
            "nicht gebraucht": "x",
            "In Ordnung?": "ja" if size + draw.gauss(0, 10) > 150 else "nein",
        }


def as_csv(rows, delimiter=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def changed(row, **values):
    """Return the table with one row changed."""
    rows = list(measurements())
    rows[row] |= values
    return as_csv(rows)


@pytest.fixture(scope="session")
def prepared(render):
    """Return a project after a successful `mlops data`."""
    project = render(**ANSWERS)
    source = project / ANSWERS["data_path"]
    source.parent.mkdir()
    source.write_text(as_csv(list(measurements())), encoding="utf-8")
    done = mlops(project, "data")
    assert done.code == 0, done.stderr
    return project


@pytest.fixture
def project(prepared, tmp_path):
    """Return a copy of it that a test may change."""
    return shutil.copytree(prepared, tmp_path / "project")


def name_classes(project):
    contract = project / "src" / "model" / "contract.yml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("classes: []", "classes: [ja, nein]"), encoding="utf-8")


WRONG = {
    "missing file": (None, "There is no file"),
    "empty file": ("", "is empty"),
    "no rows": (as_csv(list(measurements(1))).splitlines()[0] + "\n", "The data has no rows"),
    "missing column": (as_csv(list(measurements())).replace("Größe in cm", "Groesse"), "no column 'Größe in cm'"),
    "word among numbers": (changed(41, **{"Gewicht: kg": "schwer"}), "'Gewicht: kg' holds numbers, but row 42 has"),
    "unknown class": (changed(0, **{"In Ordnung?": "vielleicht"}), "needs two classes, but holds 3"),
    "missing target": (changed(0, **{"In Ordnung?": ""}), "'In Ordnung?' is empty in 1 of 300 rows"),
    "duplicate identifier": (changed(7, **{"Nr.": "A-1"}), "'A-1' in column 'Nr.' is in more than one row"),
    "no time": (changed(0, **{"gemessen am": "neulich"}), "'gemessen am' has 'neulich', which is not a date or time"),
    "no table": ("Nr.,Größe in cm\n1,2,3\n", "cannot be read as a table"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_table_is_refused_and_previous_data_stays(text, sentence, project):
    source = project / ANSWERS["data_path"]
    source.unlink() if text is None else source.write_text(text, encoding="utf-8")
    before = contents(project)
    done = mlops(project, "data")
    assert done.code == 2, done.stderr
    assert sentence in done.stderr
    assert done.stderr.startswith("mlops: ") and done.stderr.endswith(".\n") and done.stderr.count("\n") == 1
    assert contents(project) == before


def test_class_that_the_contract_does_not_name_is_refused(project):
    name_classes(project)
    (project / ANSWERS["data_path"]).write_text(changed(0, **{"In Ordnung?": "vielleicht"}), encoding="utf-8")
    done = mlops(project, "data")
    assert (done.code, done.stdout) == (2, "")
    assert "holds 'vielleicht', which is not one of its classes" in done.stderr


def test_same_rows_create_no_second_version(project):
    done = mlops(project, "data")
    assert "unchanged" in done.stdout and " new" not in done.stdout, done.stdout + done.stderr


def test_more_rows_create_a_second_version(project):
    (project / ANSWERS["data_path"]).write_text(as_csv(list(measurements(330))), encoding="utf-8")
    done = mlops(project, "data")
    assert " new" in done.stdout and "unchanged" not in done.stdout, done.stdout + done.stderr
    assert [*(project / ".azureml-local").glob("arm/data/my-project-model-data/versions/2.json")]


CONTRACT = Contract(
    task="binary_classification",
    id_column="Nr.",
    target="In Ordnung?",
    classes=(),
    numerical=tuple(ANSWERS["numerical_columns"]),
    categorical=tuple(ANSWERS["categorical_columns"]),
    time_column="gemessen am",
    training_until="2026-03-20",
    source="model.datasets.file:load",
    path=None,
)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a file as `mlops data` does, with CONTRACT."""

    def read(name, write):
        path = tmp_path / name
        write(path)
        monkeypatch.setattr(file, "load_contract", lambda: replace(CONTRACT, path=str(path)))
        return check_labelled(file.load(), CONTRACT)

    return read


@pytest.fixture
def rows(read):
    return read("rows.csv", lambda path: path.write_text(as_csv(list(measurements())), encoding="utf-8"))


def test_semicolons_and_a_byte_order_mark_are_read_alike(read, rows):
    text = as_csv(list(measurements()), ";")
    pd.testing.assert_frame_equal(read("r.csv", lambda path: path.write_text(text, encoding="utf-8-sig")), rows)


def test_parquet_is_read_alike(read, rows):
    table = pd.DataFrame(measurements()).replace({"Gewicht: kg": {"": None}}).astype({"Gewicht: kg": float})
    pd.testing.assert_frame_equal(read("rows.parquet", table.to_parquet), rows)


def test_codes_keep_their_zeros(rows):
    assert rows["Código"].str.len().eq(3).all()


def test_types_survive_the_data_asset(rows, tmp_path):
    write_mltable(rows, tmp_path / "asset", {})
    pd.testing.assert_frame_equal(read_mltable(tmp_path / "asset"), rows)


# The engine's fourth argument disables its usage data.
WATCHED = """
import sys
import azureml.dataprep.rslex as engine
started = engine.init_environment
engine.init_environment = lambda *given, **more: print(given[3]) or started(*given, **more)
from model.tables import read_mltable
read_mltable(sys.argv[1])
"""


def test_reading_a_data_asset_sends_no_usage_data(rows, tmp_path):
    write_mltable(rows, tmp_path, {})
    done = python(ROOT / "template", "-c", WATCHED, str(tmp_path))
    assert (done.code, done.stdout.split()) == (0, ["True"]), done.stderr


def test_later_rows_are_held_back(rows):
    parts = partition(rows, CONTRACT)
    assert parts.labelled["gemessen am"].max() < "2026-03-21" <= parts.later["gemessen am"].min()


def test_too_few_rows_for_every_part_are_refused(rows):
    with pytest.raises(ContractError, match="1 rows are too few"):
        partition(rows.head(1), CONTRACT)


def test_row_never_changes_sides_when_rows_are_added():
    many = pd.DataFrame({"id": [f"row-{number}" for number in range(5000)]})
    few = many.sample(1000, random_state=0)
    _, held_out = split(few, few["id"], 0.2, "7")
    _, held_out_of_many = split(many, many["id"], 0.2, "7")
    assert set(held_out["id"]) == set(held_out_of_many["id"]) & set(few["id"])


def test_split_holds_out_the_share_it_is_asked_for():
    many = pd.DataFrame({"id": [f"row-{number}" for number in range(20000)]})
    _, held_out = split(many, many["id"], 0.2, "7")
    assert len(held_out) == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize("value", [float("inf"), "1e999", "12 cm"])
def test_value_that_is_not_a_number_is_refused(rows, value):
    with pytest.raises(ContractError, match="holds numbers, but row 1 has"):
        check_labelled(rows.assign(**{"Größe in cm": value}), CONTRACT)
