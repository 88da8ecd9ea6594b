"""The `mlops` command: one thin function for each verb. Verbs import only what they need."""

import logging
import sys
import warnings
from typing import Annotated

import typer

from mlops.client import Target, connect
from mlops.errors import RunFailedError, WrongInputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Where = Annotated[
    Target | None, typer.Option("--target", help="Where to act; without it MLOPS_TARGET decides, else the laptop.")
]


@app.command()
def data(target: Where = None) -> None:
    """Build and register the data assets."""
    from mlops.assets import build_data
    from mlops.display import show_assets

    show_assets(build_data(connect(target)))


@app.command()
def train(target: Where = None) -> None:
    """Run the training pipeline and show what the gate decided."""
    from mlops.display import show_training
    from mlops.training import train

    show_training(train(connect(target)))


def run() -> None:
    """Run the command: exit code 2 for wrong input, 1 for a failed run, without a stack trace for either."""
    # The SDK warns on every load which of its classes are experimental.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        app()
    except (WrongInputError, RunFailedError) as error:
        print(f"mlops: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, WrongInputError) else 1)
