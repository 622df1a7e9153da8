"""Read SOQL text into a Query; what the names in it mean is left to `queries`.

Mixing AND with OR without parentheses is an error, as Salesforce has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import Refused, refused

LONGEST = 100_000  # characters of a query
_CONTEXT = 32  # characters shown before the place of an error

_TOKEN = re.compile(
    r"""\s+
    |(?P<datetime>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)
    |(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::\d+)?)
    |(?P<operator>!=|<>|<=|>=|=|<|>)
    |(?P<mark>[(),])""",
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_FUNCTIONS = ("count", "count_distinct", "sum", "avg", "min", "max")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a query; `kind` is the name of its group in the grammar."""

    kind: str
    text: str
    at: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in any case."""
        return self.kind == "name" and self.text.lower() in words


@dataclass(frozen=True, slots=True)
class Path:
    """A field, or a field of a parent: `Account.Owner.Name`."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over rows; `path` is None in COUNT()."""

    function: str
    path: Path | None
    alias: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on one field; `operator` is lower case, `not in` included."""

    path: Path
    operator: str
    values: tuple[Token, ...]
    subquery: Query | None = None


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by `and` or `or`, or one under `not`."""

    operator: str
    parts: tuple[Comparison | Logic, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A SOQL query as it was written."""

    text: str
    selected: tuple[Path | Aggregate | Query, ...]
    source: Path
    where: Comparison | Logic | None
    group_by: tuple[Path, ...]
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int

    def wide(self) -> bool:
        """Whether it selects anything but fields: aggregates or sub-queries."""
        return not all(isinstance(one, Path) for one in self.selected)


def parse(text: str) -> Query:
    """Read a query; raises Refused with MALFORMED_QUERY."""
    if len(text) > LONGEST:
        raise refused("QUERY_TOO_COMPLICATED", f"SOQL statements cannot be longer than {LONGEST} characters.")
    reader = _Reader(text)
    query = reader.query()
    reader.end()
    return query


def problem_at(text: str, at: int, message: str, code: str = "MALFORMED_QUERY") -> Refused:
    """Make a refusal that points at a place in the query, as Salesforce does."""
    row = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1)
    start = max(0, at - _CONTEXT)
    shown = text[start : at + _CONTEXT].replace("\n", " ")
    pointer = " " * (at - start) + "^"
    return refused(code, f"\n{shown}\n{pointer}\nERROR at Row:{row}:Column:{column + 1}\n{message}")


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            message = (
                "Found unterminated string literal"
                if text[at] == "'"
                else f"line 1:{at} no viable alternative at character '{text[at]}'"
            )
            raise problem_at(text, at, message)
        if match.lastgroup is not None:
            found.append(Token(match.lastgroup, match.group(), at))
        at = match.end()
    return [*found, Token("end", "<EOF>", len(text))]


class _Reader:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _tokens(text)
        self._next = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _unexpected(self, token: Token) -> Refused:
        return problem_at(self.text, token.at, f"unexpected token: '{token.text}'")

    def _accept(self, *words: str) -> bool:
        """Step over words that come next, all or none of them."""
        ahead = self._tokens[self._next : self._next + len(words)]
        if [token.text.lower() for token in ahead if token.kind != "string"] != list(words):
            return False
        self._next += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected(self._token)

    def _path(self) -> Path:
        token = self._take()
        if token.kind != "name" or ":" in token.text:
            raise self._unexpected(token)
        return Path(token.text, token.at)

    def _paths(self) -> tuple[Path, ...]:
        found = [self._path()]
        while self._accept(","):
            found.append(self._path())
        return tuple(found)

    def _count(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            raise self._unexpected(token)
        return int(token.text)

    def end(self) -> None:
        if self._token.kind != "end":
            raise self._unexpected(self._token)

    def query(self) -> Query:
        self._expect("select")
        selected = [self._selected()]
        while self._accept(","):
            selected.append(self._selected())
        self._expect("from")
        source = self._path()
        where = self._condition() if self._accept("where") else None
        group_by = self._paths() if self._accept("group", "by") else ()
        order_by: list[Order] = []
        if self._accept("order", "by"):
            order_by.append(self._order())
            while self._accept(","):
                order_by.append(self._order())
        limit = self._count() if self._accept("limit") else None
        offset = self._count() if self._accept("offset") else 0
        return Query(self.text, tuple(selected), source, where, group_by, tuple(order_by), limit, offset)

    def _selected(self) -> Path | Aggregate | Query:
        if self._accept("("):
            query = self.query()
            self._expect(")")
            return query
        name = self._path()
        if not self._accept("("):
            return name
        if name.text.lower() not in _FUNCTIONS:
            raise problem_at(self.text, name.at, f"Unknown function: {name.text}")
        path = None if self._token.text == ")" else self._path()
        self._expect(")")
        alias = None
        if self._token.kind == "name" and not self._token.is_word("from"):
            alias = self._take().text
        return Aggregate(name.text.lower(), path, alias, name.at)

    def _condition(self) -> Comparison | Logic:
        parts = [self._term()]
        joined = next((word for word in ("and", "or") if self._token.is_word(word)), None)
        while joined is not None and self._accept(joined):
            parts.append(self._term())
        if joined is not None and self._token.is_word("and", "or"):
            raise self._unexpected(self._token)
        return parts[0] if joined is None else Logic(joined, tuple(parts))

    def _term(self) -> Comparison | Logic:
        if self._accept("not"):
            return Logic("not", (self._term(),))
        if self._accept("("):
            inner = self._condition()
            self._expect(")")
            return inner
        path = self._path()
        token = self._take()
        if token.kind == "operator":
            return Comparison(path, token.text.replace("<>", "!="), (self._literal(),))
        if token.is_word("like"):
            return Comparison(path, "like", (self._literal(),))
        if token.is_word("not"):
            self._expect("in")
            return self._membership(path, "not in")
        if token.is_word("in", "includes", "excludes"):
            return self._membership(path, token.text.lower())
        raise self._unexpected(token)

    def _membership(self, path: Path, operator: str) -> Comparison:
        self._expect("(")
        if self._token.is_word("select"):
            subquery = self.query()
            self._expect(")")
            return Comparison(path, operator, (), subquery)
        values = [self._literal()]
        while self._accept(","):
            values.append(self._literal())
        self._expect(")")
        return Comparison(path, operator, tuple(values))

    def _literal(self) -> Token:
        token = self._take()
        if token.kind in ("mark", "operator", "end"):
            raise self._unexpected(token)
        return token

    def _order(self) -> Order:
        path = self._path()
        descending = self._accept("desc")
        if not descending:
            self._accept("asc")
        nulls_last = False
        if self._accept("nulls"):
            nulls_last = self._accept("last")
            if not nulls_last:
                self._expect("first")
        return Order(path, descending, nulls_last)


def unescaped(quoted: str) -> str:
    """Read a string literal with its quotes."""
    return ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), quoted[1:-1])
