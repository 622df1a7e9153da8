"""The rows of the files that a load reads, in a DuckDB file of its own: from events to minutes, from minutes to days.

Events become minutes batch by batch, so that memory does not grow with the files: one row per file, visitor, account,
app, what was used, and minute. Days are local ones; a day is the millisecond at which it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from loaders.files.declaration import Events
from loaders.files.reading import Reject

ROWS_A_TABLE = 50_000
MEMORY = "512MB"
LONGEST_EVENT_SECONDS = 86_400
SCALES = {"s": 1_000_000, "ms": 1_000, "us": 1}
Batches = Iterator[pa.Table | Reject]
OURS = ("visitor_id", "account_id", "app_id", "type", "name", "duration")

TABLES = """
create table minutes (
    file varchar, day bigint, visitor_id varchar, account_id varchar, app_id bigint, type varchar, name varchar,
    minute timestamptz, num_events bigint, first_at bigint, last_at bigint
);
create table affected (day bigint primary key);
create table rejects (file varchar, line bigint, reason varchar, "row" varchar);
create table described (of varchar, id varchar, agent varchar, place bigint);
"""


@dataclass(slots=True)
class Scratch:
    """A DuckDB file for one load; the local days are those of `time_zone`."""

    path: Path
    time_zone: str
    _kept: duckdb.DuckDBPyConnection | None = field(default=None, init=False)

    def make(self) -> None:
        """Make the tables."""
        with self._opened() as connection:
            connection.execute(TABLES)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Open the file once for all that is done in the block: of many small files, opening it would take longest."""
        with self._opened() as connection:
            self._kept = connection
            try:
                yield
            finally:
                self._kept = None

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._kept is not None:
            yield self._kept
            return
        with duckdb.connect(self.path, config={"memory_limit": MEMORY}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection

    def add_events(self, file: str, batches: Batches, events: Events, *, only_affected: bool) -> int:
        """Add a file's events and count its rows; those of other days than the affected ones are left out, if asked.

        What cannot be read is in the rejects, unless the file was read for its affected days only.
        """
        count = 0
        kept = "join affected using (day)" if only_affected else ""
        with self._opened() as connection:
            for batch in batches:
                if isinstance(batch, Reject):
                    count += 1
                    if not only_affected:
                        self._reject(connection, batch)
                    continue
                count += batch.num_rows
                connection.register("batch", batch)
                connection.execute(f"create or replace temp table parsed as {_parsed(batch, events)}")
                connection.execute(_MINUTES.format(kept=kept), {"file": file, "zone": self.time_zone})
                if not only_affected:
                    connection.execute(_REJECTS, [file])
        return count

    def add_described(self, of: str, place: int, file: str, batches: Batches, mapping: Mapping[str, str]) -> None:
        """Add the visitors or accounts that a file describes; of several rows with one id the last counts.

        `place` is the file's place among its kind.
        """
        with self._opened() as connection:
            for batch in batches:
                if isinstance(batch, Reject):
                    self._reject(connection, batch)
                    continue
                connection.register("batch", batch)
                values = {ours: _text(batch, ours, column) for ours, column in mapping.items()}
                pairs = ", ".join(f"{_quoted(ours)}, {value}" for ours, value in values.items() if ours != "id")
                connection.execute(
                    f"create or replace temp table parsed as select line, {values['id']} as id, "  # noqa: S608
                    f"json_object({pairs}) as agent, 'no id' as reason, {_whole(batch)} as whole from batch"
                )
                connection.execute(f"{_REJECTS} and id is null", [file])
                connection.execute(_DESCRIBED, [of, place])

    @staticmethod
    def _reject(connection: duckdb.DuckDBPyConnection, reject: Reject) -> None:
        connection.execute(
            "insert into rejects values (?, ?, ?, ?)", [reject.file, reject.line, reject.reason, reject.row]
        )

    def days_of(self, file: str) -> list[int]:
        """Give the days on which a file has events."""
        return [day for (day,) in self._rows("select distinct day from minutes where file = ? order by 1", file)]

    def rejected_of(self, file: str) -> int:
        """Count a file's rejects."""
        return int(str(self._rows("select count(*) from rejects where file = ?", file)[0][0]))

    def first_reject(self) -> tuple[str, int, str] | None:
        """Give file, line and reason of the first reject."""
        rows = self._rows("select file, line, reason from rejects order by file, line limit 1")
        return rows[0] if rows else None

    def affect(self, days: Sequence[int]) -> None:
        """Note days whose rows are to be replaced."""
        with self._opened() as connection:
            connection.execute("insert or ignore into affected select unnest(?::bigint[])", [list(days)])

    def usage(self, kind: str | None, used: str | None) -> Iterator[pa.Table]:
        """Give the affected days' usage by visitor, account and app: all, or of one type of event by what was used.

        A minute in several apps is one minute of one of them, the first that has events on that day, so that the apps'
        minutes add up to distinct ones.
        """
        chosen = f"where type = {_quoted(kind)} and name is not null" if kind else ""
        what, also = (f"name as {used},", "name,") if used else ("", "")
        yield from self._stream(f"""
            with active as (
                select day, {also} visitor_id, account_id, app_id, minute, sum(num_events) as num_events,
                    sum(sum(num_events)) over (partition by day, {also} visitor_id, account_id, app_id) as app_events
                from minutes join affected using (day) {chosen}
                group by day, {also} visitor_id, account_id, app_id, minute
            ),
            counted as (
                select *,
                    row_number() over (
                        partition by day, {also} visitor_id, account_id, minute
                        order by app_events = 0, app_id nulls last
                    ) = 1 as is_counted
                from active
            )
            select day, {what} visitor_id, account_id, app_id, sum(num_events)::bigint as num_events,
                count(*) filter (where is_counted) as num_minutes
            from counted group by day, {also} visitor_id, account_id, app_id
        """)  # noqa: S608 names and types of our own

    def visits(self) -> Iterator[pa.Table]:
        """Give when each visitor was first and last seen in an account, day by day."""
        yield from self._stream("""
            select day, visitor_id, account_id, min(first_at) as first_at, max(last_at) as last_at
            from minutes join affected using (day) group by day, visitor_id, account_id
        """)

    def empty_days(self, kind: str | None) -> list[int]:
        """List the affected days without an event of a type, or without any."""
        chosen = f"where type = {_quoted(kind)} and name is not null" if kind else ""
        rows = self._rows(f"select day from affected where day not in (select day from minutes {chosen}) order by 1")  # noqa: S608
        return [day for (day,) in rows]

    def rejects(self) -> Iterator[pa.Table]:
        """Give every reject."""
        yield from self._stream('select file, line, reason, "row" from rejects order by file, line')

    def described(self, of: str) -> Iterator[pa.Table]:
        """Give what is known of each visitor or account."""
        with self._opened() as connection:
            known = "select id, arg_max(agent, place) as agent from described where of = ? group by id"
            yield from _batches(connection.sql(known, params=[of]))

    def _stream(self, sql: str) -> Iterator[pa.Table]:
        with self._opened() as connection:
            yield from _batches(connection.sql(sql))

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._opened() as connection:
            return connection.execute(sql, values).fetchall()


def _batches(found: duckdb.DuckDBPyRelation) -> Iterator[pa.Table]:
    reader: pa.RecordBatchReader = found.to_arrow_reader(ROWS_A_TABLE)
    for batch in reader:
        yield pa.Table.from_batches([batch])


_REJECTS = "insert into rejects select ?, line, reason, whole from parsed where reason is not null"
_DESCRIBED = "insert into described select ?, id, agent, ? * 1000000000000 + line from parsed where id is not null"
_MINUTES = """
insert into minutes
with lasting as (
    select
        *,
        moment + to_microseconds(micros) as ended,
        -- What ends on the full minute is not active in the minute that begins then.
        datediff('minute', moment, moment + to_microseconds(greatest(micros - 1, 0))) as steps
    from (
        select *, cast(coalesce(duration, 0) * 1e6 as bigint) as micros from parsed where reason is null
    )
),
stepped as (select *, unnest(generate_series(0, steps)) as step from lasting),
timed as (select *, date_trunc('minute', moment) + to_minutes(step) as minute from stepped),
dated as (
    select
        *,
        epoch_ms(timezone($zone, date_trunc('day', timezone($zone, minute)))) as day,
        epoch_ms(case when step = 0 then moment else minute end) as first_at,
        epoch_ms(case when step = steps then ended else minute end) as last_at
    from timed
)
select
    $file, day, visitor_id, account_id, app_id, type, name, minute,
    count(*) filter (where step = 0), min(first_at), max(last_at)
from dated {kept}
group by day, visitor_id, account_id, app_id, type, name, minute
"""


def _parsed(batch: pa.Table, events: Events) -> str:
    """Write the query that reads a batch's values, and says of each row why it cannot be landed, if so."""
    raw = {ours: _text(batch, ours, events.mapping.get(ours)) for ours in (*OURS, "time")}
    return f"""
        select
            line, raw_visitor_id as visitor_id, raw_account_id as account_id, try_cast(raw_app_id as bigint) as app_id,
            case when lower(raw_type) in ('page', 'feature', 'track') then lower(raw_type) end as type,
            raw_name as name,
            try_cast(raw_duration as double) as duration, moment, whole,
            case
                when not readable then 'this is no JSON object'
                when raw_visitor_id is null then 'no visitor_id'
                when raw_time is null then 'no time'
                when moment is null then concat('time ', raw_time, ' is no time{_mend(events)}')
                when moment not between '1990-01-01' and '2100-01-01' then concat('time ', raw_time, ' is far away')
                when raw_app_id is not null and app_id is null then concat('app_id ', raw_app_id, ' is no whole number')
                when raw_duration is not null and not coalesce(duration between 0 and {LONGEST_EVENT_SECONDS}, false)
                    then concat('duration ', raw_duration, ' is no number of seconds within a day')
            end as reason
        from (
            select
                line, {_whole(batch)} as whole, {_readable(batch)} as readable,
                {_time(batch, events, raw["time"])} as moment,
                {", ".join(f"{value} as raw_{ours}" for ours, value in raw.items())}
            from batch
        )
    """  # noqa: S608 columns are ours, and keys of JSON are quoted


def _mend(events: Events) -> str:
    return "" if events.time_unit else "; if it counts seconds or milliseconds, set events.time_unit"


def _time(batch: pa.Table, events: Events, raw: str) -> str:
    """Write how a moment is read; one without an offset is in UTC."""
    if "time" in batch.schema.names and pa.types.is_temporal(batch.schema.field("time").type):
        return '"time"::timestamptz'
    if events.time_unit:
        return f"try(make_timestamptz(cast(try_cast({raw} as double) * {SCALES[events.time_unit]} as bigint)))"
    return f"try_cast({raw} as timestamptz)"


def _text(batch: pa.Table, ours: str, column: str | None) -> str:
    """Write how a value is read as text; a blank is none. In a JSON line, dots lead into objects."""
    if column is None:
        return "null::varchar"
    if "text" not in batch.schema.names:
        return f"nullif(trim({_name(ours)}::varchar), '')"
    steps = (step.replace("~", "~0").replace("/", "~1") for step in column.split("."))
    key = _quoted("/" + "/".join(steps))
    return f"case when {_readable(batch)} then nullif(trim(json_extract_string(text, {key})), '') end"


def _readable(batch: pa.Table) -> str:
    return "(json_valid(text) and left(text, 1) = '{')" if "text" in batch.schema.names else "true"


def _whole(batch: pa.Table) -> str:
    return "text" if "text" in batch.schema.names else "to_json(batch)::varchar"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
