"""What a person wants to know of a sealed plan beyond its totals, off its own files: the warehouse is not opened.

DuckDB does the counting, in a bounded amount of memory whatever the plan's size.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from activators.plan import ActivationPlan, Plan, Sample

# Bars of a histogram, values in a list of the most frequent, and rows shown of each kind.
BINS = 24
FREQUENT = 8
SAMPLES = 20
# Past this DuckDB uses the disk.
_MEMORY = "512MB"


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values stand between two, before and after."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How numbers, dates or moments are spread: as texts the least, the quartiles and the greatest, and a histogram."""

    least: str
    greatest: str
    # Quartiles, the middle one being the median; None where there is no value.
    before: tuple[str, str, str] | None
    after: tuple[str, str, str] | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often one value stands there, before and after. None is no value."""

    value: str | None
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PropertyReview:
    """What would become of one property. A spread for what has an order, frequencies for texts and booleans."""

    spread: Spread | None
    frequent: tuple[Frequency, ...]
    name: str
    family: str
    filled: int
    replaced: int
    cleared: int
    held: int
    kept: int
    invalid: int

    @property
    def changes(self) -> int:
        """Values that would be sent."""
        return self.filled + self.replaced + self.cleared


@dataclass(frozen=True, slots=True)
class ReasonReview:
    """The values that one rule kept back: how many, of which properties, and some of them."""

    decision: str
    reason: str
    values: int
    properties: tuple[tuple[str, int], ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard of an activation: what this plan has of it, and what it may have."""

    what: str
    here: str
    limit: str
    tripped: bool


@dataclass(frozen=True, slots=True)
class Review:
    """One activation of a plan."""

    plan: ActivationPlan
    properties: tuple[PropertyReview, ...]
    samples: tuple[Sample, ...]
    reasons: tuple[ReasonReview, ...]

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Each guard, tripped or not. A share of the day's calls is left out where the vendor counts none."""
        plan, limits = self.plan, self.plan.guards
        known = plan.records + plan.left
        found = [
            _share(
                "records that would lose a value", plan.overwrites / known if known else 0.0, limits.max_change_share
            ),
            _share("records on which one property would be cleared", plan.clear_share, limits.max_clear_share),
        ]
        if plan.creates:
            tripped = plan.creates > limits.max_creates
            found.append(Guard("records that are created", f"{plan.creates:,}", f"{limits.max_creates:,}", tripped))
        if plan.quota_share is not None:
            found.append(_share("calls, of the day's", plan.quota_share, limits.max_quota_share))
        if plan.calls_left is not None:
            tripped = plan.calls > plan.calls_left
            found.append(
                Guard("calls, of those left at the landing", f"{plan.calls:,}", f"{plan.calls_left:,}", tripped)
            )
        return tuple(found)


def ages(plan: Plan) -> dict[str, str]:
    """By vendor: how long before the plan its newest landing began, in words."""
    return {vendor: _age((plan.created_at - at).total_seconds()) for vendor, at in sorted(plan.landings.items())}


def _age(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count:,} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _share(what: str, here: float, limit: float) -> Guard:
    return Guard(what, f"{here:.2%}", f"{limit:.0%}", here > limit)


def review(plan: Plan, samples: int = SAMPLES) -> tuple[Review, ...]:
    """Look at every activation of a plan. At most `samples` rows of each kind are shown."""
    with _opened() as connection:
        return tuple(_review(connection, item, plan.folder / item.file, samples) for item in plan.activations)


@contextmanager
def _opened() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute("set temp_directory = ?", [folder])
        connection.execute("set timezone = 'UTC'")
        yield connection


def _review(connection: duckdb.DuckDBPyConnection, plan: ActivationPlan, file: Path, samples: int) -> Review:
    connection.execute("set variable plan_file = ?", [str(file)])
    connection.execute("set variable bins = ?", [BINS])
    # `position` is where a value stands on a line: a number, or a date's or a moment's seconds.
    connection.execute(
        """
        create or replace temp view changes as
        select
            record_id, property, family, decision, reason,
            nullif(before, '') as before,
            nullif(after, '') as after
        from read_parquet(getvariable('plan_file'));

        create or replace temp macro place_of(family, value) as case
            when family = 'number' then try_cast(value as double)
            when family in ('date', 'datetime') and regexp_full_match(value, '-?[0-9]+')
                then try_cast(value as double) / 1000
            when family in ('date', 'datetime') then epoch(try_cast(value as timestamptz))
        end;

        create or replace temp view sides as
        select property, family, 'before' as side, before as value from changes where decision = 'send'
        union all
        select property, family, 'after' as side, after as value from changes where decision = 'send';

        create or replace temp view positions as
        select property, family, side, place_of(family, value) as position
        from sides
        where isfinite(place_of(family, value));
        """
    )
    spreads, frequent = _spreads(connection), _frequent(connection)
    rows = connection.execute(
        """
        select
            property,
            any_value(family),
            count(*) filter (where decision = 'send' and before is null and after is not null),
            count(*) filter (where decision = 'send' and before is not null and after is not null),
            count(*) filter (where decision = 'send' and after is null),
            count(*) filter (where decision = 'hold'),
            count(*) filter (where decision = 'keep'),
            count(*) filter (where decision = 'invalid')
        from changes
        group by property
        order by count(*) filter (where decision = 'send') desc, property
        """
    ).fetchall()
    return Review(
        plan,
        tuple(PropertyReview(spreads.get(row[0]), tuple(frequent[row[0]]), *row) for row in rows),
        _samples(connection, samples),
        _reasons(connection, samples),
    )


