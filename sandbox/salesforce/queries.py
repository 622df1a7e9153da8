"""Answer SOQL queries from the rows and fields that one user may see.

Strings compare without case, and null equals null, as Salesforce has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Protocol

from .errors import Refused, refused
from .ids import full_id
from .schema import NUMBERS, Entity, Field, Row, address
from .soql import ESCAPE, Aggregate, Comparison, Logic, Order, Path, Query, Token, problem_at, unescaped
from .values import read_date, read_time

MOST_SKIPPED = 2_000  # rows that OFFSET may skip
DEEPEST = 5  # parents in a field path
LONGEST_SPAN = 5  # digits of a number of days


class Database(Protocol):
    """The rows and fields that one user may see."""

    def entity(self, name: str) -> Entity | None:
        """Find an object."""

    def field(self, entity: Entity, name: str) -> Field | None:
        """Find a field that the user may read."""

    def reference(self, entity: Entity, relationship: str) -> Field | None:
        """Find the readable reference field behind a relationship's name."""

    def children(self, entity: Entity, relationship: str) -> tuple[Entity, Field] | None:
        """Find a child object and its reference field by the child relationship's name."""

    def rows(self, entity: Entity) -> Iterable[Row]:
        """Give an object's rows."""

    def lookup(self, entity: Entity, field: Field, values: Sequence[object]) -> Iterable[Row] | None:
        """Find an object's rows by values of a field; None if that would mean reading all of them."""

    def row(self, record_id: object) -> Row | None:
        """Find a row of any object that is not deleted."""

    def entity_of(self, row: Row) -> Entity:
        """Find the object that a row is of."""

    def attributes(self, entity: Entity, row: Row) -> dict[str, object]:
        """Say a record's type and address."""

    def today(self) -> date:
        """Give the user's date."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found: `rows` are rendered only when a page of them is sent."""

    entity: Entity
    total: int
    rows: Sequence[Row]
    render: Callable[[Row], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Column:
    """A selected field, its path as the answer names it, and how it is read from a row."""

    name: str
    field: Field
    get: Callable[[Row], object]


_Getter = Callable[[Row], object]
_Test = Callable[[Row], bool]
_Key = tuple[float, str]  # a value as it is compared: a number, or a text


@dataclass(frozen=True, slots=True)
class _Branch:
    """What a query selects of one record: fields, child rows, and branches of parents."""

    entity: Entity
    reference: str
    items: dict[str, Field | _Getter | _Branch]
    mixed: bool = False
    """Whether its records may be of several objects."""


def run(query: Query, database: Database) -> Answer:
    """Answer a query; raises Refused with INVALID_TYPE, INVALID_FIELD or MALFORMED_QUERY."""
    runner = _bound(query, database)
    return runner.answer(runner.candidates())


def columns(query: Query, database: Database) -> list[Column]:
    """Give the fields that a query selects; raises Refused as `run` does."""
    runner = _bound(query, database)
    runner.answer(())  # reads every part of the query, so that a wrong one is refused at once
    paths = [path for path in query.selected if isinstance(path, Path)]
    return [runner.column(path) for path in paths]


def _bound(query: Query, database: Database) -> _Runner:
    entity = database.entity(query.source.text)
    if entity is None:
        raise problem_at(
            query.text,
            query.source.at,
            f"sObject type '{query.source.text}' is not supported. If you are attempting to use a "
            "custom object, be sure to append the '__c' after the entity name. Please reference "
            "your WSDL or the describe call for the appropriate names.",
            "INVALID_TYPE",
        )
    return _Runner(query, database, entity)


class _Runner:
    """One query bound to an object of a database."""

    def __init__(self, query: Query, database: Database, entity: Entity) -> None:
        self.query = query
        self.database = database
        self.entity = entity

    def answer(self, rows: Iterable[Row]) -> Answer:
        query = self.query
        if query.offset > MOST_SKIPPED:
            raise refused("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MOST_SKIPPED}")
        aggregates = [one for one in query.selected if isinstance(one, Aggregate)]
        render = None if aggregates or query.group_by else self._renderer()
        orders = [] if render is None else [self._sorting(order) for order in query.order_by]
        if query.where is not None:
            test = self._test(query.where)
            rows = (row for row in rows if test(row))
        if render is None:
            return self._aggregated(aggregates, rows)
        found = list(rows)
        for key, descending in reversed(orders):
            found.sort(key=key, reverse=descending)
        found = found[self._cut()]
        return Answer(self.entity, len(found), found, render)

    def _cut(self) -> slice:
        """Give the rows that OFFSET and LIMIT leave."""
        query = self.query
        return slice(query.offset, None if query.limit is None else query.offset + query.limit)

    # fields

    def _resolve(self, path: Path) -> tuple[list[tuple[Field, Entity]], Entity, Field]:
        """Find a field: the references on the way and where they lead, its object, itself."""
        *relationships, name = path.text.split(".")
        entity = self.entity
        hops: list[tuple[Field, Entity]] = []
        if relationships and relationships[0].lower() == self.entity.name.lower():
            relationships.pop(0)
        if len(relationships) > DEEPEST:
            raise problem_at(self.query.text, path.at, f"Only {DEEPEST} parents in a path", "INVALID_FIELD")
        for relationship in relationships:
            reference = self.database.reference(entity, relationship)
            parent = None if reference is None else self.database.entity(reference.references[-1])
            if reference is None or parent is None:
                raise problem_at(
                    self.query.text,
                    path.at,
                    f"Didn't understand relationship '{relationship}' in field path. If you are "
                    "attempting to use a custom relationship, be sure to append the '__r' after "
                    "the custom relationship name. Please reference your WSDL or the describe "
                    "call for the appropriate names.",
                    "INVALID_FIELD",
                )
            hops.append((reference, parent))
            entity = parent
        field = self.database.field(entity, name)
        if field is None:
            raise problem_at(
                self.query.text,
                path.at,
                f"No such column '{name}' on entity '{entity.name}'. If you are attempting to use "
                "a custom field, be sure to append the '__c' after the custom field name. Please "
                "reference your WSDL or the describe call for the appropriate names.",
                "INVALID_FIELD",
            )
        return hops, entity, field

    def _getter(self, path: Path, *, purpose: str) -> tuple[Field, _Getter]:
        """Make a reader of a field's value, for `filtered`, `sorted` or `grouped`."""
        hops, _, field = self._resolve(path)
        able = {
            "filtered": field.filterable and field.type != "address",
            "sorted": field.sortable,
            "grouped": field.groupable,
        }
        if not able[purpose]:
            raise problem_at(
                self.query.text, path.at, f"field '{field.name}' can not be {purpose} in a query call", "INVALID_FIELD"
            )
        return field, self._reader(hops, field)

    def _reader(self, hops: Sequence[tuple[Field, Entity]], field: Field) -> _Getter:
        """Make a reader of a field's value from the row that its path starts at."""
        get = field.reader()
        references = [reference.name for reference, _ in hops]
        if not references:
            return get

        def through_parents(row: Row) -> object:
            current: Row | None = row
            for reference in references:
                current = self.database.row(None if current is None else current.get(reference))
            return None if current is None else get(current)

        return through_parents

    def column(self, path: Path) -> Column:
        """Bind a selected field."""
        hops, _, field = self._resolve(path)
        name = ".".join((*(hop.relationship or hop.name for hop, _ in hops), field.name))
        return Column(name, field, self._reader(hops, field))

    # WHERE

    def _test(self, condition: Comparison | Logic) -> _Test:
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        tests = [self._test(part) for part in condition.parts]
        if condition.operator == "and":
            return lambda row: all(test(row) for test in tests)
        if condition.operator == "or":
            return lambda row: any(test(row) for test in tests)
        return lambda row: not tests[0](row)

    def _comparison(self, condition: Comparison) -> _Test:
        field, get = self._getter(condition.path, purpose="filtered")
        normal = _normaliser(field)
        operator = condition.operator
        if condition.subquery is not None:
            chosen = frozenset(map(normal, self._column(condition.subquery)))
            return lambda row: (normal(get(row)) in chosen) == (operator == "in")
        if operator == "like":
            return self._like(field, get, condition.values[0])
        ranges = [self._range(field, token) for token in condition.values]
        if operator in ("in", "not in"):
            chosen = frozenset(normal(low) for low, _ in ranges)
            return lambda row: (normal(get(row)) in chosen) == (operator == "in")
        if operator in ("includes", "excludes"):
            return _includes(get, [str(low) for low, _ in ranges], wanted=operator == "includes")
        low, high = (normal(value) for value in ranges[0])
        if operator in ("=", "!="):
            return lambda row: _within(normal(get(row)), low, high) == (operator == "=")
        return lambda row: _ordered(operator, normal(get(row)), low, high)

    def _column(self, query: Query) -> list[object]:
        """Give the values of a semi-join's only column."""
        entity = self.database.entity(query.source.text)
        if entity is None or len(query.selected) != 1 or not isinstance(query.selected[0], Path):
            raise problem_at(self.query.text, query.source.at, "a semi join selects one field")
        inner = _Runner(query, self.database, entity)
        answer = inner.answer(self.database.rows(entity))
        _, get = inner._getter(query.selected[0], purpose="filtered")
        return [get(row) for row in answer.rows]

    def candidates(self) -> Iterable[Row]:
        """Give the rows that may fit: few where a condition that all must meet names ids or indexed values."""
        where = self.query.where
        conditions = where.parts if isinstance(where, Logic) and where.operator == "and" else (where,)
        for one in conditions:
            if isinstance(one, Comparison) and one.operator in ("=", "in") and one.subquery is None:
                hops, _, field = self._resolve(one.path)
                values = [] if hops or not field.filterable else [self._range(field, token)[0] for token in one.values]
                found = self.database.lookup(self.entity, field, values) if values else None
                if found is not None:
                    return found
        return self.database.rows(self.entity)

    def _like(self, field: Field, get: _Getter, token: Token) -> _Test:
        if token.kind != "string":
            raise self._wrong_literal(field, token, "string and should be enclosed in quotes")
        if field.type in NUMBERS or field.type in ("boolean", "date", "datetime", "reference"):
            raise problem_at(
                self.query.text, token.at, f"invalid operator on {field.type} field", "INVALID_QUERY_FILTER_OPERATOR"
            )
        matcher = re.compile(_like_pattern(token.text[1:-1]), re.IGNORECASE | re.DOTALL)

        def test(row: Row) -> bool:
            value = get(row)
            return value is not None and matcher.fullmatch(str(value)) is not None

        return test

    def _range(self, field: Field, token: Token) -> tuple[object, object]:
        """Read a literal as the first and last value that equal it."""
        if token.is_word("null"):
            return None, None
        value: object = None
        if field.type in NUMBERS:
            value = float(token.text) if token.kind == "number" else None
        elif field.type == "boolean":
            value = token.text.lower() == "true" if token.is_word("true", "false") else None
        elif field.type in ("date", "datetime"):
            return self._period(field, token)
        elif token.kind == "string":
            value = unescaped(token.text)
            if field.type in ("id", "reference") and value:
                return self._id(token, value), self._id(token, value)
            return value or None, value or None
        if value is None:
            wanted = "string and should be enclosed in quotes"
            if field.type in NUMBERS or field.type == "boolean":
                wanted = f"{field.type} and should not be enclosed in quotes"
            raise self._wrong_literal(field, token, wanted)
        return value, value

    def _id(self, token: Token, value: str) -> str:
        found = full_id(value)
        if found is None:
            raise problem_at(self.query.text, token.at, f"invalid ID field: {value}", "INVALID_QUERY_FILTER_OPERATOR")
        return found

    def _period(self, field: Field, token: Token) -> tuple[object, object]:
        if token.kind == "datetime" and field.type == "datetime":
            moment = read_time(token.text)
            if moment is not None:
                text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
                text += f"{moment.microsecond // 1000:03}+0000"
                return text, text
        if token.kind == "date" and field.type == "date" and (day := read_date(token.text)):
            return day.isoformat(), day.isoformat()
        days = _named_days(token, self.database.today())
        if days is None:
            kind = "dateTime" if field.type == "datetime" else field.type
            raise self._wrong_literal(field, token, f"{kind} and should not be enclosed in quotes")
        first, last = (day.isoformat() for day in days)
        if field.type == "date":
            return first, last
        return f"{first}T00:00:00.000+0000", f"{last}T23:59:59.999+0000"

    def _wrong_literal(self, field: Field, token: Token, wanted: str) -> Refused:
        return problem_at(
            self.query.text,
            token.at,
            f"value of filter criterion for field '{field.name}' must be of type {wanted}",
            "INVALID_FIELD",
        )

    # ORDER BY

    def _sorting(self, order: Order) -> tuple[Callable[[Row], tuple[bool, _Key]], bool]:
        field, get = self._getter(order.path, purpose="sorted")
        normal = _normaliser(field)
        # A sort in reverse turns the order of nulls round with everything else.
        null_key = order.nulls_last != order.descending

        def key(row: Row) -> tuple[bool, _Key]:
            value = normal(get(row))
            return (value is None) == null_key, value or (0.0, "")

        return key, order.descending

    # SELECT

    def _renderer(self) -> Callable[[Row], dict[str, object]]:
        root = _Branch(self.entity, "Id", {})
        seen: set[str] = set()
        for selected in self.query.selected:
            if isinstance(selected, Query):
                name, child = self._child(selected)
                root.items[name] = child
            elif isinstance(selected, Path):
                hops, _, field = self._resolve(selected)
                key = ".".join((*(hop.name for hop, _ in hops), field.name))
                if key in seen:
                    raise refused("INVALID_FIELD", f"duplicate field selected: {selected.text}")
                seen.add(key)
                branch = root
                for hop, parent in hops:
                    name = hop.relationship or hop.name
                    below = branch.items.setdefault(name, _Branch(parent, hop.name, {}, len(hop.references) > 1))
                    branch = below if isinstance(below, _Branch) else branch
                branch.items[field.name] = field
        return self._render(root)

    def _render(self, branch: _Branch) -> Callable[[Row], dict[str, object]]:
        getters = [(name, self._item(item)) for name, item in branch.items.items()]

        def render(row: Row) -> dict[str, object]:
            entity = self.database.entity_of(row) if branch.mixed else branch.entity
            record: dict[str, object] = {"attributes": self.database.attributes(entity, row)}
            for name, get in getters:
                record[name] = get(row)
            return record

        return render

    def _item(self, item: Field | _Getter | _Branch) -> _Getter:
        if isinstance(item, Field):
            return leaf(item)
        if not isinstance(item, _Branch):
            return item
        render, reference = self._render(item), item.reference

        def parent(row: Row) -> object:
            found = self.database.row(row.get(reference))
            return None if found is None else render(found)

        return parent

    def _child(self, query: Query) -> tuple[str, _Getter]:
        """Run a sub-query once and hand its rows out to their parents."""
        found = self.database.children(self.entity, query.source.text)
        if found is None:
            raise problem_at(
                self.query.text,
                query.source.at,
                f"Didn't understand relationship '{query.source.text}' in FROM part of query call. "
                "If you are attempting to use a custom relationship, be sure to append the '__r' "
                "after the custom relationship name. Please reference your WSDL or the describe "
                "call for the appropriate names.",
                "INVALID_TYPE",
            )
        child, reference = found
        runner = _Runner(query, self.database, child)
        families: dict[object, list[Row]] = {}
        for row in self.database.rows(child):
            families.setdefault(row.get(reference.name), []).append(row)

        def get(row: Row) -> object:
            answer = runner.answer(families.get(row["Id"], ()))
            if not answer.total:
                return None
            records = [answer.render(one) for one in answer.rows]
            return {"totalSize": answer.total, "done": True, "records": records}

        return reference.children or query.source.text, get

    # aggregates

    def _aggregated(self, aggregates: Sequence[Aggregate], rows: Iterable[Row]) -> Answer:
        query = self.query
        if len(query.selected) == 1 and aggregates and aggregates[0].path is None:
            count = sum(1 for _ in rows)
            return Answer(self.entity, len(range(count)[self._cut()]), (), dict)
        keys = [self._getter(path, purpose="grouped") for path in query.group_by]
        grouped = {field.name: get for field, get in keys}
        columns: list[_Column] = []
        for selected in query.selected:
            if isinstance(selected, Aggregate) and selected.path is not None:
                field, get = self._getter(selected.path, purpose="filtered")
                unnamed = sum(1 for column in columns if column.name.startswith("expr"))
                name = selected.alias or f"expr{unnamed}"
                columns.append(_Column(name, selected.function, get, _normaliser(field)))
            elif isinstance(selected, Path):
                _, _, field = self._resolve(selected)
                if field.name not in grouped:
                    raise problem_at(query.text, selected.at, f"Field must be grouped or aggregated: {selected.text}")
                columns.append(_Column(field.name, "", grouped[field.name], _normaliser(field)))
            else:
                raise problem_at(query.text, query.source.at, "Grouped query cannot use COUNT()")
        groups: dict[tuple[object, ...], list[Row]] = {} if keys else {(): []}
        for row in rows:
            groups.setdefault(tuple(get(row) for _, get in keys), []).append(row)
        found: list[Row] = [
            {"attributes": {"type": "AggregateResult"}, **{column.name: column.fold(members) for column in columns}}
            for members in groups.values()
        ][self._cut()]
        return Answer(self.entity, len(found), found, dict)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of a grouped query; `function` is empty for a grouping field."""

    name: str
    function: str
    get: _Getter
    normal: Callable[[object], _Key | None]

    def fold(self, members: Sequence[Row]) -> object:
        """Give the column's value for the rows of one group; nulls do not count."""
        if not self.function:
            return self.get(members[0])
        values = [value for value in map(self.get, members) if value is not None]
        if self.function == "count":
            return len(values)
        if self.function == "count_distinct":
            return len({self.normal(value) for value in values})
        if not values:
            return None
        if self.function in ("min", "max"):
            pick = min if self.function == "min" else max
            return pick(values, key=lambda value: self.normal(value) or (0.0, ""))
        total = sum(float(value) for value in values if isinstance(value, (int, float)))
        return total if self.function == "sum" else total / len(values)


def leaf(field: Field) -> _Getter:
    """Make a reader of a field's value as it is shown."""
    name = field.name
    if field.type == "address":
        prefix = name.removesuffix("Address")
        return lambda row: address(prefix, row)
    return field.reader()


def _normaliser(field: Field) -> Callable[[object], _Key | None]:
    """Make the form in which two values of a field are compared."""
    exact = field.case_sensitive or field.type in ("date", "datetime", "id", "reference")

    def normal(value: object) -> _Key | None:
        if value is None:
            return None
        if isinstance(value, (int, float)):
            return float(value), ""
        return 0.0, str(value) if exact else str(value).lower()

    return normal


def _within(value: _Key | None, low: _Key | None, high: _Key | None) -> bool:
    if value is None or low is None or high is None:
        return value is None and low is None
    return low <= value <= high


def _ordered(operator: str, value: _Key | None, low: _Key | None, high: _Key | None) -> bool:
    if value is None or low is None or high is None:
        return False
    if operator == "<":
        return value < low
    if operator == "<=":
        return value <= high
    if operator == ">":
        return value > high
    return value >= low


def _includes(get: _Getter, wanted_sets: Sequence[str], *, wanted: bool) -> _Test:
    """Test a multi-select picklist: each literal is choices that must all be there."""
    sets = [frozenset(one.lower().split(";")) for one in wanted_sets]

    def test(row: Row) -> bool:
        chosen = frozenset(str(get(row) or "").lower().split(";"))
        return any(one <= chosen for one in sets) == wanted

    return test


def _like_pattern(pattern: str) -> str:
    """Turn % and _ into a regular expression; a backslash makes them plain."""
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(wild.get(part) or re.escape(ESCAPE.sub(r"\1", part)) for part in parts)


def _named_days(token: Token, today: date) -> tuple[date, date] | None:
    """Read TODAY, YESTERDAY, TOMORROW, LAST_N_DAYS:n and NEXT_N_DAYS:n as first and last day."""
    word, _, count = token.text.lower().partition(":")
    if token.kind != "name" or len(count) > LONGEST_SPAN:
        return None
    near = {"yesterday": -1, "today": 0, "tomorrow": 1}
    if word in near and not count:
        day = today + timedelta(days=near[word])
        return day, day
    if word == "last_n_days" and count:
        return today - timedelta(days=int(count)), today
    if word == "next_n_days" and count:
        return today + timedelta(days=1), today + timedelta(days=int(count))
    return None
