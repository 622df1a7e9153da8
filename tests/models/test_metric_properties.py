"""What no order, split or repetition of loads may change, by the compiled SQL of the models on tiny tables.

The SQL is dbt's own, compiled twice, for a full refresh and for a night that goes on from the last one. A DuckDB in
memory runs it, because a `dbt build` for each of hundreds of examples would take hours. That dbt itself does the same
is shown by test_metric_truth.py.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backhaul.transform import close_warehouse
from tests.conftest import ROOT

ZONE = ZoneInfo("America/New_York")
ROLL_UPS = ("int_usage__closed", "int_tagged_usage__closed")
MODELS = (
    "stg_pendo__visitors",
    "stg_pendo__visitor_accounts",
    "stg_pendo__accounts",
    "stg_pendo__guides",
    "stg_pendo__poll_responses",
    "stg_pendo__events",
    "int_visitors__identified",
    "dim_windows",
    "stg_pendo__tagged_events",
    "int_landed_days__due",
    "int_landed_days",
    *ROLL_UPS,
    "fct_usage_daily",
    "fct_tagged_usage_daily",
    "int_usage__summed",
    "int_tagged_usage__windowed",
    "int_poll_responses__counted",
    "int_accounts__surveyed",
    "int_accounts__members",
    "fct_visitor_metrics",
    "fct_account_metrics",
    "fct_visitor_chosen_usage",
    "fct_account_chosen_usage",
)
# What a night leaves behind, what reads it, and what the facts are made of.
LASTING = (*ROLL_UPS, "int_usage__summed")
READING = {*LASTING, "int_landed_days__due", "int_landed_days"}
RESULTS = (
    "fct_usage_daily",
    "fct_tagged_usage_daily",
    "int_poll_responses__counted",
    "fct_visitor_metrics",
    "fct_account_metrics",
    "fct_visitor_chosen_usage",
    "fct_account_chosen_usage",
)
ROW = """(day bigint, {used} visitor_id varchar, account_id varchar, app_id bigint, server varchar, remote_ip varchar,
    user_agent varchar, num_events bigint, num_minutes bigint)"""
TABLES = f"""
create schema pendo; create schema staging; create schema metrics; create schema decisions;
create table pendo.events {ROW.format(used="")};
create table pendo.page_events {ROW.format(used="page_id varchar,")};
create table pendo.feature_events {ROW.format(used="feature_id varchar,")};
create table pendo.track_events {ROW.format(used="track_type_id varchar,")};
create table pendo.landed_days (object varchar, day bigint, landed_at timestamptz);
create table pendo.reads (object varchar, read_at timestamptz, mode varchar);
create table pendo.visitors (visitor_id varchar, account_id varchar, account_ids varchar, first_visit bigint,
    last_visit bigint, last_updated bigint, do_not_process boolean, agent varchar, custom varchar);
create table pendo.accounts (account_id varchar, first_visit bigint, last_visit bigint, last_updated bigint,
    agent varchar, custom varchar);
create table pendo.poll_events (visitor_id varchar, account_id varchar, guide_id varchar, poll_id varchar,
    poll_type varchar, poll_response varchar, browser_time bigint);
create table pendo.guides (guide_id varchar, app_id bigint, name varchar, state varchar, created_at bigint,
    updated_at bigint, reset_at bigint);
insert into pendo.guides values ('nps', 1, '', 'public', 0, 0, 0), ('csat', 1, '', 'public', 0, 0, 0);
create table decisions.surveys as select * from (values ('nps_rating', 'nps', 'rating'),
    ('nps_comment', 'nps', 'comment'), ('poll_average', 'csat', 'stars'), ('poll_average', 'csat', 'hearts'))
    as surveys (measure, guide_id, poll_id);
create table decisions.chosen_usage as select * from (values ('page', 'home', 'went_home'),
    ('page', 'search', 'searched')) as chosen (kind, tagged_id, column_name);
