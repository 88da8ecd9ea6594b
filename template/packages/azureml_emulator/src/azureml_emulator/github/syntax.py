"""Parses GitHub's workflow expressions into trees: `needs.a.outputs.x == 'y' && !failure()`."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# GitHub refuses expressions that are nested more deeply.
DEEPEST = 50
TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>[-+]?(?:\d|\.\d)[\w.+-]*)"
    r"|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<mark>==|!=|<=|>=|&&|\|\||[!<>()\[\].,*])",
    re.ASCII,
)
DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
CONSTANTS = {"null": None, "true": True, "false": False}
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class ExpressionError(Exception):
    """The expression cannot be parsed or evaluated."""


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: Any


@dataclass(frozen=True)
class Context:
    """A context such as `github` or `needs`; its name is in lower case."""

    name: str


@dataclass(frozen=True)
class Index:
    """An element of a value: `target.name` or `target[key]`; without a key, all elements: `target.*`."""

    target: "Node"
    key: "Node | None"


@dataclass(frozen=True)
class Call:
    """A function call; the function's name is in lower case."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """A negation."""

    operand: "Node"


@dataclass(frozen=True)
class Operation:
    """Two operands with an operator between them."""

    operator: str
    left: "Node"
    right: "Node"


Node = Literal | Context | Index | Call | Not | Operation


def walk(node: Node) -> Iterator[Node]:
    """Return a node and all nodes below it."""
    yield node
    children: tuple[Node | None, ...] = ()
    match node:
        case Index(target, key):
            children = (target, key)
        case Call(_, arguments):
            children = arguments
        case Not(operand):
            children = (operand,)
        case Operation(_, left, right):
            children = (left, right)
    for child in children:
        if child is not None:
            yield from walk(child)


def parse(text: str) -> Node:
    """Parse the text between `${{` and `}}`.

    Raises:
        ExpressionError: GitHub would refuse it.
    """
    return _Parser(text).whole()


def to_number(text: str) -> float:
    """Convert a text to a number as GitHub and JavaScript do; the result is NaN if it is not a number."""
    text = text.strip()
    if not text:
        return 0.0
    if DECIMAL.fullmatch(text):
        return float(text)
    for prefix, base, digits in (("0x", 16, "[0-9a-fA-F]+"), ("0o", 8, "[0-7]+")):
        if text.startswith(prefix) and re.fullmatch(digits, text[2:]):
            return float(int(text[2:], base))
    return {"Infinity": math.inf, "-Infinity": -math.inf}.get(text, math.nan)


class _Parser:
    """Parses tokens from left to right; each method parses one rule of the grammar."""

    def __init__(self, text: str):
        self._text, self._tokens, self._at, self._depth = text, list(_split(text)), 0, 0

    def whole(self) -> Node:
        node = self._either()
        if self._at < len(self._tokens):
            raise self._error(f"unexpected `{self._tokens[self._at][1]}`")
        return node

    def _error(self, why: str) -> ExpressionError:
        return ExpressionError(f"cannot read the expression `{self._text.strip()}`: {why}")

    def _peek(self) -> str:
        kind, token = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return token if kind == "mark" else ""

    def _take(self, *marks: str) -> bool:
        found = self._peek() in marks
        self._at += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._error(f"`{mark}` is missing")

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._error("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _either(self) -> Node:
        node = self._both()
        while self._take("||"):
            node = Operation("||", node, self._both())
        return node

    def _both(self) -> Node:
        node = self._comparison()
        while self._take("&&"):
            node = Operation("&&", node, self._comparison())
        return node

    def _comparison(self) -> Node:
        node = self._negation()
        operator = self._peek()
        if self._take(*COMPARISONS):
            node = Operation(operator, node, self._negation())
        if self._peek() in COMPARISONS:
            raise self._error("compare two values at a time, with parentheses around the first two")
        return node

    def _nested(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"it is nested more than {DEEPEST} levels deep")
        node = self._either()
        self._depth -= 1
        return node

    def _negation(self) -> Node:
        negations = 0
        while self._take("!"):
            negations += 1
        node = self._postfix()
        for _ in range(negations):
            node = Not(node)
        return node

    def _postfix(self) -> Node:
        node = self._primary()
        while not isinstance(node, Literal) and self._peek() in (".", "["):
            if self._take("["):
                node = Index(node, self._index())
                continue
            self._at += 1
            kind, name = self._next()
            if kind != "name" and name != "*":
                raise self._error(f"a property's name is expected before `{name}`")
            node = Index(node, None if name == "*" else Literal(name))
        return node

    def _index(self) -> Node | None:
        if self._take("*"):
            self._expect("]")
            return None
        key = self._nested()
        self._expect("]")
        return key

    def _primary(self) -> Node:
        kind, found = self._next()
        if kind == "text":
            return Literal(found[1:-1].replace("''", "'"))
        if kind == "number":
            if math.isnan(number := to_number(found)):
                raise self._error(f"`{found}` is not a number")
            return Literal(number)
        if found == "(":
            node = self._nested()
            self._expect(")")
            return node
        if kind != "name":
            raise self._error(f"unexpected `{found}`")
        if found in CONSTANTS:
            return Literal(CONSTANTS[found])
        return self._call(found) if self._take("(") else Context(found.lower())

    def _call(self, name: str) -> Node:
        arguments: list[Node] = []
        if not self._take(")"):
            arguments.append(self._nested())
            while self._take(","):
                arguments.append(self._nested())
            self._expect(")")
        return Call(name.lower(), tuple(arguments))


def _split(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while rest := text[position:].lstrip():
        position = len(text) - len(rest)
        found = TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"cannot read the expression `{text.strip()}` from `{rest}` on")
        yield str(found.lastgroup), found[0]
        position = found.end()
