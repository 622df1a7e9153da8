"""Pendo's daily usage and the answers to its polls.

Days are the subscription's, whose time zone Pendo does not tell. The last days change until they
are final, so they are read again on every load, and each replaces what was landed of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from math import ceil
from typing import Any, TypedDict

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.landing import BIGINT, BOOLEAN, TEXT, TIMESTAMP, Column, Mode, Reads, Row, json_text, resource, tables
from loaders.pendo.subscription import Subscription
from loaders.values import TooLong, Unreadable

HISTORY_DAYS = 400
# All of the history is read once; only the days that are not final are read again.
NEVER = timedelta.max
# A day of usage is final nine days later.
FINAL_AFTER_DAYS = 9
DAYS_A_CALL = 30
# Of a source whose size is not known yet.
FIRST_CALL_DAYS = 2
# An answer is held in memory whole, at a kilobyte a row.
ROWS_A_CALL = 50_000

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# Of every app. Excluded visitors' usage too, as final days are not read again when a visitor is let in again;
# the models leave out who is excluded today.
EVERYTHING = {"appId": 'expandAppIds("*")', "blacklist": "ignore"}

DAY = Column("day", BIGINT, nullable=False)
USAGE_COLUMNS = (
    Column("visitor_id", TEXT, "visitorId"),
    Column("account_id", TEXT, "accountId"),
    Column("app_id", BIGINT, "appId"),
    Column("server", TEXT),
    Column("remote_ip", TEXT, "remoteIp"),
    Column("user_agent", TEXT, "userAgent"),
    Column("num_events", BIGINT, "numEvents"),
    Column("num_minutes", BIGINT, "numMinutes"),
)
# True only in rows that empty their day; such rows never reach the table.
REMOVED = Column("removed", BOOLEAN)
LANDED_DAY_COLUMNS = (Column("object", TEXT, nullable=False), DAY, Column("landed_at", TIMESTAMP), REMOVED)
POLL_EVENT_COLUMNS = (
    Column("visitor_id", TEXT, "visitorId", nullable=False),
    Column("account_id", TEXT, "accountId", nullable=False),
    Column("guide_id", TEXT, "guideId", nullable=False),
    Column("poll_id", TEXT, "pollId", nullable=False),
    Column("poll_type", TEXT, "pollType"),
    Column("poll_response", TEXT, "pollResponse"),
    Column("browser_time", BIGINT, "browserTime", nullable=False),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """A kind of daily usage: its table, Pendo's source, and the columns that say what was used, if any.

    `detail` names the one with what a page's address or a track event carried: a JSON object.
    """

    table: str
    source: str
    used: tuple[Column, ...] = ()
    detail: str | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """Give the table's columns."""
        return (DAY, *self.used, *USAGE_COLUMNS, REMOVED)


USAGE = (
    Usage("events", "events"),
    Usage("page_events", "pageEvents", (Column("page_id", TEXT, "pageId"), Column("parameters", TEXT)), "parameters"),
    Usage("feature_events", "featureEvents", (Column("feature_id", TEXT, "featureId"),)),
    Usage(
        "track_events",
        "trackEvents",
        (Column("track_type_id", TEXT, "trackTypeId"), Column("properties", TEXT)),
        "properties",
    ),
)