"""
POLLS = {"rating": "nps", "comment": "nps", "stars": "csat", "hearts": "csat"}
VISITORS = ("ann", "bob", "cai", "_PENDO_T_dee")
ACCOUNTS = ("acme", "beta", "")
# Who is not of acme.
HOMES = {"stranger": "elsewhere"}
TODAY = dt.date(2026, 3, 20)
OPEN_DAYS = 9

Table = frozenset[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Event:
    """A landed row of usage of one page; `ago` counts days back from the first night's today."""

    ago: int
    visitor: str
    account: str
    page: str
    events: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A landed answer to a poll; `ago` counts back like an event's, and two of a day may be of the same millisecond."""

    ago: int
    millisecond: int
    visitor: str
    account: str
    poll: str
    response: str


@dataclass(frozen=True, slots=True)
class Night:
    """What a landing holds, and when it was made: so many days after the first night.

    What is changed by hand is not in the table of landed days, which loads keep.
    """

    later: int
    events: tuple[Event, ...]
    excluded: frozenset[str] = frozenset()
    answers: tuple[Answer, ...] = ()
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """The SQL of every model and how each is kept: for the first build, for a night, and for builds that begin anew."""

    full: Mapping[str, str]
    nightly: Mapping[str, str]
    # A full refresh of a warehouse that is built, and a night after its table of days was lost.
    refresh: Mapping[str, str]
    without_days: Mapping[str, str]
    materialized: Mapping[str, str]


