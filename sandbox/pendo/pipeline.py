"""Operators of Pendo's aggregation pipelines: each takes a stream of rows and gives one.

A pipeline is read as a whole before the first row moves, so that what cannot be understood is
refused at once. Only `sort`, `group`, `reduce`, `fork`, `join` and `merge` hold rows: `sort` those
that a `limit` right after it lets through, the others one row a group.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, tee

from sandbox.pendo.expressions import (
    Expression,
    MalformedPipelineError,
    Row,
    as_number,
    compile_expression,
    field_reader,
)
from sandbox.people import ANONYMOUS

Stream = Callable[[Iterable[Row]], Iterator[Row]]
# Opens a nested pipeline that has a source of its own.
Opener = Callable[[object], Iterable[Row]]


def run(rows: Iterable[Row], steps: Sequence[object], opened: Opener | None = None) -> list[Row]:
    """Apply a pipeline's operators, the source left out, and collect what comes out."""
    return list(compile_pipeline(steps, opened)(rows))


def compile_pipeline(steps: Sequence[object], opened: Opener | None = None) -> Stream:
    """Read a pipeline's operators, the source left out, in their order."""
    named = [_one(step) for step in steps]
    streams: list[Stream] = []
    for at, (name, argument) in enumerate(named):
        if name == "sort":
            streams.append(_sort(argument, _wanted(named[at + 1 :])))
        elif name in NESTING:
            if opened is None:
                raise MalformedPipelineError(f"{name} cannot stand here")
            streams.append(NESTING[name](argument, opened))
        elif name in OPERATORS:
            streams.append(OPERATORS[name](argument))
        else:
            raise MalformedPipelineError(f"unknown operator {name!r}")

    def stream(rows: Iterable[Row]) -> Iterator[Row]:
        for one in streams:
            rows = one(rows)
        return iter(rows)

    return stream


def _one(step: object) -> tuple[str, object]:
    if not isinstance(step, Mapping) or len(step) != 1:
        raise MalformedPipelineError(f"a pipeline step has one operator, got {step!r}")
    ((name, argument),) = step.items()
    return str(name), argument


def _wanted(following: Sequence[tuple[str, object]]) -> int | None:
    """Say how many of the first rows the operators after a sort look at; None for all."""
    skipped = 0
    for name, argument in following:
        if name == "skip":
            skipped += _count(argument, name)
        elif name == "limit":
            return skipped + _count(argument, name)
        else:
            return None
    return None


def is_identified(value: object) -> bool:
    """Tell a visitor or account that the product named from an anonymous one."""
    return bool(value) and not str(value).startswith((ANONYMOUS, "VISITOR-UNIQUE-ID"))


def _identified(argument: object) -> Stream:
    read = field_reader(argument)
    return lambda rows: (row for row in rows if is_identified(read(row)))


def _filter(argument: object) -> Stream:
    keep = compile_expression(argument)
    return lambda rows: (row for row in rows if keep(row))


def _named(argument: object, operator_name: str) -> list[tuple[list[str], Expression]]:
    """Read an object of expressions by field; a dotted name means a field within a field."""
    if not isinstance(argument, Mapping):
        raise MalformedPipelineError(f"{operator_name} takes an object, got {argument!r}")
    return [(str(name).split("."), compile_expression(text)) for name, text in argument.items()]


def _put(row: dict[str, object], path: list[str], value: object) -> None:
    """Set a field within a row; rows inside it may be shared, so they are copied."""
    *outer, last = path
    for name in outer:
        inner = row.get(name)
        fresh: dict[str, object] = dict(inner) if isinstance(inner, Mapping) else {}
        row[name] = fresh
        row = fresh
    row[last] = value


def _select(argument: object) -> Stream:
    columns = _named(argument, "select")
    if all(len(path) == 1 for path, _ in columns):
        flat = [(path[0], value) for path, value in columns]
        return lambda rows: ({name: value(row) for name, value in flat} for row in rows)
    return lambda rows: (_filled({}, row, columns) for row in rows)


def _eval(argument: object) -> Stream:
    columns = _named(argument, "eval")
    return lambda rows: (_filled(dict(row), row, columns) for row in rows)


def _filled(target: dict[str, object], row: Row, columns: Iterable[tuple[list[str], Expression]]) -> Row:
    for path, value in columns:
        _put(target, path, value(row))
    return target


def _sort(argument: object, wanted: int | None) -> Stream:
    if not isinstance(argument, list) or not argument:
        raise MalformedPipelineError(f"sort takes a list of fields, got {argument!r}")
    keys: list[tuple[Expression, bool]] = []
    for name in argument:
        falling = isinstance(name, str) and name.startswith("-")
        keys.append((field_reader(name[1:] if falling else name), falling))

    def place(row: Row) -> tuple[object, ...]:
        return tuple(_Falling(_rank(read(row))) if falling else _rank(read(row)) for read, falling in keys)

    if wanted is None:
        return lambda rows: iter(sorted(rows, key=place))
    return lambda rows: iter(heapq.nsmallest(wanted, rows, key=place))


