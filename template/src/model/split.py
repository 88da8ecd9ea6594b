"""Split rows into training and holdout; no other code does this.

A hash of its identifier decides the side of a row, so that a row never changes sides when data is added.
"""

import argparse
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from model.contract import check_labelled, load_contract
from model.tables import read_metadata, read_mltable, write_json, write_rows

REPEAT = "@"
"""Separates an identifier from the number of a repeated measurement. All measurements of one thing stay on one side."""


def shares(identifiers: pd.Series, seed: str) -> np.ndarray:
    """Return a number in [0, 1) for each identifier, evenly spread and the same on every machine."""
    things = (f"{seed}:{str(name).partition(REPEAT)[0]}" for name in identifiers)
    digests = (blake2b(thing.encode(), digest_size=8).digest() for thing in things)
    return np.fromiter((int.from_bytes(digest) / 2**64 for digest in digests), float, len(identifiers))


def split(
    rows: pd.DataFrame, identifiers: pd.Series, holdout_share: float, seed: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training rows and holdout rows."""
    held_out = shares(identifiers, seed) < holdout_share
    return rows[~held_out], rows[held_out]


def main() -> None:
    """Split the labelled data asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="MLTable of labelled rows")
    parser.add_argument("--holdout-share", type=float, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--holdout", type=Path, required=True)
    arguments = parser.parse_args()

    contract = load_contract()
    rows = check_labelled(read_mltable(arguments.data), contract)
    training, holdout = split(rows, rows[contract.id_column], arguments.holdout_share, arguments.seed)
    if training.empty or holdout.empty:
        raise SystemExit(f"{len(rows)} rows are too few for both a training part and a holdout.")
    metadata = read_metadata(arguments.data)
    # A retraining appends the newest labelled slice, so the training part ends with rows of that slice.
    newest = rows[contract.id_column].tail(int(metadata.get("newest_rows", len(rows))))
    metadata["newest_training_rows"] = int(training[contract.id_column].isin(newest).sum())
    write_rows(training, arguments.training)
    write_rows(holdout, arguments.holdout)
    write_json(arguments.training / "asset.json", metadata)
    print(f"{len(training)} training rows, {len(holdout)} holdout rows")


if __name__ == "__main__":
    main()