class Warehouse:
    """A DuckDB that lands nights and builds the models as dbt would."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._connection = duckdb.connect()
        self._connection.execute("attach ':memory:' as warehouse; use warehouse; set TimeZone = 'UTC'; set threads = 1")
        self._connection.execute(TABLES)
        self._built = False
        self._landings = 0
        self._usage: dict[tuple[str, object], list[tuple[object, ...]]] = {}

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Ask the warehouse."""
        return self._connection.execute(query).fetchall()

    def land(self, night: Night) -> None:
        """Replace what is landed."""
        today = TODAY + dt.timedelta(days=night.later)
        people = sorted({one.visitor for one in (*night.events, *night.answers)} | set(VISITORS))
        rows: dict[str, list[tuple[object, ...]]] = {
            "reads": [("events", dt.datetime.combine(today, dt.time(12), ZONE), "full")],
            "visitors": [
                (one, HOMES.get(one, "acme"), "[]", None, None, None, one in night.excluded, "{}", "{}")
                for one in people
            ],
            "accounts": [
                (account, None, None, None, "{}", "{}")
                for account in sorted({one.account for one in (*night.events, *night.answers)} | set(ACCOUNTS))
            ],
            "events": [],
            "page_events": [],
            "poll_events": [],
        }
        for event in night.events:
            used = (event.visitor, event.account, 1, "server", "ip", "agent", event.events, event.minutes)
            day = midnight(event.ago)
            rows["events"].append((day, *used))
            rows["page_events"].append((day, event.page, *used))
        for one in night.answers:
            when = midnight(one.ago) + one.millisecond
            rows["poll_events"].append((one.visitor, one.account, POLLS[one.poll], one.poll, "", one.response, when))
        for table, landed in rows.items():
            self._connection.execute(f"delete from pendo.{table}")
            if landed:
                marks = f"({', '.join('?' * len(landed[0]))})"
                values = [value for row in landed for value in row]
                self._connection.execute(f"insert into pendo.{table} values {', '.join([marks] * len(landed))}", values)
        usage = {table: rows[table] for table in ("events", "page_events")}
        self._note(usage, midnight(OPEN_DAYS - night.later), by_hand=night.by_hand)

    def _note(self, usage: Mapping[str, list[tuple[object, ...]]], opens_ms: int, *, by_hand: bool) -> None:
        """Renew the days that a load would have landed again: the open ones, and whichever says something else."""
        before, now = self._usage, defaultdict[tuple[str, object], list[tuple[object, ...]]](list)
        for table, landed in usage.items():
            for row in sorted(landed, key=repr):
                now[table, row[0]].append(row)
        self._usage, self._landings = dict(now), self._landings + 1
        if by_hand:
            return
        at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=self._landings)
        for table, day in before.keys() | now.keys():
            if int(str(day)) >= opens_ms or now.get((table, day)) != before.get((table, day)):
                self._connection.execute("delete from pendo.landed_days where (object, day) = (?, ?)", [table, day])
                if (table, day) in now:
                    self._connection.execute("insert into pendo.landed_days values (?, ?, ?)", [table, day, at])

    def build(self, models: Sequence[str] = MODELS, sql: Mapping[str, str] | None = None) -> None:
        """Build as a night does, or in full the first time; a build that dies has built the first models only."""
        for model in models:
            schema = "staging" if model.startswith("stg_") else "metrics"
            kind, name = self._compiled.materialized[model], f"{schema}.{model}"
            text = (sql or (self._compiled.nightly if self._built else self._compiled.full))[model]
            if kind == "view":
                self._connection.execute(f"create or replace view {name} as {text}")
                continue
            if kind == "table" or not self._built:
                # Beside the old one, which it may read, as dbt does.
                self._connection.execute(f"create table {schema}.fresh as {text}")
                self._connection.execute(f"drop table if exists {name}; alter table {schema}.fresh rename to {model}")
                continue
            changed = f"select usage_on from metrics.int_landed_days where roll_up = '{model}' and is_changed"
            self._connection.execute(f"delete from {name} where usage_on in ({changed})")
            self._connection.execute(f"create or replace temp table fresh as {text}")
            self._connection.execute(f"insert into {name} by name select * from fresh")
        self._built = True

    def rows(self, *models: str) -> dict[str, Table]:
        """Every row of these models, without the number of the build that told of it."""
        columns = "columns(lambda name: name <> 'changed_in')"
        return {model: frozenset(self.ask(f"select {columns} from metrics.{model}")) for model in models}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Compile the models on empty tables, before and after they were built for the first time."""
    folder = tmp_path_factory.mktemp("compiled")
    with duckdb.connect(folder / "warehouse.duckdb") as connection:
        connection.execute(TABLES)
    compiler = Compiler(folder)
    full = compiler.models("--full-refresh")
    materialized = {model: materialization(model) for model in MODELS}
    with duckdb.connect(folder / "warehouse.duckdb") as connection:
        for model in MODELS:
            schema = "staging" if model.startswith("stg_") else "metrics"
            made = "view" if materialized[model] == "view" else "table"
            connection.execute(f"create {made} {schema}.{model} as {full[model]}")
    nightly, refresh = compiler.models(), compiler.models("--full-refresh")
    # A night that is no different from a full refresh would prove nothing.
    assert {model for model in MODELS if full[model] != nightly[model]} == READING
    with duckdb.connect(folder / "warehouse.duckdb") as connection:
        connection.execute("drop table metrics.int_landed_days")
    return Compiled(full, nightly, refresh, compiler.models(), materialized)


@dataclass(slots=True)
class Compiler:
    """dbt on one warehouse; the second run takes what the first has parsed from the folder."""

    folder: Path

    def models(self, *options: str) -> dict[str, str]:
        """Compile the models on what the warehouse holds now."""
        self._run("compile", "--select", *MODELS, *options)
        files = {path.stem: path for path in (self.folder / "target" / "compiled").rglob("*.sql")}
        return {model: files[model].read_text() for model in MODELS}

    def _run(self, *arguments: str) -> None:
        from dbt.cli.main import dbtRunner  # noqa: PLC0415  dbt takes seconds to import

        os.environ["BACKHAUL_WAREHOUSE"] = str(self.folder / "warehouse.duckdb")
        folders = {"--target-path": self.folder / "target", "--log-path": self.folder}
        places = {"--project-dir": ROOT, "--profiles-dir": ROOT, **folders}
        options = ["--log-level", "none", *(str(part) for place in places.items() for part in place)]
        outcome = dbtRunner().invoke([*arguments, *options])
        close_warehouse()
        assert outcome.success, outcome.exception or outcome.result


def materialization(model: str) -> str:
    (described,) = (
        one
        for path in (ROOT / "models").rglob(f"{model}.yml")
        for one in yaml.safe_load(path.read_text())["models"]
        if one["name"] == model
    )
    if model in ROLL_UPS:
        return "incremental"
    default = "view" if model.startswith("stg_") else "table"
    return str(described.get("config", {}).get("materialized", default))


ages = st.one_of(
    st.integers(1, 13), st.integers(1, 400), st.sampled_from([29, 30, 31, 60, 61, 90, 91, 180, 181, 360, 361])
)
events = st.builds(
    Event,
    ago=ages,
    visitor=st.sampled_from(VISITORS),
    account=st.sampled_from(ACCOUNTS),
    page=st.sampled_from(["home", "search"]),
    events=st.integers(0, 3),
    minutes=st.integers(0, 3),
)
answers = st.builds(
    Answer,
    ago=st.sampled_from([-1, 0, 1, 1, 2, 180, 181]),
    millisecond=st.integers(0, 1),
    visitor=st.sampled_from(VISITORS),
    account=st.sampled_from(ACCOUNTS),
    poll=st.sampled_from(sorted(POLLS)),
    response=st.sampled_from(["9", "4", "11", " ", "fine"]),
)
landings = st.lists(events, min_size=1, max_size=12).map(tuple)
surveys = st.lists(answers, max_size=12).map(tuple)
quick = settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def midnight(ago: int) -> int:
    """Start of a day so many days before TODAY, in milliseconds since 1970 UTC."""
    return int(dt.datetime.combine(TODAY - dt.timedelta(days=ago), dt.time(), ZONE).timestamp() * 1000)


def built_once(compiled: Compiled, night: Night, *models: str) -> dict[str, Table]:
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(night)
        warehouse.build()
        return warehouse.rows(*models)


def built_nightly(compiled: Compiled, nights: Sequence[Night], *models: str) -> dict[str, Table]:
    with closing(Warehouse(compiled)) as warehouse:
        for night in nights:
            warehouse.land(night)
            warehouse.build()
        return warehouse.rows(*models)


@st.composite
def several_nights(draw: st.DrawFn) -> tuple[Night, ...]:
    """Nights a while apart, on which open days are restated, old ones sometimes are, and exclusions change."""
    rows, answered, later = draw(landings), draw(surveys), 0
    nights = [Night(0, rows, answers=answered)]
    for _ in range(draw(st.integers(1, 3))):
        later += draw(st.sampled_from([0, 1, 1, 2, 9, 30, 59, 60, 75, -1]))
        # A late row, or a change, may be of any day before; mostly of one that was open.
        fresh = tuple(replace(event, ago=event.ago - later) for event in draw(landings))
        kept = tuple(row for row in rows if draw(st.integers(0, 5)))
        rows = kept + fresh
        answered += tuple(replace(answer, ago=answer.ago - later) for answer in draw(surveys))
        nights.append(Night(later, rows, draw(st.frozensets(st.sampled_from(VISITORS), max_size=2)), answered))
    return tuple(nights)


@settings(quick, max_examples=12)
@given(nights=several_nights())
def test_nights_leave_what_a_full_refresh_makes(compiled: Compiled, nights: tuple[Night, ...]) -> None:
    models = (*LASTING, *RESULTS)
    assert built_nightly(compiled, nights, *models) == built_once(compiled, nights[-1], *models)


def is_compared(ago: int, later: int) -> bool:
    """Whether it is an older day's turn: a week of days has its turn on each night, and all within 59."""
    day, night = (date.toordinal() - dt.date(2001, 1, 1).toordinal() for date in dates(ago, later))
    return day // 7 % 59 == night % 59


