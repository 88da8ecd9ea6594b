"""Evaluates the part of the Logic Apps expression language that the bridge's definition uses, and refuses all else."""

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z]\w*)|(?P<mark>\?\[|[\[\](),]))")

Functions = Mapping[str, Callable[..., Any]]


class ExpressionError(Exception):
    """The expression cannot be evaluated."""


def evaluate(template: Any, functions: Functions) -> Any:
    """Evaluate every expression in a JSON value: `@expression` alone, or `@{expression}` within a text."""
    if isinstance(template, dict):
        return {key: evaluate(value, functions) for key, value in template.items()}
    if isinstance(template, list):
        return [evaluate(value, functions) for value in template]
    if not isinstance(template, str):
        return template
    if template.startswith("@") and not template.startswith(("@{", "@@")):
        return _Parser(template[1:], functions).whole()
    return re.sub(r"@\{(.*?)\}", lambda found: _text(_Parser(found[1], functions).whole()), template)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


class _Parser:
    """Parses an expression from left to right and evaluates it in the same pass."""

    def __init__(self, text: str, functions: Functions):
        self._text, self._functions, self._tokens = text, functions, self._split(text)

    def whole(self) -> Any:
        value = self._value()
        if self._tokens:
            raise ExpressionError(f"There is more than one value in {self._text}.")
        return value

    def _split(self, text: str) -> list[str]:
        tokens, position = [], 0
        while position < len(text.rstrip()):
            found = TOKEN.match(text, position)
            if found is None:
                raise ExpressionError(f"{text[position:]} cannot be read in {text}.")
            tokens.append(found[0].strip())
            position = found.end()
        return tokens

    def _value(self) -> Any:
        if not self._tokens:
            raise ExpressionError(f"{self._text} ends too early.")
        token = self._tokens.pop(0)
        value: Any
        if token.startswith("'"):
            value = token[1:-1].replace("''", "'")
        elif token.isdigit():
            value = int(token)
        else:
            value = self._call(token)
        while self._tokens and self._tokens[0] in ("?[", "["):
            value = self._element(value, is_optional=self._tokens.pop(0) == "?[")
        return value

    def _call(self, name: str) -> Any:
        if name not in self._functions:
            raise ExpressionError(f"The emulator does not know the function {name}.")
        self._expect("(")
        arguments = []
        while self._tokens[:1] != [")"]:
            arguments.append(self._value())
            if self._tokens[:1] == [","]:
                self._tokens.pop(0)
        self._expect(")")
        try:
            return self._functions[name](*arguments)
        except (TypeError, AttributeError, IndexError) as error:
            raise ExpressionError(f"{name} cannot be applied in {self._text}: {error}") from error

    def _element(self, value: Any, is_optional: bool) -> Any:
        key = self._value()
        self._expect("]")
        if is_optional and value is None:
            return None
        if isinstance(value, dict) and (key in value or is_optional):
            return value.get(key)
        if isinstance(value, list) and isinstance(key, int) and key < len(value):
            return value[key]
        raise ExpressionError(f"There is no {key} in {self._text}.")

    def _expect(self, token: str) -> None:
        if not self._tokens or self._tokens.pop(0) != token:
            raise ExpressionError(f"{token} is missing in {self._text}.")


def _first(values: Any) -> Any:
    if not isinstance(values, list | str):
        raise TypeError("it is not a list")
    return values[0] if values else None


STANDARD: Functions = {
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *texts: "".join(_text(text) for text in texts),
    "empty": lambda value: not value,
    "first": _first,
    "last": lambda values: values[-1] if values else None,
    "split": lambda text, separator: text.split(separator),
}