@dataclass(frozen=True, slots=True)
class LandedDays:
    """The days of usage that one load lands, and those that it empties: a build reads these again, and no others.

    `before` are the days that were landed when nobody noted them, by table. The moment is that of the load, and not of
    its answers: a load that died may have kept them for this one, and a build may have read what it had landed by then.
    """

    before: Mapping[str, Collection[int]]
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    # The tables of which all is landed anew.
    whole: set[str] = field(default_factory=set)

    def noting(self, usage: DltResource) -> DltResource:
        """Note the days of a table of usage as its rows pass."""
        if usage.write_disposition == "replace":
            self.whole.add(usage.name)

        def note(rows: pa.Table) -> pa.Table:
            for one in rows.group_by(["day", "removed"]).aggregate([]).to_pylist():
                self.rows[usage.name, one["day"]] = self._row(usage.name, **one)
            return rows

        return usage.add_map(note)

    def resource(self) -> DltResource:
        """Make the resource of the `landed_days` table; it must come after the usage.

        The table is made anew only where all usage is: the notes of a table that this load does not read are to stay.
        """
        read_before = {usage.table for usage in USAGE if usage.table in dlt.current.source_state()}
        mode: Mode = "full" if self.whole and read_before <= self.whole else "incremental"

        def read() -> Iterator[pa.Table]:
            unnoted = {
                (table, day): self._row(table, day=day)
                for table, days in self.before.items()
                if table not in self.whole
                for day in days
            }
            # One table at least: a warehouse of before it gets it though nothing has changed.
            yield from tables((unnoted | self.rows).values(), LANDED_DAY_COLUMNS)

        days = resource("landed_days", LANDED_DAY_COLUMNS, read, mode)
        return days.apply_hints(columns={"removed": {"hard_delete": True}})

    def _row(self, table: str, *, day: int, removed: bool | None = None) -> Row:
        return {"object": table, "day": day, "landed_at": self.at, "removed": removed}