def _rank(value: object) -> tuple[int, float, str]:
    """Order nulls before numbers before text."""
    number = as_number(value)
    if number is not None:
        return (1, number, "")
    return (0, 0, "") if value is None else (2, 0, str(value))


@dataclass(frozen=True, slots=True)
class _Falling:
    """A rank that orders the other way round."""

    rank: tuple[int, float, str]

    def __lt__(self, other: _Falling) -> bool:
        return other.rank < self.rank


def _count(argument: object, name: str) -> int:
    if not isinstance(argument, int) or isinstance(argument, bool) or argument < 0:
        raise MalformedPipelineError(f"{name} takes a number of rows, got {argument!r}")
    return argument


def _limit(argument: object) -> Stream:
    count = _count(argument, "limit")
    return lambda rows: islice(rows, count)


def _skip(argument: object) -> Stream:
    count = _count(argument, "skip")
    return lambda rows: islice(rows, count, None)


def _length(_argument: object) -> Stream:
    return lambda rows: iter([{"count": sum(1 for _ in rows)}])


def _unwind(argument: object) -> Stream:
    """Give a row for each entry of a list; with `keepEmpty` one row, too, where there is none."""
    if not isinstance(argument, Mapping) or not isinstance(argument.get("field"), str):
        raise MalformedPipelineError(f'unwind takes {{"field": …}}, got {argument!r}')
    read, path = field_reader(argument["field"]), str(argument["field"]).split(".")
    index, keeps = argument.get("index"), bool(argument.get("keepEmpty"))

    def unwound(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            values = read(row)
            entries = values if isinstance(values, list) else [] if values is None else [values]
            for at, entry in enumerate(entries or [None] if keeps else entries):
                fresh = dict(row)
                _put(fresh, path, entry)
                if isinstance(index, str):
                    fresh[index] = at
                yield fresh

    return unwound


class _Total:
    """What a group has of one field so far."""

    def __init__(self, kind: str, read: Expression | None) -> None:
        self._add, self._give = AGGREGATES[kind] if read is not None else (_count_row, _or_zero)
        self._read = read
        self._so_far: object = None

    def add(self, row: Row) -> None:
        value = True if self._read is None else self._read(row)
        if value is not None:
            self._so_far = self._add(self._so_far, value)

    def give(self) -> object:
        return self._give(self._so_far)


def _count_row(so_far: object, _value: object) -> object:
    return (so_far if isinstance(so_far, int) else 0) + 1


def _as_is(so_far: object) -> object:
    return so_far


def _or_zero(so_far: object) -> object:
    return 0 if so_far is None else so_far


def _sum(so_far: object, value: object) -> object:
    number = as_number(value)
    return so_far if number is None else (as_number(so_far) or 0) + number


def _mean(so_far: object, value: object) -> object:
    number = as_number(value)
    if number is None:
        return so_far
    total, count = so_far if isinstance(so_far, tuple) else (0, 0)
    return total + number, count + 1


def _distinct(so_far: object, value: object) -> object:
    seen = so_far if isinstance(so_far, set) else set()
    seen.add(repr(value))
    return seen


def _append(so_far: object, value: object) -> object:
    values = so_far if isinstance(so_far, list) else []
    values.append(value)
    return values


def _least(so_far: object, value: object) -> object:
    return value if so_far is None or _rank(value) < _rank(so_far) else so_far


def _greatest(so_far: object, value: object) -> object:
    return value if so_far is None or _rank(so_far) < _rank(value) else so_far


# How a value is added to what there is, and what is given in the end; nulls never come.
AGGREGATES: Mapping[str, tuple[Callable[[object, object], object], Callable[[object], object]]] = {
    "sum": (_sum, _or_zero),
    "avg": (_mean, lambda so_far: so_far[0] / so_far[1] if isinstance(so_far, tuple) else None),
    "count": (_distinct, lambda so_far: len(so_far) if isinstance(so_far, set) else 0),
    "min": (_least, _as_is),
    "max": (_greatest, _as_is),
    "first": (lambda so_far, value: value if so_far is None else so_far, _as_is),
    "list": (_append, lambda so_far: so_far or []),
}


def _totals(fields: object, operator_name: str) -> Callable[[], dict[str, _Total]]:
    """Read the aggregates of a group, an object or a list of them, and make fresh ones on demand."""
    fields = fields or {}
    if isinstance(fields, list):
        fields = {name: how for one in fields if isinstance(one, Mapping) for name, how in one.items()}
    if not isinstance(fields, Mapping):
        raise MalformedPipelineError(f"{operator_name} takes aggregates by field, got {fields!r}")
    plan: dict[str, tuple[str, Expression | None]] = {}
    for name, how in fields.items():
        if not isinstance(how, Mapping) or len(how) != 1 or next(iter(how)) not in AGGREGATES:
            known = ", ".join(AGGREGATES)
            raise MalformedPipelineError(f"an aggregate is one of {known}, got {how!r}")
        ((kind, source),) = how.items()
        counts_rows = kind == "count" and source is None
        plan[str(name)] = (kind, None if counts_rows else compile_expression(source))
    return lambda: {name: _Total(kind, read) for name, (kind, read) in plan.items()}


def _group(argument: object) -> Stream:
    if not isinstance(argument, Mapping) or not isinstance(argument.get("group"), list):
        raise MalformedPipelineError('group takes {"group": [...], "fields": {...}}')
    names = [str(name) for name in argument["group"]]
    keys = [field_reader(name) for name in argument["group"]]
    totals = _totals(argument.get("fields"), "group")

    def grouped(rows: Iterable[Row]) -> Iterator[Row]:
        groups: dict[tuple[object, ...], tuple[list[object], dict[str, _Total]]] = {}
        for row in rows:
            values = [read(row) for read in keys]
            key = tuple(repr(value) if isinstance(value, list | dict) else value for value in values)
            found = groups.get(key)
            if found is None:
                found = groups[key] = (values, totals())
            for total in found[1].values():
                total.add(row)
        for values, sums in groups.values():
            fields = {name: total.give() for name, total in sums.items()}
            yield {**dict(zip(names, values, strict=True)), **fields}

    return grouped


def _reduce(argument: object) -> Stream:
    """Aggregate all rows to one."""
    totals = _totals(argument, "reduce")

    def reduced(rows: Iterable[Row]) -> Iterator[Row]:
        sums = totals()
        for row in rows:
            for total in sums.values():
                total.add(row)
        yield {name: total.give() for name, total in sums.items()}

    return reduced


def _join(argument: object) -> Stream:
    """Lay rows with the same values of `fields` over each other, the first one's fields first."""
    fields = argument.get("fields") if isinstance(argument, Mapping) else None
    if not isinstance(fields, list):
        raise MalformedPipelineError(f'join takes {{"fields": [...]}}, got {argument!r}')
    keys = [field_reader(name) for name in fields]

    def joined(rows: Iterable[Row]) -> Iterator[Row]:
        found: dict[tuple[object, ...], dict[str, object]] = {}
        for row in rows:
            found.setdefault(tuple(read(row) for read in keys), {}).update(row)
        return iter(found.values())

    return joined


def _pipelines(argument: object, name: str) -> list[list[object]]:
    if not isinstance(argument, list) or not all(isinstance(one, list) for one in argument):
        raise MalformedPipelineError(f"{name} takes a list of pipelines, got {argument!r}")
    return argument


def _fork(argument: object, opened: Opener) -> Stream:
    """Send every row through each of several pipelines, and give what comes out of them in turn."""
    branches = [compile_pipeline(steps, opened) for steps in _pipelines(argument, "fork")]

    def forked(rows: Iterable[Row]) -> Iterator[Row]:
        copies = tee(rows, len(branches))
        return chain.from_iterable(branch(copy) for branch, copy in zip(branches, copies, strict=True))

    return forked


def _merge(argument: object, opened: Opener) -> Stream:
    """Add fields of another pipeline's rows to the rows that have the same values of `fields`."""
    fields = argument.get("fields") if isinstance(argument, Mapping) else None
    mappings = argument.get("mappings") if isinstance(argument, Mapping) else None
    if not isinstance(argument, Mapping) or not isinstance(fields, list) or not isinstance(mappings, Mapping):
        raise MalformedPipelineError('merge takes {"fields": [...], "mappings": {...}, "pipeline": [...]}')
    keys = [field_reader(name) for name in fields]
    wanted = [(str(name), field_reader(source)) for name, source in mappings.items()]
    others = opened(argument.get("pipeline"))

    def merged(rows: Iterable[Row]) -> Iterator[Row]:
        found = {tuple(read(other) for read in keys): {name: read(other) for name, read in wanted} for other in others}
        for row in rows:
            yield {**row, **found.get(tuple(read(row) for read in keys), {})}

    return merged


def spawned(argument: object, opened: Opener) -> Iterator[Row]:
    """Give the rows of several whole pipelines in turn."""
    return chain.from_iterable([opened(pipeline) for pipeline in _pipelines(argument, "spawn")])


OPERATORS: Mapping[str, Callable[[object], Stream]] = {
    "cat": lambda _argument: iter,
    "count": _length,
    "eval": _eval,
    "filter": _filter,
    "group": _group,
    "identified": _identified,
    "join": _join,
    "limit": _limit,
    "reduce": _reduce,
    "select": _select,
    "skip": _skip,
    "unwind": _unwind,
}
NESTING: Mapping[str, Callable[[object, Opener], Stream]] = {"fork": _fork, "merge": _merge}