def dates(ago: int, later: int) -> tuple[dt.date, dt.date]:
    return TODAY - dt.timedelta(days=ago), TODAY + dt.timedelta(days=later)


@quick
@given(
    rows=landings,
    later=st.sampled_from([0, 1, 2, 9]),
    ago=st.one_of(st.integers(1, 13), st.integers(1, 400)),
    moved=st.sampled_from(["visitor", "account"]),
)
def test_usage_that_moves_to_another_is_moved(
    compiled: Compiled, rows: tuple[Event, ...], later: int, ago: int, moved: str
) -> None:
    """Pendo merges identities, and a late row or a corrected file may name another account: the day's sums stay."""
    other = replace(Event(ago, "ann", "acme", "home", 2, 3), **{moved: {"visitor": "bob", "account": "beta"}[moved]})
    nights = (Night(0, (*rows, Event(1, "cai", "", "home", 1, 1), Event(ago, "ann", "acme", "home", 2, 3))),)
    nights += (Night(later, (*rows, Event(1, "cai", "", "home", 1, 1), other)),)
    models = (*LASTING, *RESULTS)
    assert built_nightly(compiled, nights, *models) == built_once(compiled, nights[-1], *models)


@settings(quick, max_examples=10)
@given(nights=several_nights(), models=st.integers(MODELS.index("int_landed_days__due"), len(MODELS)))
def test_a_build_that_died_is_made_up_for(compiled: Compiled, nights: tuple[Night, ...], models: int) -> None:
    """A roll-up must be told of a day until it has summed it, though the day has not landed again since."""
    asked = (*LASTING, *RESULTS)
    with closing(Warehouse(compiled)) as warehouse:
        for night in nights[:-1]:
            warehouse.land(night)
            warehouse.build()
        warehouse.land(nights[-1])
        warehouse.build(MODELS[:models])
        warehouse.land(nights[-1])
        warehouse.build()
        assert warehouse.rows(*asked) == built_once(compiled, nights[-1], *asked)


