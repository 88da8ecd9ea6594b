"""Selects the projects to test: the product of four questions, and within it every pair of all choices."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from allpairspy import AllPairs

from variants.questionnaire import Answers, Questionnaire

FOUR = ("dataset", "compute_size", "monitor_type", "trigger")

Row = tuple[Any, ...]


def covering(questionnaire: Questionnaire) -> list[Answers]:
    """Return every combination of the four questions with the other answers at their defaults, then missing pairs."""
    four = questionnaire.variants(branching=FOUR)
    return covering_pairs(questionnaire, questionnaire.with_choices, list(four))


def covering_pairs(questionnaire: Questionnaire, names: Sequence[str], start: Sequence[Answers] = ()) -> list[Answers]:
    """Return projects that contain every possible pair of values of some questions; the first projects are given."""
    product = {_row(values, names): values for values in questionnaire.variants(branching=names)}
    rows = [_row(values, names) for values in start]
    # A combination is possible if some project has it, so that the rules of copier.yml need not be repeated.
    possible = {row[:length] for row in product for length in range(len(names) + 1)}
    offered = OrderedDict((name, list(dict.fromkeys(row[at] for row in product))) for at, name in enumerate(names))
    rows += [tuple(row) for row in AllPairs(offered, lambda row: tuple(row) in possible, list(map(list, rows)))]
    missing = pairs(product) - pairs(rows)
    while (
        missing
    ):  # allpairspy stops at the first row without a new pair and does not continue with the remaining pairs
        rows.append(max(product, key=lambda row: len(pairs([row]) & missing)))
        missing -= pairs([rows[-1]])
    return [product[row] for row in rows]


def covering_choices(questionnaire: Questionnaire, names: Sequence[str]) -> list[Answers]:
    """Return the default answers, and as few projects as possible with every other choice of some questions."""
    variants = {_row(values, names): values for values in questionnaire.variants(branching=names)}
    chosen = [_row(values, names) for values in questionnaire.variants(branching=())]
    taken = Counter({choice: 0 for row in variants for choice in enumerate(row)})
    taken.update(enumerate(chosen[0]))
    while not all(taken.values()):
        chosen.append(min(variants, key=lambda row: sorted(taken[choice] for choice in enumerate(row))))
        taken.update(enumerate(chosen[-1]))
    return [variants[row] for row in chosen]


def pairs(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Return every pair of values in a row, with their positions."""
    return {pair for row in rows for pair in combinations(enumerate(row), 2)}


def _row(values: Answers, names: Sequence[str]) -> Row:
    return tuple(values[name] for name in names)
