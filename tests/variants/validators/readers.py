"""Files for which the project has its own reader: the reader accepts them unchanged."""

from importlib.util import find_spec
from pathlib import Path

from mlops.errors import WrongInputError
from mlops.settings import load_settings
from model.contract import ContractError, load_contract


def holds_settings(project: Path, paths: list[str]) -> list[str]:
    """`mlops` finds every setting, and no unknown setting."""
    try:
        load_settings(project)
    except WrongInputError as error:
        return [f"{paths[0]}: {error}"]
    return []


def is_contract(project: Path, paths: list[str]) -> list[str]:
    """The model's code can read the contract, and the module of its source exists."""
    try:
        module = load_contract(project / paths[0]).source.partition(":")[0]
    except ContractError as error:
        return [f"{paths[0]}: {error}"]
    file = project / "src" / f"{module.replace('.', '/')}.py"
    # A data set may also be a function of a library.
    is_there = file.exists() if module.startswith("model.") else find_spec(module) is not None
    return [] if is_there else [f"{paths[0]}: there is no module {module}"]
