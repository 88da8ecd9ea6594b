import json

import nbformat
import pytest

from mlops.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_five():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
class TestNotebook:
    def test_is_valid(self, path):
        nbformat.validate(json.loads(path.read_text(encoding="utf-8")))

    def test_has_a_name_of_its_own_for_each_cell(self, path):
        names = [cell["id"] for cell in nbformat.read(path, as_version=4).cells]
        assert len(set(names)) == len(names)

    def test_keeps_no_outputs(self, path):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        kept = [cell["id"] for cell in cells if cell.outputs or cell.execution_count is not None]
        assert kept == [], f"Clear the outputs of {path.name}: they hold your data, and differ from run to run."

    def test_opens_with_what_it_brings_what_it_costs_and_how_long_it_takes(self, path):
        opening = nbformat.read(path, as_version=4).cells[0].source
        assert all(fact in opening for fact in ("**At the end**", "**Cost on Azure**", "**Time**"))

    def test_leaves_it_to_one_line_where_it_acts(self, path):
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert "client = connect()" in code[0]
        assert sum(source.count("connect(") for source in code) == 1
