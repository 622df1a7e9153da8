"""Pendo's landing: whole days, replaced when they are read again, and everybody marked."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import httpx
import pytest

from loaders import LoadError, LoadSettings, Wanted, load
from loaders.pendo import objects
from tests.loaders.conftest import WANTED, Load, Query

AGGREGATION = "/api/v1/aggregation"
# What is read by day; the other tables take longer to land than these to read.
DAILY = Wanted(pendo=frozenset({"events", "poll_events"}))
EVENTS = "from pendo.events order by all"
DAY_MS = 24 * 3_600_000


@pytest.fixture
def fresh(settings: LoadSettings) -> Query:
    """Ask a warehouse that is loaded for the first time."""
    other = replace(settings, warehouse=settings.warehouse.with_name("fresh.duckdb"))

    def ask(sql: str, *values: object) -> list[tuple[object, ...]]:
        if not other.warehouse.exists():
            load(["pendo"], other, DAILY, lambda *_: None)
        with duckdb.connect(other.warehouse) as warehouse:
            return warehouse.execute(sql, values).fetchall()

    return ask


def test_days_read_again_are_what_a_first_load_finds(
    load_rows: Load, query: Query, fresh: Query, control: httpx.Client
) -> None:
    first = load_rows("pendo", wanted=DAILY)["events"]
    control.post("/advance", json={"days": 1})
    control.delete("/requests").raise_for_status()
    assert load_rows("pendo", wanted=DAILY)["events"] < first / 10
    # The open days are one call a table; all of the history took more than a dozen.
    assert [one["path"] for one in control.get("/requests?vendor=pendo").json()].count(AGGREGATION) == 2
    assert query("select mode from pendo.reads where object = 'events'") == [("incremental",)]
    # The first load also kept the day that is now out of reach.
    ((oldest,),) = query("select min(day) from pendo.events")
    later = "select * from pendo.events where day > ? order by all"
    assert query(later, oldest) == fresh(later, oldest)


@pytest.mark.parametrize("used", ["page", "feature", "track_type"])
def test_what_was_used_is_landed_by_day_and_read_again(
    settings: LoadSettings, query: Query, control: httpx.Client, used: str
) -> None:
    table, listed, key = f"{used.removesuffix('_type')}_events", f"{used}s", f"{used}_id"
    wanted = replace(WANTED, pendo=frozenset({table, listed}))
    first = {one.table: one.rows for one in load(["pendo"], settings, wanted, lambda *_: None)}
    assert set(first) == {table, listed}
    # Of every app, and nothing that the lists do not know.
    assert query(f"select count(distinct app_id) from pendo.{table}") == [(2,)]
    assert query(f"select count(*) from pendo.{table} where {key} not in (select {key} from pendo.{listed})") == [(0,)]
    assert query(f"select count(*) from pendo.{listed} where name is null or app_id is null") == [(0,)]
    control.post("/advance", json={"days": 1})
    control.delete("/requests").raise_for_status()
    again = {one.table: one.rows for one in load(["pendo"], settings, wanted, lambda *_: None)}
    assert 0 < again[table] < first[table] / 5
    assert again[listed] == first[listed]
    assert [one["path"] for one in control.get("/requests?vendor=pendo").json()].count(AGGREGATION) == 1
    detail = {"page": ", parameters", "track_type": ", properties"}.get(used, "")
    row = f"day, visitor_id, account_id, app_id, server, remote_ip, user_agent, {key}{detail}"
    assert query(f"select {row} from pendo.{table} group by {row} having count(*) > 1") == []


def test_a_gap_of_weeks_is_filled(load_rows: Load, query: Query, fresh: Query, control: httpx.Client) -> None:
    load_rows("pendo", wanted=DAILY)
    ((last,),) = query("select max(day) from pendo.events")
    control.post("/advance", json={"days": 45})
    load_rows("pendo", wanted=DAILY)
    days = "select distinct day from pendo.events where day > ? order by day"
    assert len(query(days, last)) > 40
    events = "select * from pendo.events where day > ? order by all"
    assert query(events, last - 30 * DAY_MS) == fresh(events, last - 30 * DAY_MS)
    answers = "select * from pendo.poll_events where browser_time > ? order by all"
    assert query(answers, last - 30 * DAY_MS) == fresh(answers, last - 30 * DAY_MS)


def test_no_day_is_missed_or_counted_twice_where_ranges_meet(load_rows: Load, query: Query) -> None:
    load_rows("pendo", wanted=DAILY)
    assert query("select count(distinct day) between 395 and 402 from pendo.events") == [(True,)]
    assert (
        query(
            "select day from pendo.events "
            "group by day, visitor_id, account_id, app_id, server, remote_ip, user_agent having count(*) > 1"
        )
        == []
    )
    # Days are the subscription's: 23 or 25 hours long when the clocks change.
    lengths = "select distinct day - lag(day) over (order by day) from (select distinct day from pendo.events)"
    hours = {int(str(length)) // 3_600_000 for (length,) in query(lengths) if length}
    assert {23, 24, 25} <= hours


def test_a_day_that_became_empty_is_emptied(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("pendo", wanted=DAILY)
    # Newest first: the last nine days are surely read again, and the tenth may be.
    days = [day for (day,) in query("select distinct day from pendo.events order by day desc limit 12")]
    kept = query("select * from pendo.events where day < ? order by all", days[9])
    left = {"visitorId": "a@b.example", "accountId": "a", "appId": 1, "day": days[2], "numEvents": 5, "numMinutes": 2}
    fault = {"vendor": "pendo", "path": AGGREGATION, "status": 200, "body": {"results": [left]}}
    control.post("/faults", json=fault).raise_for_status()
    # The rows that empty the other days land nothing.
    assert load_rows("pendo", wanted=DAILY)["events"] == 1
    again = query("select day, visitor_id, num_minutes, removed from pendo.events where day >= ?", days[8])
    assert again == [(days[2], "a@b.example", 2, None)]
    assert query("select * from pendo.events where day < ? order by all", days[9]) == kept
    assert kept
    noted = "select object, day from pendo.landed_days order by day"
    assert query(noted) == query("select distinct 'events', day from pendo.events order by day")


def test_landed_days_are_those_with_rows_and_are_renewed_when_they_land_again(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    wanted = Wanted(pendo=frozenset({"events", "feature_events"}))

    def landed() -> dict[tuple[object, ...], object]:
        found = query("select object, day, landed_at from pendo.landed_days")
        for table in wanted.pendo or ():
            days = {day for (day,) in query(f"select distinct day from pendo.{table}")}
            assert {day for name, day, _ in found if name == table} == days
        assert len(found) == len({row[:2] for row in found})
        return {row[:2]: row[2] for row in found}

    load_rows("pendo", wanted=wanted)
    first = landed()
    assert len(first) > 700
    assert len(set(first.values())) == 1
    control.post("/advance", json={"days": 1})
    load_rows("pendo", wanted=wanted)
    second = landed()
    (newest,) = set(second.values()) - set(first.values())
    renewed = sorted(day for (name, day), at in second.items() if name == "events" and at == newest)
    assert renewed == sorted(day for name, day in second if name == "events")[-len(renewed) :]
    # Nine open ones and the one that has closed; the others are at the edges of what is read again.
    assert 10 <= len(renewed) <= 12
    assert {place: at for place, at in second.items() if at != newest}.items() < first.items()
    # A table that is landed for the first time leaves the notes of the others, which are read again beside it.
    control.post("/advance", json={"days": 20})
    load_rows("pendo", wanted=Wanted(pendo=frozenset({"events"})))
    control.post("/advance", json={"days": 1})
    wanted = Wanted(pendo=frozenset({"events", "feature_events", "page_events"}))
    load_rows("pendo", wanted=wanted)
    assert {name for name, _ in landed()} == wanted.pendo
    assert query("select count(*) from pendo.landed_days where removed") == [(0,)]


def test_days_of_a_warehouse_that_noted_none_are_noted(load_rows: Load, query: Query) -> None:
    wanted = Wanted(pendo=frozenset({"events"}))
    load_rows("pendo", wanted=wanted)
    # An earlier version knew of no such table.
    query("drop table pendo.landed_days")
    load_rows("pendo", wanted=wanted)
    noted = "select object, day from pendo.landed_days order by day"
    assert query(noted) == query("select distinct 'events', day from pendo.events order by day")


DAY = {"visitorId": "a@b.example", "accountId": "a", "appId": 1, "day": 1_760_000_000_000, "numEvents": 5}
ANSWER = {"visitorId": "a@b.example", "guideId": "g", "pollId": "p", "browserTime": 1_760_000_000_000}


@pytest.mark.parametrize(
    ("table", "path", "body", "said"),
    [
        ("events", AGGREGATION, {"results": [DAY | {"numEvents": "many"}]}, "Pendo sent events rows that are not like"),
        ("events", AGGREGATION, {"results": [DAY | {"day": None}]}, "Pendo sent events rows without a day"),
        ("events", AGGREGATION, {"rows": [DAY]}, "gave an answer without results"),
        ("poll_events", AGGREGATION, {"results": [ANSWER | {"browserTime": None}]}, "a row without browserTime"),
        ("accounts", AGGREGATION, {"results": [{"id": "acme"}]}, "the vendor sent a row without account_id"),
        (
            "accounts",
            AGGREGATION,
            {"results": [{"accountId": "acme", "metadata": {"auto": {"firstvisit": "soon"}}}]},
            "the vendor sent a first_visit that is no int64",
        ),
        ("pages", "/api/v1/page", [{"name": "Home"}], "the vendor sent a row without id"),
        ("polls", "/api/v1/guide", {"guides": []}, "/api/v1/guide gave no list"),
    ],
)
def test_rows_that_are_not_like_pendos_stop_the_load_in_one_line(  # noqa: PLR0913, PLR0917 - what comes, and what of it
    load_rows: Load, settings: LoadSettings, control: httpx.Client, table: str, path: str, body: object, said: str
) -> None:
    fault = {"vendor": "pendo", "path": path, "status": 200, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match=said) as raised:
        load_rows("pendo", wanted=Wanted(pendo=frozenset({table})))
    assert "\n" not in str(raised.value)
    # Nothing of it is given to the next load.
    assert not list(settings.pipelines_dir.rglob("*.answers"))


def test_a_load_that_goes_on_counts_its_rows_once_and_says_what_has_landed_when_it_fails(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    wanted, refused = Wanted(pendo=frozenset({"events"})), {"vendor": "pendo", "status": 403}
    count = "select count(*), count(distinct day) > 390 from pendo.events"

    def refuse(path: str, after: int) -> None:
        control.post("/faults", json=refused | {"path": path, "skip": after}).raise_for_status()

    # The second reads what has changed since when it has landed the rest of the first.
    refuse(AGGREGATION, after=5)
    with pytest.raises(LoadError, match=r"PENDO_INTEGRATION_KEY$"):
        load_rows("pendo", wanted=wanted)
    refuse("/api/v1/token/verify", after=1)
    with pytest.raises(LoadError, match=r"PENDO_INTEGRATION_KEY; .* has landed, and what .* has not"):
        load_rows("pendo", wanted=wanted)
    ((rows, whole),) = query(count)
    assert whole
    refuse(AGGREGATION, after=5)
    query("drop schema pendo cascade")
    with pytest.raises(LoadError, match=r"PENDO_INTEGRATION_KEY$"):
        load_rows("pendo", wanted=wanted)
    assert load_rows("pendo", wanted=wanted)["events"] == rows
    assert query(count) == [(rows, True)]


def test_a_range_too_long_for_pendo_is_halved(
    load_rows: Load, query: Query, fresh: Query, control: httpx.Client
) -> None:
    slow = {"vendor": "pendo", "path": AGGREGATION, "skip": 2, "times": 2, "status": 408}
    control.post("/faults", json=slow).raise_for_status()
    load_rows("pendo", wanted=DAILY)
    events = query(EVENTS)
    assert control.get("/faults").json() == []
    assert events == fresh(EVENTS)


def test_one_day_that_pendo_cannot_answer_ends_the_load(load_rows: Load, control: httpx.Client) -> None:
    slow = {"vendor": "pendo", "path": AGGREGATION, "times": 50, "status": 408}
    control.post("/faults", json=slow).raise_for_status()
    with pytest.raises(LoadError, match="five minutes"):
        load_rows("pendo", wanted=DAILY)


def test_more_visitors_than_a_page_are_read_page_by_page(
    load_rows: Load, query: Query, control: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "OBJECTS_A_PAGE", 30)
    control.delete("/requests").raise_for_status()
    rows = load_rows("pendo", wanted=Wanted(pendo=frozenset({"visitors"})))["visitors"]
    assert rows > 60
    assert query("select count(distinct visitor_id) from pendo.visitors") == [(rows,)]
    assert {request["status"] for request in control.get("/requests?vendor=pendo").json()} <= {200, 408}


def test_excluded_visitors_are_marked_and_anonymous_ones_left_out(load_rows: Load, query: Query) -> None:
    load_rows("pendo", wanted=Wanted(pendo=frozenset({"visitors", "events"})))
    assert query("select count(*) filter (where do_not_process) between 1 and 10 from pendo.visitors") == [(True,)]
    for sql in ("select visitor_id from pendo.visitors", "select visitor_id from pendo.events"):
        assert not [visitor for (visitor,) in query(sql) if str(visitor).startswith("_PENDO_T_")]


def test_a_visitor_whom_the_settings_exclude_is_marked_though_nothing_in_the_metadata_says_so(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    wanted, marked = Wanted(pendo=frozenset({"visitors"})), "select visitor_id from pendo.visitors where do_not_process"
    load_rows("pendo", wanted=wanted)
    before = query(marked)
    ((visitor,),) = query("select min(visitor_id) from pendo.visitors where not do_not_process")
    only = {"vendor": "pendo", "path": AGGREGATION, "status": 200}
    control.post("/faults", json=only | {"body": {"results": [{"visitorId": visitor}]}}).raise_for_status()
    load_rows("pendo", wanted=wanted)
    assert control.get("/faults").json() == []
    assert sorted(query(marked)) == sorted([*before, (visitor,)])


def test_polls_keep_their_place_in_the_guide(load_rows: Load, query: Query) -> None:
    load_rows("pendo", wanted=Wanted(pendo=frozenset({"polls", "poll_events"})))
    assert query("select poll_id, position, type from pendo.polls where guide_id = 'guide-nps-2026' order by 2") == [
        ("poll-nps-rating", 0, "NPSRating"),
        ("poll-nps-comment", 1, query("select type from pendo.polls where poll_id = 'poll-nps-comment'")[0][0]),
    ]
    assert query("select count(*) from pendo.poll_events where poll_id = 'poll-csat'")[0][0]


def test_a_wrong_key_is_named(load_rows: Load, settings: LoadSettings) -> None:
    object.__setattr__(settings, "pendo_integration_key", "not-the-key")
    with pytest.raises(LoadError, match="check PENDO_INTEGRATION_KEY") as raised:
        load_rows("pendo", wanted=DAILY)
    assert "not-the-key" not in str(raised.value)


def test_the_usage_of_a_visitor_who_was_excluded_for_a_while_is_whole(
    load_rows: Load, query: Query, fresh: Query, control: httpx.Client
) -> None:
    """Days that are final are not read again when a visitor is let in again."""
    usage = "select count(*), min(day), max(day) from pendo.events where visitor_id = ?"
    load_rows("pendo", wanted=DAILY)
    ((visitor, _),) = query("select visitor_id, count(*) from pendo.events group by all order by 2 desc, 1 limit 1")
    ((_, first, last),) = whole = query(usage, visitor)
    # Days that are final, and days that are read again.
    assert last - first > 100 * DAY_MS
    for excluded in (True, False):
        control.post("/do/pendo/exclude", json={"visitor": visitor, "excluded": excluded}).raise_for_status()
        load_rows("pendo", wanted=DAILY)
        # A first load while the visitor is excluded, too.
        assert fresh(usage, visitor) == whole
        assert query(usage, visitor) == whole
