"""Expressions of Pendo's aggregation pipelines, as far as the sandbox speaks them.

They compare, combine and calculate: `==` `!=` `<` `<=` `>` `>=` `&&` `||` `!` `+` `-` `*` `/`,
parentheses, `x contains "y"`, `contains(x, "y")`, `startsWith(x, "y")`, `isNull(x)`, `if(x, a, b)`,
numbers, strings in any of three quotes, `true`, `false`, `null`, and fields by their dotted path. A missing
field is null; null compares equal only to null, and is in no order with anything.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

Row = Mapping[str, object]
Expression = Callable[[Row], object]

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<name>[A-Za-z_][\w.]*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/<>!(),]))""",
    re.VERBOSE,
)


def as_number(value: object) -> int | float | None:
    """Give a number as it is, and anything else as null."""
    return value if isinstance(value, int | float) else None


def _ordered(a: object, b: object, compare: Callable[..., bool]) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return compare(a, b)
    first, second = as_number(a), as_number(b)
    return first is not None and second is not None and compare(first, second)


def _sum(a: object, b: object, calculate: Callable[..., object]) -> object:
    if isinstance(a, str) and isinstance(b, str) and calculate is operator.add:
        return a + b
    first, second = as_number(a), as_number(b)
    return None if first is None or second is None else calculate(first, second)


def _has(whole: object, part: object) -> bool:
    if isinstance(whole, list):
        return part in whole
    return isinstance(whole, str) and isinstance(part, str) and part in whole


LEVELS: tuple[Mapping[str, Callable[[object, object], object]], ...] = (
    {"||": lambda a, b: bool(a) or bool(b)},
    {"&&": lambda a, b: bool(a) and bool(b)},
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": lambda a, b: _ordered(a, b, operator.lt),
        "<=": lambda a, b: _ordered(a, b, operator.le),
        ">": lambda a, b: _ordered(a, b, operator.gt),
        ">=": lambda a, b: _ordered(a, b, operator.ge),
        "contains": _has,
    },
    {
        "+": lambda a, b: _sum(a, b, operator.add),
        "-": lambda a, b: _sum(a, b, operator.sub),
    },
    {
        "*": lambda a, b: _sum(a, b, operator.mul),
        "/": lambda a, b: None if b == 0 else _sum(a, b, operator.truediv),
    },
)
FUNCTIONS: Mapping[str, tuple[int, Callable[..., object]]] = {
    "if": (3, lambda condition, then, otherwise: then if condition else otherwise),
    "isNull": (1, lambda value: value is None),
    "contains": (2, _has),
    "startsWith": (2, lambda a, b: str(a or "").startswith(str(b))),
}
WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None}


class MalformedPipelineError(ValueError):
    """The request cannot be understood; the message says which part."""


def compile_expression(text: object) -> Expression:
    """Turn an expression's text into a function of a row."""
    if not isinstance(text, str):
        raise MalformedPipelineError(f"an expression is a string, got {text!r}")
    return _Parser(text).parse()


class _Parser:
    """Recursive descent, one level of precedence after the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)

    def parse(self) -> Expression:
        expression = self._level(0)
        if self._tokens:
            raise self._error()
        return expression

    def _level(self, level: int) -> Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._tokens and self._tokens[0][1] in LEVELS[level]:
            function = LEVELS[level][self._tokens.pop(0)[1]]
            left = _both(function, left, self._level(level + 1))
        return left

    def _unary(self) -> Expression:
        kind, text = self._next()
        if text == "(":
            inner = self._level(0)
            self._expect(")")
            return inner
        if text in ("!", "-"):
            operand = self._unary()
            if text == "!":
                return lambda row: not operand(row)
            return lambda row: _sum(0, operand(row), operator.sub)
        if kind == "sign":
            raise self._error()
        if kind == "name" and text not in WORDS:
            return self._call(text) if self._peek() == "(" else field_reader(text)
        value = _literal(kind, text)
        return lambda _row: value

    def _call(self, name: str) -> Expression:
        if name not in FUNCTIONS:
            raise MalformedPipelineError(f"unknown function {name!r} in {self._text!r}")
        count, function = FUNCTIONS[name]
        self._expect("(")
        arguments = [self._level(0)]
        while self._peek() == ",":
            self._next()
            arguments.append(self._level(0))
        self._expect(")")
        if len(arguments) != count:
            raise MalformedPipelineError(f"{name} takes {count} arguments in {self._text!r}")
        return lambda row: function(*(argument(row) for argument in arguments))

    def _peek(self) -> str | None:
        return self._tokens[0][1] if self._tokens else None

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._error()
        return self._tokens.pop(0)

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise self._error()

    def _error(self) -> MalformedPipelineError:
        return MalformedPipelineError(f"malformed expression {self._text!r}")


def field_reader(path: object) -> Expression:
    """Read a field by its dotted path; an exact key wins over the path."""
    if not isinstance(path, str) or not path:
        raise MalformedPipelineError(f"a field is a name, got {path!r}")
    parts = path.split(".")
    if len(parts) == 1:
        return lambda row: row.get(path)

    def read(row: Row) -> object:
        if path in row:
            return row[path]
        value: object = row
        for part in parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    return read


def _literal(kind: str, text: str) -> object:
    if kind == "number":
        return float(text) if "." in text else int(text)
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "string" else WORDS[text]


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise MalformedPipelineError(f"malformed expression {text!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _both(function: Callable[[object, object], object], left: Expression, right: Expression) -> Expression:
    return lambda row: function(left(row), right(row))
