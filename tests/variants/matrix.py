"""Which projects are looked at: the product of four questions, and every pair of all choices on top of it."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from allpairspy import AllPairs

from variants.questionnaire import Answers, Questionnaire

FOUR = ("dataset", "compute_size", "monitor_type", "trigger")

Row = tuple[Any, ...]


def covering(questionnaire: Questionnaire) -> list[Answers]:
    """Every combination of the four questions, the others at their defaults; then what pairs of choices lack."""
    four = questionnaire.variants(branching=FOUR)
    return covering_pairs(questionnaire, questionnaire.with_choices, list(four))


def covering_pairs(questionnaire: Questionnaire, names: Sequence[str], start: Sequence[Answers] = ()) -> list[Answers]:
    """Projects that have every pair of values of some questions, if any project has it; the first of them are given."""
    product = {_row(values, names): values for values in questionnaire.variants(branching=names)}
    rows = [_row(values, names) for values in start]
    # A combination is possible if some project has it: what copier.yml rules out need not be said again.
    possible = {row[:length] for row in product for length in range(len(names) + 1)}
    offered = OrderedDict((name, list(dict.fromkeys(row[at] for row in product))) for at, name in enumerate(names))
    rows += [tuple(row) for row in AllPairs(offered, lambda row: tuple(row) in possible, list(map(list, rows)))]
    missing = pairs(product) - pairs(rows)
    while missing:  # allpairspy stops at the first row that brings nothing new, rather than go back for what is left
        rows.append(max(product, key=lambda row: len(pairs([row]) & missing)))
        missing -= pairs([rows[-1]])
    return [product[row] for row in rows]


def covering_choices(questionnaire: Questionnaire, names: Sequence[str]) -> list[Answers]:
    """The default answers, and as few projects as lead through every other choice of some questions."""
    variants = {_row(values, names): values for values in questionnaire.variants(branching=names)}
    chosen = [_row(values, names) for values in questionnaire.variants(branching=())]
    taken = Counter({choice: 0 for row in variants for choice in enumerate(row)})
    taken.update(enumerate(chosen[0]))
    while not all(taken.values()):
        chosen.append(min(variants, key=lambda row: sorted(taken[choice] for choice in enumerate(row))))
        taken.update(enumerate(chosen[-1]))
    return [variants[row] for row in chosen]


def pairs(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Every two values that stand together in a row, with their places."""
    return {pair for row in rows for pair in combinations(enumerate(row), 2)}


def _row(values: Answers, names: Sequence[str]) -> Row:
    return tuple(values[name] for name in names)