def _spreads(connection: duckdb.DuckDBPyConnection) -> dict[str, Spread]:
    bins: dict[str, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in range(BINS)])
    for name, side, number, count in connection.execute(
        """
        with bounds as (
            select property, min(position) as least, max(position) as greatest from positions group by property
        )

        select
            property,
            side,
            coalesce(
                least(
                    cast(floor((position - least) / nullif(greatest - least, 0) * getvariable('bins')) as integer),
                    getvariable('bins') - 1
                ),
                0
            ) as bin,
            count(*)
        from positions
        inner join bounds using (property)
        group by all
        """
    ).fetchall():
        bins[name][number][side == "after"] = count
    rows = connection.execute(
        """
        select
            property,
            any_value(family),
            min(position),
            max(position),
            quantile_cont(position, [0.25, 0.5, 0.75]) filter (where side = 'before'),
            quantile_cont(position, [0.25, 0.5, 0.75]) filter (where side = 'after')
        from positions
        group by property
        """
    ).fetchall()
    return {
        name: Spread(
            _told(connection, family, least),
            _told(connection, family, greatest),
            _quartiles(connection, family, before),
            _quartiles(connection, family, after),
            tuple(Bin(*counts) for counts in bins[name]),
        )
        for name, family, least, greatest, before, after in rows
    }


def _quartiles(
    connection: duckdb.DuckDBPyConnection, family: str, values: Sequence[float] | None
) -> tuple[str, str, str] | None:
    if not values:
        return None
    low, middle, high = (_told(connection, family, value) for value in values)
    return low, middle, high


def _told(connection: duckdb.DuckDBPyConnection, family: str, position: float) -> str:
    """A position as a person writes it."""
    if family == "number":
        return f"{position:,.10g}" if abs(position) < 1e10 else f"{position:.6g}"  # noqa: PLR2004  digits that fit
    # DuckDB, as Python's own times end with the year 9999 and begin with the year 1.
    form = "%Y-%m-%d" if family == "date" else "%Y-%m-%d %H:%M"
    (told,) = connection.execute(
        "select strftime(make_timestamp(cast(? * 1e6 as bigint)), ?)", [position, form]
    ).fetchone() or ("",)
    return str(told)


def _frequent(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Frequency]]:
    found: dict[str, list[Frequency]] = defaultdict(list)
    for name, value, before, after in connection.execute(
        """
        with counted as (
            select
                property,
                value,
                count(*) filter (where side = 'before') as before_count,
                count(*) filter (where side = 'after') as after_count
            from sides
            where family in ('string', 'boolean')
            group by property, value
        )

        select property, value, before_count, after_count
        from counted
        qualify row_number() over (
            partition by property order by greatest(before_count, after_count) desc, value
        ) <= ?
        order by property, greatest(before_count, after_count) desc, value
        """,
        [FREQUENT],
    ).fetchall():
        found[name].append(Frequency(value, before, after))
    return found


def _samples(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[Sample, ...]:
    """Changes of as many properties as there is room for, each time the same ones."""
    rows = connection.execute(
        """
        select record_id, property, before, after
        from (
            select
                *,
                row_number() over (partition by property order by hash(record_id), record_id) as place
            from changes
            where decision = 'send'
            qualify place <= $1
        )
        order by place, property
        limit $1
        """,
        [limit],
    ).fetchall()
    return tuple(Sample(*row) for row in sorted(rows, key=lambda row: (row[1], row[0])))


def _reasons(connection: duckdb.DuckDBPyConnection, limit: int) -> tuple[ReasonReview, ...]:
    counted: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for decision, reason, name, values in connection.execute(
        """
        select decision, reason, property, count(*)
        from changes
        where decision <> 'send'
        group by decision, reason, property
        order by decision, reason, count(*) desc, property
        """
    ).fetchall():
        counted[decision, reason].append((name, values))
    shown: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    rows: list[tuple[Any, ...]] = connection.execute(
        """
        select decision, reason, record_id, property, before, after
        from changes
        where decision <> 'send'
        qualify row_number() over (partition by decision, reason order by hash(record_id), record_id, property) <= ?
        order by decision, reason, record_id, property
        """,
        [limit],
    ).fetchall()
    for decision, reason, *sample in rows:
        shown[decision, reason].append(Sample(*sample))
    return tuple(
        ReasonReview(*key, sum(values for _, values in properties), tuple(properties), tuple(shown[key]))
        for key, properties in counted.items()
    )