def landed_tables(warehouse: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Name the tables of Pendo's, or of files, that a warehouse has."""
    there = "select table_name from information_schema.tables where table_schema = 'pendo'"
    return frozenset(name for (name,) in warehouse.execute(there).fetchall())


def unnoted_days(warehouse: duckdb.DuckDBPyConnection) -> dict[str, list[int]]:
    """Read off a warehouse that has no table of landed days which days of usage it has."""
    there = landed_tables(warehouse)
    if "landed_days" in there:
        return {}
    return {
        usage.table: [day for (day,) in warehouse.execute(f"select distinct day from pendo.{usage.table}").fetchall()]  # noqa: S608
        for usage in USAGE
        if usage.table in there
    }


def usage_events(subscription: Subscription, usage: Usage, now: datetime, reads: Reads) -> DltResource:
    """Read daily usage: each day that is read again replaces what was landed of it."""
    start = reads.start(usage.table, now, {}, NEVER)
    mode: Mode = "full" if start is None else "incremental"
    days = _days(start, now)

    def rows(answers: Iterable[Answer], at: datetime) -> Iterator[pa.Table]:
        known: set[int] = set()
        for answer in answers:
            landed = _table(answer.rows(), usage)
            fresh = set(pc.unique(landed["day"]).to_pylist())
            if fresh & known:
                landed = landed.filter(pc.invert(pc.is_in(landed["day"], pa.array(list(known), BIGINT))))
            known |= fresh
            yield landed
        if mode == "incremental":
            gone: Iterator[Row] = ({"day": day, "removed": True} for day in _hours(days, at) if day not in known)
            yield from tables(gone, usage.columns, mode)

    def read() -> Iterator[pa.Table]:
        answers = _by_day(subscription, usage.source, days, now, reads)
        first = next(answers)
        yield from rows(chain([first], answers), first.at)
        reads.finish(usage.table, first.at, mode, {})

    events = resource(usage.table, usage.columns, read, mode)
    return events.apply_hints(primary_key=(), merge_key="day", columns={"removed": {"hard_delete": True}})


def poll_events(subscription: Subscription, now: datetime, reads: Reads) -> DltResource:
    """Read the answers to polls."""
    start = reads.start("poll_events", now, {}, NEVER)
    mode: Mode = "full" if start is None else "incremental"

    def rows(answers: Iterable[Answer]) -> Iterator[Row]:
        before: set[tuple[object, ...]] = set()  # ranges overlap their neighbours only
        for answer in answers:
            seen: set[tuple[object, ...]] = set()
            for row in answer.rows():
                # A visitor without an account answers polls too, and a key cannot be null.
                one = row | {"accountId": row.get("accountId") or ""}
                key = tuple(one.get(column.source) for column in POLL_EVENT_COLUMNS if not column.nullable)
                if key not in seen and key not in before:
                    yield one
                seen.add(key)
            before = seen

    def read() -> Iterator[pa.Table]:
        answers = _by_day(subscription, "pollEvents", _days(start, now), now, reads)
        first = next(answers)
        yield from tables(rows(chain([first], answers)), POLL_EVENT_COLUMNS, mode)
        reads.finish("poll_events", first.at, mode, {})

    return resource("poll_events", POLL_EVENT_COLUMNS, read, mode)


def _table(rows: list[dict[str, Any]], usage: Usage) -> pa.Table:
    """Turn Pendo's rows into the table's, in one conversion for all."""
    sent = [column for column in usage.columns if column is not REMOVED]
    if usage.detail is not None:
        for row in rows:
            if (carried := row.get(usage.detail)) is not None:
                row[usage.detail] = json_text(carried)
    kind = pa.struct([pa.field(column.source, column.type) for column in sent])
    try:
        parsed = pa.array(rows, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise Unreadable(f"Pendo sent {usage.source} rows that are not like its rows: {error}") from error
    if parsed.field("day").null_count:
        raise Unreadable(f"Pendo sent {usage.source} rows without a day")
    values = [*parsed.flatten(), pa.nulls(len(rows), REMOVED.type)]
    return pa.Table.from_arrays(
        values, schema=pa.schema([pa.field(column.name, column.type, column.nullable) for column in (*sent, REMOVED)])
    )


def _days(start: datetime | None, now: datetime) -> int:
    """Count the whole days before today to read: those that the last read could not know final.

    One more than that, as a day at the edge is read but cannot be told from its neighbour when the
    clocks change.
    """
    if start is None:
        return HISTORY_DAYS
    missed = ceil((now - start) / timedelta(days=1))
    return min(FINAL_AFTER_DAYS + missed + 1, HISTORY_DAYS)


class _Place(TypedDict):
    """How far a read of days has come: days covered, counted back from a moment (epoch milliseconds)."""

    origin: int
    covered: int
    rows_a_day: int


def _by_day(subscription: Subscription, source: str, days: int, now: datetime, reads: Reads) -> Iterator[Answer]:
    """Read the last whole days of an event source, newest first, in ranges that Pendo can answer.

    How many rows a day has is kept for the next load. Ranges are counted back from `now`, and each overlaps the one
    before by a day, because stepping back by 24 hours lands in a neighbouring day when the clocks changed in between.
    """
    sizes: dict[str, int] = dlt.current.source_state().setdefault("rows_a_day", {})

    def read(place: _Place | None) -> Iterator[tuple[Answer, _Place | None]]:
        if place is None:
            origin, covered = int(now.timestamp() * 1000), 0
            span = _span(sizes[source], days) if source in sizes else min(FIRST_CALL_DAYS, days)
        else:
            origin, covered, sizes[source] = place["origin"], place["covered"], place["rows_a_day"]
            span = _span(sizes[source], days - covered)
        while covered < days:
            overlap = 1 if covered else 0
            series: Mapping[str, object] = {
                "period": "dayRange",
                "first": origin - (covered - overlap) * DAY_MS,
                "count": -(span + overlap),
            }
            try:
                answer = subscription.aggregate({source: EVERYTHING, "timeSeries": series}, {"identified": "visitorId"})
            except TooLong:
                if span == 1:
                    raise
                span //= 2
                continue
            covered += span
            sizes[source] = max(1, len(answer.rows()) // span)
            more = _Place(origin=origin, covered=covered, rows_a_day=sizes[source])
            yield answer, more if covered < days else None
            span = _span(sizes[source], days - covered)

    return reads.answers(source, now, {"days": days}, read)


def _span(rows_a_day: int, days: int) -> int:
    """Say how many of some days one call may ask for."""
    return max(1, min(DAYS_A_CALL - 1, ROWS_A_CALL // rows_a_day, days))


def _hours(days: int, at: datetime) -> range:
    """List every moment at which a day may start that was surely read, if so many days were asked for at that moment.

    A day starts on a whole hour of UTC, as Pendo's time zones are such; which one, only the days that have rows tell.
    """
    end = int(at.timestamp() * 1000)
    return range(-((days * DAY_MS - HOUR_MS - end) // HOUR_MS) * HOUR_MS, end, HOUR_MS)
