"""Evaluates the expressions of a workflow: the conditions of jobs and steps, and the texts with `${{ }}`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from azureml_emulator.github import values
from azureml_emulator.github.syntax import (
    Call,
    Context,
    ExpressionError,
    Index,
    Literal,
    Node,
    Not,
    Operation,
    parse,
    walk,
)

# GitHub looks for the end outside quoted texts.
EXPRESSION = re.compile(r"\$\{\{((?:[^'}]|'(?:[^']|'')*'|\}(?!\}))*)\}\}")
STATUS_FUNCTIONS = ("success", "failure", "always", "cancelled")


class Result(StrEnum):
    """The result of a job or step, in GitHub's words."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILURE = "failure"


@dataclass(frozen=True)
class Scope:
    """The values that an expression can read: contexts by name, and the results of earlier jobs or steps."""

    contexts: Mapping[str, Any]
    before: tuple[Result, ...] = ()

    def status(self, function: str) -> bool:
        """Return the value of a status function; nobody cancels a run here."""
        if function == "success":
            return all(result is Result.SUCCESS for result in self.before)
        return function == "always" or (function == "failure" and Result.FAILURE in self.before)


@dataclass(frozen=True)
class Text:
    """A text that contains expressions."""

    parts: tuple[str | Node, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Text":
        """Parse every `${{ }}` of a text.

        Raises:
            ExpressionError: GitHub would refuse one.
        """
        return cls(tuple(_parts(text)))

    @property
    def nodes(self) -> list[Node]:
        """Return its expressions."""
        return [part for part in self.parts if not isinstance(part, str)]

    def value(self, scope: Scope) -> Any:
        """Return the value if the text is a single expression, otherwise the text with each expression replaced."""
        if len(self.parts) == 1 and self.nodes:
            return evaluate(self.nodes[0], scope)
        return self.resolve(scope)

    def resolve(self, scope: Scope) -> str:
        """Return the text with each expression replaced by its value.

        Raises:
            ExpressionError: an expression cannot be evaluated, or an object is used as a text.
        """
        found = [part if isinstance(part, str) else evaluate(part, scope) for part in self.parts]
        if len(found) == 1 and isinstance(found[0], Mapping | list):
            raise ExpressionError(f"a text is expected, not an {values.to_text(found[0])}: toJSON makes one of it")
        return "".join(map(values.to_text, found))


@dataclass(frozen=True)
class Condition:
    """The `if` of a job or step; without one it runs if nothing has failed."""

    node: Node = field(default_factory=lambda: Call("success", ()))

    @classmethod
    def read(cls, text: str) -> "Condition":
        """Parse an `if`, with or without `${{ }}` around it.

        Raises:
            ExpressionError: GitHub would refuse it, or treat it as a text that is always true.
        """
        if not text.strip():
            raise ExpressionError("there is no condition: leave out the key, or write always()")
        parts = Text.read(text).parts
        if any(not isinstance(part, str) for part in parts) and len(parts) > 1:
            raise ExpressionError("`${{ }}` with text around it is always true on GitHub: leave out `${{` and `}}`")
        return cls(parse(text) if isinstance(parts[0], str) else parts[0])

    def holds(self, scope: Scope) -> bool:
        """Return whether the job or step runs.

        Raises:
            ExpressionError: it cannot be evaluated.
        """
        looks_back = any(isinstance(node, Call) and node.name in STATUS_FUNCTIONS for node in walk(self.node))
        # A condition without a status function holds only if nothing has failed.
        return (looks_back or scope.status("success")) and values.is_true(evaluate(self.node, scope))


def evaluate(node: Node, scope: Scope) -> Any:
    """Return the value of an expression.

    Raises:
        ExpressionError: a function cannot take its arguments.
    """
    match node:
        case Literal(value):
            return value
        case Context(name):
            return scope.contexts.get(name)
        case Index(target, None):
            return values.elements(evaluate(target, scope))
        case Index(target, key) if key is not None:
            return values.element(evaluate(target, scope), evaluate(key, scope))
        case Not(operand):
            return not values.is_true(evaluate(operand, scope))
        case Operation(operator, left, right):
            return _operate(operator, left, right, scope)
        case Call(name, arguments) if name in STATUS_FUNCTIONS:
            return scope.status(name)
        case Call(name, arguments):
            return values.FUNCTIONS[name](*(evaluate(argument, scope) for argument in arguments))
    raise TypeError(node)


def _operate(operator: str, left: Node, right: Node, scope: Scope) -> Any:
    first = evaluate(left, scope)
    if operator in ("&&", "||"):
        # As in JavaScript, they return an operand: `a || 'default'` is a text.
        return first if values.is_true(first) == (operator == "||") else evaluate(right, scope)
    second = evaluate(right, scope)
    match operator:
        case "==":
            return values.equal(first, second)
        case "!=":
            return not values.equal(first, second)
        case "<":
            return values.less(first, second)
        case ">":
            return values.less(second, first)
        case "<=":
            return values.less(first, second) or values.equal(first, second)
        case _:
            return values.less(second, first) or values.equal(first, second)


def _parts(text: str) -> Iterator[str | Node]:
    position = 0
    for found in EXPRESSION.finditer(text):
        if found.start() > position:
            yield _plain(text[position : found.start()])
        yield parse(found[1])
        position = found.end()
    if position < len(text) or not text:
        yield _plain(text[position:])


def _plain(text: str) -> str:
    if "${{" in text:
        raise ExpressionError("`${{` without `}}`")
    return text
