"""Makes random expressions of GitHub's workflow language, of those that nektos/act evaluates as GitHub does.

Left out is where act's source and the runner's differ: two nulls, or objects, compared with each other.
"""

from random import Random

NULLS = ("null", "github.event.client_payload.none", "github.event.client_payload.missing.deeper")
TEXTS = (
    "'a'",
    "'A text'",
    "''",
    "'it''s'",
    "'10'",
    "'9'",
    "'true'",
    "github.event.client_payload.text",
    "vars.MISSING",
)
NUMBERS = ("0", "1", "-3", "1.5", "0x10", "1e3", "github.event.client_payload.whole")
FLAGS = ("true", "false", "github.event.client_payload.flag")
LISTS = (
    "github.event.client_payload.list",
    "fromJSON('[\"a\", 2, true]')",
    "github.event.client_payload.people.*.name",
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def random_expressions(dice: Random, count: int) -> list[str]:
    """Some expressions, nested a few levels deep."""
    return [_any(dice, 3) for _ in range(count)]


def _any(dice: Random, depth: int) -> str:
    kinds = (_simple,) if depth == 0 else (_simple, _logical, _logical, _flag, _text, _text)
    return dice.choice(kinds)(dice, depth)


def _simple(dice: Random, depth: int) -> str:
    return dice.choice(dice.choice((NULLS, TEXTS, NUMBERS, FLAGS, LISTS)))


def _logical(dice: Random, depth: int) -> str:
    left, right = _any(dice, depth - 1), _any(dice, depth - 1)
    return f"({left} {dice.choice(('&&', '||'))} {right})"


def _flag(dice: Random, depth: int) -> str:
    match dice.randrange(4):
        case 0:
            return f"!{_any(dice, 0)}"
        case 1:
            return f"({dice.choice(NULLS + TEXTS)} {dice.choice(COMPARISONS)} {_value(dice, depth - 1)})"
        case 2:
            return f"({_value(dice, depth - 1)} {dice.choice(COMPARISONS)} {_value(dice, depth - 1)})"
        case _:
            function = dice.choice(("contains", "startsWith", "endsWith"))
            return f"{function}({_value(dice, depth - 1)}, {_value(dice, depth - 1)})"


def _value(dice: Random, depth: int) -> str:
    """A value that is neither null nor an object."""
    if depth <= 0:
        return dice.choice(dice.choice((TEXTS[:-1], NUMBERS, FLAGS)))
    return dice.choice((_flag, _text))(dice, depth)


def _text(dice: Random, depth: int) -> str:
    first, second = _any(dice, depth - 1), _any(dice, depth - 1)
    match dice.randrange(4):
        case 0:
            return f"format('{{0}}-{{1}} {{{{x}}}}', {first}, {second})"
        case 1:
            return f"join({dice.choice(LISTS)}, {dice.choice(TEXTS)})"
        case 2:
            return f"toJSON({dice.choice(NUMBERS + TEXTS[:5] + FLAGS)})"
        case _:
            return f"contains({dice.choice(LISTS)}, {_value(dice, 0)})"