@pytest.mark.parametrize("died", ["night", "full refresh"])
@pytest.mark.parametrize("last", ["int_landed_days__due", "int_landed_days", *LASTING])
def test_usage_that_moves_while_a_build_dies_is_moved(compiled: Compiled, last: str, died: str) -> None:
    """The sums of its day stay, so that no sum tells which tables know of it already."""
    ann, cai = Event(20, "ann", "acme", "home", 2, 3), Event(1, "cai", "", "home", 1, 1)
    moved = Night(0, (cai, replace(ann, visitor="bob")))
    asked = (*LASTING, *RESULTS)
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, (cai, ann)))
        warehouse.build()
        warehouse.land(moved)
        warehouse.build(MODELS[: MODELS.index(last) + 1], compiled.refresh if died == "full refresh" else None)
        # Twice: the first build after it must not take what it finds for what all tables say.
        for _ in range(2):
            warehouse.land(moved)
            warehouse.build()
            assert warehouse.rows(*asked) == built_once(compiled, moved, *asked)


@pytest.mark.parametrize(
    "part",
    [
        MODELS[MODELS.index("int_landed_days") :],
        MODELS[MODELS.index("int_usage__closed") :],
        ("int_usage__closed",),
        ("int_usage__summed",),
    ],
    ids=["int_landed_days+", "int_usage__closed+", "int_usage__closed", "int_usage__summed"],
)
def test_usage_that_moves_before_a_part_is_built_is_moved(compiled: Compiled, part: tuple[str, ...]) -> None:
    """Somebody selects models: what these take in, those that tell of it have not looked at."""
    ann, cai = Event(20, "ann", "acme", "home", 2, 3), Event(1, "cai", "", "home", 1, 1)
    moved = Night(0, (cai, replace(ann, visitor="bob")))
    asked = (*LASTING, *RESULTS)
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, (cai, ann)))
        warehouse.build()
        warehouse.land(moved)
        warehouse.build(part)
        for _ in range(2):
            warehouse.build()
            assert warehouse.rows(*asked) == built_once(compiled, moved, *asked)


