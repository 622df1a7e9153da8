"""The metric models on a big product's usage, against one statement that a person wrote for the same table.

`BENCH_SCALE` is the share of the full size, 1 unless it is set. What is timed is the wall time from the start of dbt's
first node to the end of its last, data tests included, with the threads of profiles.yml; dbt's own start is left out,
and told. Days are landed newest first, as the loader does, and a night lands the open days again with none of their
rows as they were: the hardest case. A shared machine is half as fast in one minute as in another, and a night takes
seconds: there are five in a row, of which the median counts, between two full builds and two runs of the statement, of
which the means count. The second full build is a full refresh, and must make the rows that the nights left. Tables of
tagged pages and features, and of answers to surveys, are empty, as the statement reads the table of events alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import duckdb

from backhaul.transform import close_warehouse
from benchmarks.figures import Figure, peak_megabytes, seconds

ROOT = Path(__file__).parents[1]
EVENTS, VISITORS, ACCOUNTS = 50_000_000, 1_000_000, 20_000
DAYS = 400
AS_OF = date(2026, 3, 20)
NIGHTS = 5
ZONE = "America/New_York"
WINDOWS = (30, 90, 180)
KEPT = ("fct_visitor_metrics", "fct_account_metrics")
# dbt and DuckDB as they are, and 200 bytes for each event: a full build groups all days of all visitors at once.
PEAK_BASE_MB, PEAK_MB = 1_000, 10_000
# The metrics with all that they are made from, and what their seeds are tested against. Occurrences are no metric.
SELECTION = (
    *("--select", "+path:models/metrics", "+assert_chosen_usage_is_tagged", "stg_pendo__polls"),
    *(
        "--exclude",
        "int_occurrences sent_events assert_sent_events_are_tagged",
        "--indirect-selection",
        "cautious",
        "--exclude-resource-type",
        "unit_test",
    ),
)

EVENT_COLUMNS = """
    visitor_id varchar, account_id varchar, app_id bigint, server varchar, remote_ip varchar, user_agent varchar,
    num_events bigint, num_minutes bigint
"""
OTHER_TABLES = f"""
create table pendo.page_events (day bigint, page_id varchar, {EVENT_COLUMNS});
create table pendo.feature_events (day bigint, feature_id varchar, {EVENT_COLUMNS});
create table pendo.track_events (day bigint, track_type_id varchar, {EVENT_COLUMNS});
create table pendo.poll_events (visitor_id varchar, account_id varchar, guide_id varchar, poll_id varchar,
    poll_type varchar, poll_response varchar, browser_time bigint);
create table pendo.guides (guide_id varchar, app_id bigint, name varchar, state varchar, created_at bigint,
    updated_at bigint, reset_at bigint);
create table pendo.polls as select guide_id, poll_id, 0 as position, 'NumberScale' as type, '' as question,
    '' as guide_name from read_csv('{ROOT}/seeds/surveys.csv', all_varchar = true);
create table pendo.reads as select 'events' as object, timestamptz '{AS_OF} 12:00:00+00' as read_at, 'full' as mode;
create table pendo.landed_days as select 'events' as object, day, now() as landed_at from pendo.events group by day;
"""
TAGGED = """
create table pendo.{table} as select tagged_id as {key}, 1 as app_id, tagged_id as name, null::varchar as group_name,
    0 as created_at, 0 as updated_at from read_csv('{root}/seeds/chosen_usage.csv', all_varchar = true)
    where kind = '{kind}'
