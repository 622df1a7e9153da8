"""What differs between two tables: DuckDB counts, and only what is shown comes into this process.

Rows are matched by the model's declared key; a model without one is compared as a bag of whole rows. Nulls are values.
Numbers of floating point are the same when they agree to nine digits: a sum depends on the order in which threads add.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from backhaul.compare.keys import Key, quoted

_FLOATING = frozenset({"FLOAT", "DOUBLE"})
_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a column's numbers are spread over a table; None where it has no number. `nulls` counts rows without one."""

    least: float | None
    p25: float | None
    median: float | None
    p75: float | None
    greatest: float | None
    mean: float | None
    nulls: int


@dataclass(frozen=True, slots=True)
class Mover:
    """One record whose number moved."""

    key: str
    before: float
    after: float
    delta: float


@dataclass(frozen=True, slots=True)
class Transition:
    """How many records went from one value to another. None is no value."""

    before: str | None
    after: str | None
    records: int


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """One column. Types are None in the version that does not have it; the rest is of records that both have.

    Distributions and movers are for columns that are numbers in both versions, transitions for the others.
    """

    name: str
    type_before: str | None
    type_after: str | None
    changed: int = 0
    filled: int = 0
    emptied: int = 0
    before: Distribution | None = None
    after: Distribution | None = None
    movers: tuple[Mover, ...] = ()
    transitions: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class TableDifference:
    """One model or seed. Row counts are None in the version that does not have it.

    `changed` counts records that both versions have, with another value in any column. Without a key there are none of
    these: a changed row is one that is removed and one that is added.
    """

    name: str
    kind: str
    key: tuple[str, ...]
    rows_before: int | None
    rows_after: int | None
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: tuple[ColumnDifference, ...] = ()
    # Some of the records that only one version has.
    added_keys: tuple[str, ...] = ()
    removed_keys: tuple[str, ...] = ()
    note: str | None = None

    @property
    def differs(self) -> bool:
        """Whether the versions say anything different."""
        gone = self.rows_before is None or self.rows_after is None
        return gone or bool(self.added or self.removed or self.changed or self.columns)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that both tables have, and where it stands in the view `joined`."""

    name: str
    place: int
    type_before: str
    type_after: str

    @property
    def is_number(self) -> bool:
        return all(_NUMBER.fullmatch(kind) for kind in (self.type_before, self.type_after))

    @property
    def sides(self) -> tuple[str, str]:
        """The column before and after, as values that can be compared with each other."""
        before, after = f"b_{self.place}", f"h_{self.place}"
        if self.type_before == self.type_after or self.is_number:
            return before, after
        return f"cast({before} as varchar)", f"cast({after} as varchar)"

    @property
    def differs(self) -> str:
        """A condition on a row that both tables have."""
        before, after = self.sides
        differs = f"{before} is distinct from {after}"
        if self.is_number and not _FLOATING.isdisjoint({self.type_before, self.type_after}):
            one, other = f"cast({before} as double)", f"cast({after} as double)"
            near = f"abs({one} - {other}) <= 1e-9 * greatest(abs({one}), abs({other}))"
            differs += f" and not coalesce(isfinite({one}) and isfinite({other}) and {near}, false)"
        return f"({differs})"


def rows_of(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """How many rows a table has."""
    return int(_row(connection, f"select count(*) from {relation}")[0])  # noqa: S608  a quoted name


def compare_tables(  # noqa: PLR0913, PLR0917  what to compare, how its rows are told apart, and how much to show
    connection: duckdb.DuckDBPyConnection,
    name: str,
    kind: str,
    before: str,
    after: str,
    keys: Sequence[Key],
    limit: int,
) -> TableDifference:
    """Compare two tables by the first of the keys that is one in both. At most `limit` examples of each kind."""
    columns = {side: _columns(connection, relation) for side, relation in (("before", before), ("after", after))}
    shared = [
        _Column(column, place, kind_before, columns["after"][column])
        for place, (column, kind_before) in enumerate(columns["before"].items())
        if column in columns["after"]
    ]
    own = [
        *(ColumnDifference(one, was, None) for one, was in columns["before"].items() if one not in columns["after"]),
        *(ColumnDifference(one, None, now) for one, now in columns["after"].items() if one not in columns["before"]),
    ]
    key, note = _usable_key(connection, (before, after), keys)
    if key is None:
        return _as_bags(connection, (name, kind, note), (before, after), shared, own)
    compared = [column for column in shared if key.is_expression or column.name not in key.names]
    _join(connection, before, after, key, compared)
    counts = _row(
        connection,
        f"""
        select
            count(*) filter (in_base),
            count(*) filter (in_head),
            count(*) filter (in_head and not in_base),
            count(*) filter (in_base and not in_head),
            count(*) filter (in_base and in_head and ({" or ".join(column.differs for column in compared) or "false"}))
            {"".join(_column_counts(column) for column in compared)}
        from joined
        """,  # noqa: S608  numbered columns
    )
    rows_before, rows_after, added, removed, changed = counts[:5]
    of_columns = [counts[place : place + 3] for place in range(5, len(counts), 3)]
    moved = [column for column, (count, _, _) in zip(compared, of_columns, strict=True) if count]
    _keep_changed(connection, moved)
    spread = [column for column in compared if column.is_number and (column in moved or added or removed)]
    spreads = [_distributions(connection, relation, spread) for relation in (before, after)]
    differences = [
        ColumnDifference(
            column.name,
            column.type_before,
            column.type_after,
            changed=of_column[0],
            filled=of_column[1],
            emptied=of_column[2],
            before=spreads[0].get(column.name),
            after=spreads[1].get(column.name),
            movers=_movers(connection, column, limit) if column in moved and column.is_number else (),
            transitions=_transitions(connection, column, limit) if column in moved and not column.is_number else (),
        )
        for column, of_column in zip(compared, of_columns, strict=True)
        if column in moved
        or column.type_before != column.type_after
        or spreads[0].get(column.name) != spreads[1].get(column.name)
    ]
    retyped_key = [
        ColumnDifference(column.name, column.type_before, column.type_after)
        for column in shared
        if column not in compared and column.type_before != column.type_after
    ]
    every = (*own, *retyped_key, *differences)
    own_keys = [
        _keys(connection, condition, limit) if count else ()
        for condition, count in (("in_head and not in_base", added), ("in_base and not in_head", removed))
    ]
    return TableDifference(
        name, kind, key.names, rows_before, rows_after, added, removed, changed, every, own_keys[0], own_keys[1], note
    )


def _as_bags(
    connection: duckdb.DuckDBPyConnection,
    named: tuple[str, str, str | None],
    relations: tuple[str, str],
    shared: Sequence[_Column],
    own: Sequence[ColumnDifference],
) -> TableDifference:
    """Count the rows that only one of the tables has, each as often as it has it more."""
    name, kind, note = named
    rows_before, rows_after = (rows_of(connection, relation) for relation in relations)
    added = 0
    if shared:
        selected = ", ".join(
            quoted(column.name)
            if column.type_before == column.type_after
            else f"cast({quoted(column.name)} as varchar)"
            for column in shared
        )
        (added,) = _row(
            connection,
            f"""
            select count(*)
            from (select {selected} from {relations[1]} except all select {selected} from {relations[0]})
            """,  # noqa: S608  quoted names
        )
    removed = rows_before - rows_after + added
    retyped = [
        ColumnDifference(column.name, column.type_before, column.type_after)
        for column in shared
        if column.type_before != column.type_after
    ]
    return TableDifference(name, kind, (), rows_before, rows_after, added, removed, columns=(*own, *retyped), note=note)


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> Mapping[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {relation}").fetchall()}


def _usable_key(
    connection: duckdb.DuckDBPyConnection, relations: tuple[str, str], keys: Sequence[Key]
) -> tuple[Key | None, str | None]:
    """The first key that tells the rows of both tables apart, or why there is none."""
    note = "no key is declared, so whole rows are compared"
    for key in keys:
        try:
            doubles = [_doubles(connection, relation, key) for relation in relations]
        except duckdb.BinderException:
            continue  # a column that one of the versions does not have
        if not any(doubles):
            return key, None
        where = " and ".join(side for side, count in zip(("before", "after"), doubles, strict=True) if count)
        note = f"{', '.join(key.names)} is not unique {where}, so whole rows are compared"
    return None, note


def _doubles(connection: duckdb.DuckDBPyConnection, relation: str, key: Key) -> int:
    """How many rows share their key with another one, but for the first of each."""
    (found,) = _row(
        connection,
        f"""
        select (select count(*) from {relation})
            - (select count(*) from (select 1 from {relation} group by {", ".join(key.expressions)}))
        """,  # noqa: S608  quoted names, or the project's own expression
    )
    return int(found)


def _join(connection: duckdb.DuckDBPyConnection, before: str, after: str, key: Key, columns: Sequence[_Column]) -> None:
    """Lay the tables side by side, in a view of this connection alone: DuckDB reads of it what a query asks for."""
    keys = key.expressions
    selected = ", ".join(
        [
            "true as is_there",
            f"concat_ws(' ', {', '.join(keys)}) as record",
            *(f"{expression} as key_{place}" for place, expression in enumerate(keys)),
            *(f"{quoted(column.name)} as c_{column.place}" for column in columns),
        ]
    )
    # A key whose type has changed is the same when it reads the same.
    matched = " and ".join(
        f"cast(base.key_{place} as varchar) is not distinct from cast(head.key_{place} as varchar)"
        if _retyped(connection, before, after, expression)
        else f"base.key_{place} is not distinct from head.key_{place}"
        for place, expression in enumerate(keys)
    )
    connection.execute(
        f"""
        create or replace temp view joined as
        select
            base.is_there is not null as in_base,
            head.is_there is not null as in_head,
            coalesce(base.record, head.record) as record
            {"".join(f", base.c_{one.place} as b_{one.place}, head.c_{one.place} as h_{one.place}" for one in columns)}
        from (select {selected} from {before}) as base
        full join (select {selected} from {after}) as head on {matched}
        """  # noqa: S608  quoted names, or the project's own expression
    )


def _retyped(connection: duckdb.DuckDBPyConnection, before: str, after: str, expression: str) -> bool:
    kinds = {
        connection.execute(f"describe select {expression} as key from {relation}").fetchall()[0][1]  # noqa: S608
        for relation in (before, after)
    }
    return len(kinds) > 1


def _column_counts(column: _Column) -> str:
    before, after = column.sides
    both = f"in_base and in_head and {column.differs}"
    return (
        f", count(*) filter ({both})"
        f", count(*) filter ({both} and {before} is null)"
        f", count(*) filter ({both} and {after} is null)"
    )


def _keep_changed(connection: duckdb.DuckDBPyConnection, columns: Sequence[_Column]) -> None:
    """Put the records that changed down once, so that the tables are not joined again for each column."""
    sides = "".join(f", b_{column.place}, h_{column.place}" for column in columns)
    connection.execute(
        f"""
        create or replace temp table changed as
        select record{sides} from joined
        where in_base and in_head and ({" or ".join(column.differs for column in columns) or "false"})
        """  # noqa: S608  numbered columns
    )


def _keys(connection: duckdb.DuckDBPyConnection, condition: str, limit: int) -> tuple[str, ...]:
    query = f"select record from joined where {condition} order by record limit ?"  # noqa: S608  our own words
    rows = connection.execute(query, [limit]).fetchall()
    return tuple(row[0] for row in rows)


def _distributions(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[_Column]
) -> dict[str, Distribution]:
    if not columns:
        return {}
    parts = []
    for column in columns:
        value = f"cast({quoted(column.name)} as double)"
        parts.append(
            f"min({value}), quantile_cont({value}, [0.25, 0.5, 0.75]), max({value}), avg({value}), "
            f"count(*) - count({value})"
        )
    found = _row(connection, f"select {', '.join(parts)} from {relation}")  # noqa: S608  quoted names
    spreads = {}
    for place, column in enumerate(columns):
        least, quartiles, greatest, mean, nulls = found[5 * place : 5 * place + 5]
        low, middle, high = map(_number, quartiles or (None, None, None))
        spreads[column.name] = Distribution(_number(least), low, middle, high, _number(greatest), _number(mean), nulls)
    return spreads


def _number(value: float | None) -> float | None:
    """To ten digits: the last ones of a mean depend on the order in which threads add."""
    return value if value is None or not math.isfinite(value) else float(f"{value:.10g}")


def _movers(connection: duckdb.DuckDBPyConnection, column: _Column, limit: int) -> tuple[Mover, ...]:
    before, after = (f"cast({side} as double)" for side in column.sides)
    rows = connection.execute(
        f"""
        select record, {before}, {after}, {after} - {before} as delta
        from changed
        where {column.differs} and delta is not null
        order by abs(delta) desc, record
        limit ?
        """,  # noqa: S608  numbered columns
        [limit],
    ).fetchall()
    return tuple(Mover(record, *(float(_number(one) or 0.0) for one in numbers)) for record, *numbers in rows)


def _transitions(connection: duckdb.DuckDBPyConnection, column: _Column, limit: int) -> tuple[Transition, ...]:
    before, after = (f"cast({side} as varchar)" for side in column.sides)
    rows = connection.execute(
        f"""
        select {before} as before, {after} as after, count(*) as records
        from changed
        where {column.differs}
        group by all
        order by records desc, before, after
        limit ?
        """,  # noqa: S608  numbered columns
        [limit],
    ).fetchall()
    return tuple(Transition(*row) for row in rows)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchall()[0]