@quick
@given(rows=landings, others=landings)
def test_what_was_lost_between_two_nights_is_found_again(
    compiled: Compiled, rows: tuple[Event, ...], others: tuple[Event, ...]
) -> None:
    """A full refresh died, and the roll-ups are the old ones; or an upgrade begins the table of days anew."""
    asked = (*LASTING, *RESULTS)
    with closing(Warehouse(compiled)) as anew:
        anew.land(Night(1, others))
        anew.build()
        right = anew.rows(*asked)
    with closing(Warehouse(compiled)) as refreshed:
        refreshed.land(Night(0, rows))
        refreshed.build()
        refreshed.land(Night(1, others))
        refreshed.build(MODELS[: MODELS.index("int_landed_days") + 1], compiled.refresh)
        refreshed.build()
        assert refreshed.rows(*asked) == right
    with closing(Warehouse(compiled)) as upgraded:
        upgraded.land(Night(0, rows))
        upgraded.build()
        upgraded.land(Night(1, others))
        upgraded.ask("drop table metrics.int_landed_days")
        upgraded.build(sql=compiled.without_days)
        assert upgraded.rows(*asked) == right


@quick
@given(rows=landings, ago=st.integers(14, 400), moved=st.sampled_from(["visitor", "account"]))
def test_old_usage_that_is_moved_by_hand_is_moved_within_59_nights(
    compiled: Compiled, rows: tuple[Event, ...], ago: int, moved: str
) -> None:
    """Somebody corrects by hand whose old usage was, of which no load knows."""
    (turn,) = (later for later in range(1, 60) if is_compared(ago, later))
    here = Event(ago, "ann", "acme", "home", 2, 3)
    other = replace(here, **{moved: {"visitor": "bob", "account": "beta"}[moved]})
    # So that the day is not one of the last that are closed.
    recent = (*rows, Event(10, "cai", "", "home", 1, 1))
    nights = (Night(0, (*recent, here)), Night(turn, (*recent, other), by_hand=True))
    models = (*LASTING, *RESULTS)
    assert built_nightly(compiled, nights, *models) == built_once(compiled, nights[-1], *models)


@quick
@given(rows=landings, answered=surveys, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    compiled: Compiled, rows: tuple[Event, ...], answered: tuple[Answer, ...], shuffled: random.Random
) -> None:
    other, others = list(rows), list(answered)
    shuffled.shuffle(other)
    shuffled.shuffle(others)
    models = (*LASTING, *RESULTS)
    once = built_once(compiled, Night(0, rows, answers=answered), *models)
    assert built_once(compiled, Night(0, tuple(other), answers=tuple(others)), *models) == once


def test_of_two_answers_at_once_the_same_one_counts_whichever_comes_first(compiled: Compiled) -> None:
    """Alike in visitor, account, poll and millisecond: nothing but what they say can tell which one counts."""
    rows = (Event(1, "ann", "acme", "home", 1, 1),)
    said = tuple(Answer(1, 0, "ann", "acme", poll, response) for poll in ("rating", "stars") for response in "7294")
    orders = (said, said[::-1])
    first, second = (built_once(compiled, Night(0, rows, answers=order), *RESULTS) for order in orders)
    assert first == second


def test_usage_by_keys_of_another_engine_is_no_zero(compiled: Compiled) -> None:
    """An upgrade may make other keys, and somebody builds the facts alone."""
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, (Event(1, "ann", "acme", "home", 1, 1),)))
        warehouse.build()
        warehouse.ask("update metrics.int_usage__summed set key_check = key_check + 1")
        for fact in ("fct_visitor_metrics", "fct_account_metrics"):
            with pytest.raises(duckdb.Error, match="int_usage__summed was built with another version of the engine"):
                warehouse.ask(compiled.nightly[fact])


@quick
@given(rows=landings, answered=surveys, at=st.integers(0, 12))
def test_a_load_in_two_parts_is_a_load(
    compiled: Compiled, rows: tuple[Event, ...], answered: tuple[Answer, ...], at: int
) -> None:
    nights = (Night(0, rows[:at], answers=answered[:at]), Night(0, rows, answers=answered))
    models = (*LASTING, *RESULTS)
    assert built_nightly(compiled, nights, *models) == built_once(compiled, nights[-1], *models)