"""
# One person in twenty has a second account, with a third of their usage. Columns are drawn apart from each other.
MAKE_EVENTS = """
insert into pendo.events
with drawn as (
    select
        n,
        cast(floor(random() * {visitors}) as bigint) as visitor,
        random() < 0.35 as is_elsewhere
    from range({rows}) as rows (n)
)
select
    epoch_ms((date '{as_of}' - cast({newest} + n // {a_day} as integer))::timestamp at time zone '{zone}'),
    'visitor.' || lpad(visitor::varchar, 7, '0') || '@customer.example',
    'account-' || lpad(((visitor + (visitor % 20 = 0 and is_elsewhere)::integer) % {accounts})::varchar, 5, '0'),
    -323232,
    'app.product.example',
    '198.18.' || (random() * 255)::integer || '.' || (random() * 255)::integer,
    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    1 + (random() * 30)::integer,
    1 + (random() * 16)::integer
from drawn
"""
MAKE_PEOPLE = """
create table pendo.visitors as
select
    'visitor.' || lpad(n::varchar, 7, '0') || '@customer.example' as visitor_id,
    'account-' || lpad((n % {accounts})::varchar, 5, '0') as account_id,
    '["account-' || lpad((n % {accounts})::varchar, 5, '0') || '"]' as account_ids,
    1700000000000 + n as first_visit, 1773900000000 - n as last_visit, 1773900000000 as last_updated,
    random() < 0.02 as do_not_process, '{{}}' as agent, '{{}}' as custom
from range({visitors}) as rows (n);
create table pendo.accounts as
select
    'account-' || lpad(n::varchar, 5, '0') as account_id, 1700000000000 + n as first_visit,
    1773900000000 - n as last_visit, 1773900000000 as last_updated, '{{}}' as agent, '{{}}' as custom
from range({accounts}) as rows (n);
"""
SUMS = """
    count(*) filter (where day >= date '{as_of}' - {n}) as active_days_last_{n},
    coalesce(sum(minutes) filter (where day >= date '{as_of}' - {n}), 0) as minutes_last_{n},
    coalesce(sum(events) filter (where day >= date '{as_of}' - {n}), 0) as events_last_{n},
    coalesce(sum(minutes) filter (where day >= date '{as_of}' - 2 * {n} and day < date '{as_of}' - {n}), 0)
        as before_{n}
"""
RATES = """
    coalesce(active_days_last_{n}, 0) as active_days_last_{n},
    coalesce(minutes_last_{n}, 0) as minutes_last_{n},
    coalesce(events_last_{n}, 0) as events_last_{n},
    round(10000 * coalesce(active_days_last_{n}, 0)::double / {n}) / 100 as active_days_percent_last_{n},
    round(100 * events_last_{n}::double / nullif(active_days_last_{n}, 0)) / 100 as events_per_active_day_last_{n},
    round(10000 * (minutes_last_{n} - before_{n})::double / nullif(before_{n}, 0)) / 100
        as usage_trend_percent_last_{n},
    case when before_{n} > 0 then null when minutes_last_{n} > 0 then 'new' else 'none' end
        as usage_trend_reason_last_{n}
"""
HANDWRITTEN = """
create table handwritten as
with counted as (
    select visitor_id from pendo.visitors where not do_not_process
),
daily as materialized (
    select
        visitor_id, account_id,
        cast(to_timestamp(day / 1000) at time zone '{zone}' as date) as day,
        sum(num_events) as events, sum(num_minutes) as minutes
    from pendo.events join counted using (visitor_id)
    group by all
),
by_visitor as (
    select visitor_id, {sums}
    from (select visitor_id, day, sum(events) as events, sum(minutes) as minutes from daily group by all)
    group by visitor_id
),
by_account as (
    select account_id, {sums}
    from (select account_id, day, sum(events) as events, sum(minutes) as minutes from daily group by all)
    group by account_id
),
breadth as (
    select account_id, {active}
    from (select account_id, visitor_id, max(day) as last_day from daily where day < date '{as_of}' group by all)
    group by account_id
)
select 'visitor' as kind, visitor_id as id, {none}, {rates}
from counted left join by_visitor using (visitor_id)
union all
select 'account' as kind, account_id as id, {breadth}, {rates}
from pendo.accounts left join by_account using (account_id) left join breadth using (account_id)
"""


def metrics() -> list[Figure]:
    """Build the metrics in full, and after nights; each time the statement must have the same rows."""
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    with TemporaryDirectory() as folder:
        warehouse = Path(folder) / "warehouse.duckdb"
        _make(warehouse, scale)
        fulls = [_build(warehouse)]
        # Before the statement, which takes memory of its own. A night takes less than the full build.
        peak = peak_megabytes()
        hands = [_compare_by_hand(warehouse, AS_OF)]
        nights = []
        for night in range(1, NIGHTS + 1):
            _let_a_night_pass(warehouse, scale, night)
            nights.append(_build(warehouse))
        hands.append(_compare_by_hand(warehouse, AS_OF + timedelta(days=NIGHTS)))
        _keep_metrics(warehouse)
        fulls.append(_build(warehouse, "--full-refresh"))
        _compare_kept(warehouse)
    full, hand = _mean(fulls), _mean(hands)
    nightly = sorted(nights, key=lambda build: build.seconds)[NIGHTS // 2]
    detail = {
        "events": int(EVENTS * scale),
        "visitors": int(VISITORS * scale),
        "accounts": int(ACCOUNTS * scale),
        "full_seconds": full.seconds,
        "each_full_seconds": _each(fulls),
        "full_processor_seconds": full.processor_seconds,
        "slowest": fulls[0].slowest,
    }
    return [
        Figure(
            "metrics.full_vs_handwritten",
            full.seconds / hand.seconds,
            "times",
            {
                **detail,
                "at_most": 1.3,
                "handwritten_seconds": hand.seconds,
                "each_handwritten_seconds": _each(hands),
                "of_processor_seconds": full.processor_seconds / hand.processor_seconds,
                "dbt_start_left_out_seconds": fulls[0].overhead,
            },
        ),
        Figure(
            "metrics.nightly_vs_full",
            nightly.seconds / full.seconds,
            "times",
            {
                **detail,
                "at_most": 0.1,
                "nightly_seconds": nightly.seconds,
                "each_night_seconds": _each(nights),
                "slowest": nightly.slowest,
                "of_processor_seconds": nightly.processor_seconds / full.processor_seconds,
                "nightly_processor_seconds": nightly.processor_seconds,
            },
        ),
        Figure(
            "metrics.peak_mb",
            peak,
            "MB",
            {
                **detail,
                "at_most": PEAK_BASE_MB + PEAK_MB * scale,
                "of": "the whole process at the end of the full build, dbt's own modules included",
            },
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a statement took by the clock and of the processors."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True, slots=True)
class _Build(_Spent):
    """What nodes took, what dbt took around them, and the slowest of them."""

    overhead: float
    slowest: str


def _mean(spent: Sequence[_Spent]) -> _Spent:
    return _Spent(mean(one.seconds for one in spent), mean(one.processor_seconds for one in spent))


def _each(spent: Sequence[_Spent]) -> str:
    return " ".join(f"{one.seconds:.1f}" for one in spent)


def _make(warehouse: Path, scale: float) -> None:
    sizes = {"visitors": int(VISITORS * scale), "accounts": int(ACCOUNTS * scale)}
    with _opened(warehouse) as connection:
        connection.execute("create schema pendo")
        connection.execute(f"create table pendo.events (day bigint, {EVENT_COLUMNS})")
        connection.execute("select setseed(0.5)")
        _insert_days(connection, scale, newest=1, days=DAYS)
        connection.execute(MAKE_PEOPLE.format(**sizes))
        connection.execute(OTHER_TABLES)
        for table, kind in (("pages", "page"), ("features", "feature"), ("track_types", "track_type")):
            connection.execute(TAGGED.format(table=table, key=f"{kind}_id", kind=kind, root=ROOT))


def _insert_days(connection: duckdb.DuckDBPyConnection, scale: float, *, newest: int, days: int) -> None:
    """Add days of usage, the newest so many days before AS_OF."""
    a_day = int(EVENTS * scale) // DAYS
    sizes = {"visitors": int(VISITORS * scale), "accounts": int(ACCOUNTS * scale)}
    statement = MAKE_EVENTS.format(rows=a_day * days, a_day=a_day, newest=newest, as_of=AS_OF, zone=ZONE, **sizes)
    connection.execute(statement)


def _let_a_night_pass(warehouse: Path, scale: float, night: int) -> None:
    """Land one more day, and the nine days before it again, which say something else now."""
    again = f"cast(to_timestamp(day / 1000) at time zone '{ZONE}' as date) >= date '{AS_OF}' + {night - 10}"
    with _opened(warehouse) as connection:
        for table in ("events", "landed_days"):
            connection.execute(f"delete from pendo.{table} where {again}")
        _insert_days(connection, scale, newest=1 - night, days=10)
        landed = f"select 'events', day, now() from pendo.events where {again} group by day"
        connection.execute(f"insert into pendo.landed_days {landed}")
        connection.execute("update pendo.reads set read_at = read_at + interval 1 day")


def _build(warehouse: Path, *options: str) -> _Build:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 - dbt takes seconds to import

    os.environ["BACKHAUL_WAREHOUSE"] = str(warehouse)
    places = {"--project-dir": ROOT, "--profiles-dir": ROOT, "--target-path": warehouse.with_name("target")}
    arguments = [
        *("build", *SELECTION, *options, "--log-level", "none", "--log-path", str(warehouse.with_name("logs"))),
        *(str(part) for place in places.items() for part in place),
    ]
    results: list[Any] = []
    spent_by: list[float] = []

    def note(event: Any) -> None:  # noqa: ANN401  dbt's protobuf message
        if event.info.name in {"NodeStart", "NodeFinished"}:
            spent_by.append(process_time())

    def run() -> None:
        outcome = dbtRunner(callbacks=[note]).invoke(arguments)
        close_warehouse()
        results.extend(getattr(outcome.result, "results", ()))
        failed = [f"{one.node.name}: {one.message}" for one in results if one.status in {"error", "fail"}]
        if failed or not outcome.success:
            raise RuntimeError(f"dbt build: {failed or outcome.exception}")

    took = seconds(run)
    nodes = sorted(((one.execution_time, one.node.name) for one in results), reverse=True)
    steps = [step for one in results for step in one.timing]
    began, ended = min(step.started_at for step in steps), max(step.completed_at for step in steps)
    spent = (ended - began).total_seconds()
    return _Build(
        spent, spent_by[-1] - spent_by[0], took - spent, "; ".join(f"{name} {time:.1f} s" for time, name in nodes[:4])
    )


def _opened(warehouse: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(warehouse)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _handwritten(as_of: str) -> str:
    def each(template: str) -> str:
        return ", ".join(template.format(n=n, as_of="AS_OF") for n in WINDOWS).replace("date 'AS_OF'", as_of)

    parts = {
        "sums": each(SUMS),
        "rates": each(RATES),
        "active": each("count(*) filter (where last_day >= date '{as_of}' - {n}) as active_visitors_last_{n}"),
        "breadth": each("coalesce(active_visitors_last_{n}, 0) as active_visitors_last_{n}"),
        "none": each("null as active_visitors_last_{n}"),
    }
    return HANDWRITTEN.format(zone=ZONE, as_of="AS_OF", **parts).replace("date 'AS_OF'", as_of)


def _compare_by_hand(warehouse: Path, as_of: date) -> _Spent:
    """Time the statement; AssertionError if the models have another row on that day, or another number of one."""
    names = ("active_days", "active_days_percent", "minutes", "events", "events_per_active_day", "usage_trend_percent")
    said = [f"{name}_last_{n}" for n in WINDOWS for name in (*names, "usage_trend_reason")]
    with _opened(warehouse) as connection:
        began = process_time()
        took = seconds(lambda: connection.execute(_handwritten(f"date '{as_of}'")))
        hand = _Spent(took, process_time() - began)
        for kind, more in (("visitor", []), ("account", [f"active_visitors_last_{n}" for n in WINDOWS])):
            columns = ", ".join([*said, *more])
            _compare(
                connection,
                f"select {kind}_id as id, {columns} from metrics.fct_{kind}_metrics",
                f"select id, {columns} from handwritten where kind = '{kind}'",
            )
        connection.execute("drop table handwritten")
    return hand


def _keep_metrics(warehouse: Path) -> None:
    with _opened(warehouse) as connection:
        for name in KEPT:
            connection.execute(f"create table {name} as from metrics.{name}")


def _compare_kept(warehouse: Path) -> None:
    """AssertionError if a metric, of any column, is not what the nights left."""
    with _opened(warehouse) as connection:
        for name in KEPT:
            _compare(connection, f"from metrics.{name}", f"from {name}")


def _compare(connection: duckdb.DuckDBPyConnection, ours: str, theirs: str) -> None:
    for some, others in ((ours, theirs), (theirs, ours)):
        found = connection.execute(f"select count(*) from ({some} except all {others})").fetchall()
        if found != [(0,)]:
            raise AssertionError(f"{found[0][0]} rows of {some} are not of {others}")
