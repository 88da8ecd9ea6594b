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

    def test_has_unique_cell_names(self, path):
        names = [cell["id"] for cell in nbformat.read(path, as_version=4).cells]
        assert len(set(names)) == len(names)

    def test_keeps_no_outputs(self, path):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        kept = [cell["id"] for cell in cells if cell.outputs or cell.execution_count is not None]
        assert kept == [], f"Clear the outputs of {path.name}: they contain your data, and differ between runs."

    def test_opens_with_its_result_its_cost_and_its_duration(self, path):
        opening = nbformat.read(path, as_version=4).cells[0].source
        assert all(fact in opening for fact in ("**At the end**", "**Cost on Azure**", "**Time**"))

    def test_connects_in_one_line(self, path):
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert "client = connect()" in code[0]
        assert sum(source.count("connect(") for source in code) == 1