@quick
@given(rows=landings, answered=surveys)
def test_a_night_that_is_run_again_changes_nothing(
    compiled: Compiled, rows: tuple[Event, ...], answered: tuple[Answer, ...]
) -> None:
    night = Night(0, rows, answers=answered)
    models = (*LASTING, *RESULTS)
    assert built_nightly(compiled, [night, night, night], *models) == built_once(compiled, night, *models)


@quick
@given(rows=landings, others=landings, answered=surveys, other_answers=surveys)
def test_an_unrelated_visitor_changes_nothing(
    compiled: Compiled,
    rows: tuple[Event, ...],
    others: tuple[Event, ...],
    answered: tuple[Answer, ...],
    other_answers: tuple[Answer, ...],
) -> None:
    strangers = tuple(replace(event, visitor="stranger", account="elsewhere") for event in others)
    strange = tuple(replace(answer, visitor="stranger", account="elsewhere") for answer in other_answers)
    alone = built_once(compiled, Night(0, rows, answers=answered), *RESULTS)
    together = built_once(compiled, Night(0, rows + strangers, answers=answered + strange), *RESULTS)
    for model in RESULTS:
        known = {row for row in together[model] if not {"stranger", "elsewhere"} & set(map(str, row))}
        assert known == alone[model]


@quick
@given(rows=landings)
def test_usage_is_what_a_plain_count_says(compiled: Compiled, rows: tuple[Event, ...]) -> None:
    """The sums of windows and the bits of days, against days counted one by one."""
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, rows))
        warehouse.build()
        names = [
            column
            for days in (30, 90, 180)
            for column in (f"active_days_last_{days}", f"minutes_last_{days}", f"events_last_{days}")
        ]
        query = f"select visitor_id, {', '.join(names)} from metrics.fct_visitor_metrics"
        said = {row[0]: row[1:] for row in warehouse.ask(query)}
    for visitor, values in said.items():
        expected: list[int] = []
        for days in (30, 90, 180):
            own = [one for one in rows if one.visitor == visitor and one.events and 1 <= one.ago <= days]
            expected += [len({one.ago for one in own}), sum(one.minutes for one in own), sum(one.events for one in own)]
        assert list(values) == expected, visitor


def test_a_visitor_of_every_day_is_active_on_every_day(compiled: Compiled) -> None:
    rows = tuple(Event(ago, "ann", "acme", "home", 1, 1) for ago in range(1, 401))
    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, rows))
        warehouse.build()
        query = "select active_days_last_30, active_days_last_90, active_days_last_180 from metrics.{}"
        for model in ("fct_visitor_metrics", "fct_account_metrics"):
            assert (30, 90, 180) in warehouse.ask(query.format(model))


def test_windows_need_a_landing(compiled: Compiled) -> None:
    file = ROOT / "tests" / "models" / "assert_windows_hold_landed_days.sql"

    def failing(**changed: str) -> int:
        """Count the windows that fail when a column says something else."""
        columns = "".join(f" replace ({value} as {name})" for name, value in changed.items())
        windows = f"(select *{columns} from metrics.dim_windows)"
        return len(warehouse.ask(file.read_text().replace("{{ ref('dim_windows') }}", windows)))

    with closing(Warehouse(compiled)) as warehouse:
        warehouse.land(Night(0, ()))
        warehouse.build()
        assert failing() == 0
        # The var as_of: today may be earlier than the landing, and not later; and it is no landing.
        assert (failing(as_of="landed_on - 1"), failing(as_of="landed_on + 1")) == (0, 3)
        assert failing(landed_on="null::date") == 3
        # 400 days are landed at first: 180 and 200 of them have as many before them.
        assert failing(window_days="window_days + 20") == 0
        assert failing(window_days="window_days + 21") == 1
        warehouse.ask("delete from pendo.reads")
        warehouse.build()
        assert failing() == 3
