"""What Pendo serves of pages, features, track events and guides, by day and hour, in any time zone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sandbox.pendo.days import ROW, Shelf, Source, UsageRows
from sandbox.pendo.store import REGIONS
from sandbox.product import APPS, FEATURES, PAGES, TRACK_TYPES
from sandbox.usage import Day, browse
from sandbox.world import World, build_world
from tests.sandbox.pendo_account import ALL_APPS, AS_OF, Subscription, days, subscribed

ROW_KEY = ("visitorId", "accountId", "appId", "server", "remoteIp", "userAgent")
NAMED = {"pageEvents": "pageId", "featureEvents": "featureId", "trackEvents": "trackTypeId"}
APP_OF = {thing.id: APPS[thing.app] for thing in (*PAGES, *FEATURES, *TRACK_TYPES)}


@pytest.fixture(scope="module")
def pendo() -> Iterator[Subscription]:
    with subscribed() as subscription:
        yield subscription


@pytest.mark.parametrize("source", NAMED)
def test_a_row_is_one_row_of_usage_and_one_thing_used(pendo: Subscription, source: str) -> None:
    rows = pendo.rows(days(-60, **{source: ALL_APPS}))
    name = NAMED[source]
    extra = ("parameters", "properties")
    keys = Counter(
        (*(row[k] for k in ROW_KEY), row["day"], row[name], *(str(row.get(e)) for e in extra)) for row in rows
    )
    assert len(rows) > 100
    assert max(keys.values()) == 1
    assert all(APP_OF[row[name]] == row["appId"] for row in rows)
    assert min(row["numMinutes"] for row in rows) == 1
    assert all(row["numMinutes"] <= row["numEvents"] for row in rows)


def test_pages_and_features_are_part_of_the_usage_and_track_events_are_not(pendo: Subscription) -> None:
    def by_key(source: str) -> dict[tuple[object, ...], list[dict[str, Any]]]:
        found = defaultdict(list)
        for row in pendo.rows(days(-90, **{source: ALL_APPS})):
            found[(*(row[k] for k in ROW_KEY), row["day"])].append(row)
        return found

    usage, pages, features, tracks = (by_key(s) for s in ("events", *NAMED))
    assert set(features) < set(pages) < set(usage)
    for key, (row,) in usage.items():
        parts = pages[key] + features[key]
        assert sum(part["numEvents"] for part in parts) <= row["numEvents"]
        assert max((part["numMinutes"] for part in parts), default=0) <= row["numMinutes"]
        assert all(part["numMinutes"] <= row["numMinutes"] for part in tracks[key])
    spare = sum(row["numEvents"] for (row,) in usage.values())
    spare -= sum(part["numEvents"] for of in (pages, features) for parts in of.values() for part in parts)
    assert spare > 0  # pages that nobody tagged, clicks on nothing in particular


def test_features_are_clicked_on_their_own_page(pendo: Subscription) -> None:
    visits: dict[tuple[object, ...], set[object]] = defaultdict(set)
    for row in pendo.rows(days(-30, pageEvents=ALL_APPS)):
        visits[(*(row[k] for k in ROW_KEY), row["day"])].add(row["pageId"])
    page_of = {feature.id: PAGES[feature.page].id for feature in FEATURES}
    clicks = pendo.rows(days(-30, featureEvents=ALL_APPS))
    assert len({row["featureId"] for row in clicks}) > 15
    for row in clicks:
        assert page_of[row["featureId"]] in visits[(*(row[k] for k in ROW_KEY), row["day"])]


def test_pages_with_parameters_tell_them_and_track_events_their_property(pendo: Subscription) -> None:
    parameters = {page.id: page.parameters for page in PAGES}
    for row in pendo.rows(days(-30, pageEvents=ALL_APPS)):
        values = parameters[row["pageId"]]
        assert row["parameters"]["parameter"] in values if values else "parameters" not in row
    details = {track.id: track for track in TRACK_TYPES}
    for row in pendo.rows(days(-30, trackEvents=ALL_APPS)):
        track = details[row["trackTypeId"]]
        assert set(row["properties"]) == {track.detail}
        assert row["properties"][track.detail] in track.values


@pytest.mark.parametrize("source", NAMED)
def test_one_thing_is_asked_for_by_its_id(pendo: Subscription, source: str) -> None:
    name = NAMED[source]
    everything = pendo.rows(days(-30, **{source: ALL_APPS}))
    one = everything[0][name]
    chosen = pendo.rows(days(-30, **{source: {**ALL_APPS, name: one}}))
    assert chosen == [row for row in everything if row[name] == one]
    assert pendo.rows(days(-30, **{source: {**ALL_APPS, name: "nowhere"}})) == []


@pytest.mark.parametrize("path", ["page", "feature", "tracktype", "guide"])
def test_lists_give_the_default_app_all_of_them_or_those_asked_for(pendo: Subscription, path: str) -> None:
    def listed(**query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pendo.http.get(f"/api/v1/{path}", params=query).raise_for_status().json()
        return found

    source = {"tracktype": "trackTypes"}.get(path, f"{path}s")
    everything = listed(expand="*")
    assert everything == pendo.rows({source: ALL_APPS})
    assert listed() == pendo.rows({source: None}) == [one for one in everything if one["appId"] == APPS[0]]
    assert listed(appId=str(APPS[1])) == [one for one in everything if one["appId"] == APPS[1]]
    two = [everything[0], everything[-1]]
    assert listed(id=",".join(one["id"] for one in two)) == two
    assert len({one["id"] for one in everything}) == len(everything)


def test_the_catalogue_names_what_the_events_name(pendo: Subscription) -> None:
    for source, listing in (("pageEvents", "pages"), ("featureEvents", "features"), ("trackEvents", "trackTypes")):
        known = {one["id"] for one in pendo.rows({listing: ALL_APPS})}
        assert {row[NAMED[source]] for row in pendo.rows(days(-200, **{source: ALL_APPS}))} <= known
    page = pendo.http.get("/api/v1/page").json()[0]
    assert (page["kind"], page["group"]["name"], len(page["id"])) == ("Page", "Overview", 27)
    assert {"rootVersionId", "stableVersionId", "createdByUser", "validThrough", "dirty"} <= set(page)


def test_a_survey_is_seen_before_it_is_answered_and_is_sometimes_closed(pendo: Subscription) -> None:
    seen: dict[tuple[object, object], list[int]] = defaultdict(list)
    kinds = Counter[str]()
    for row in pendo.rows(days(-390, guideEvents=ALL_APPS)):
        kinds[row["type"]] += 1
        if row["type"] == "guideSeen":
            seen[row["visitorId"], row["guideId"]].append(row["browserTime"])
    answers = pendo.rows(days(-390, pollEvents=ALL_APPS), {"filter": "pollType != 'NPSReason'"})
    assert kinds["guideSeen"] == kinds["guideAdvanced"] + kinds["guideDismissed"]
    assert kinds["guideAdvanced"] == len(answers)
    assert kinds["guideDismissed"] > 20
    for answer in answers:
        times = seen[answer["visitorId"], answer["guideId"]]
        assert any(0 <= answer["browserTime"] - time <= 1000 for time in times)
    one = pendo.rows(days(-390, guideEvents={**ALL_APPS, "guideId": "guide-csat-2026"}))
    assert {row["appId"] for row in one} == {APPS[1]}


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/New_York", date(2026, 3, 8)),
        ("Asia/Kolkata", date(2026, 6, 1)),
        ("Australia/Adelaide", date(2026, 4, 5)),
        ("Pacific/Kiritimati", date(2026, 5, 1)),
    ],
)
def test_hours_add_up_to_days_of_the_time_zone(zone: str, change: date) -> None:
    local = ZoneInfo(zone)
    first = change - timedelta(days=2)
    start = datetime(first.year, first.month, first.day, tzinfo=local)
    end = datetime(change.year, change.month, change.day, tzinfo=local) + timedelta(days=3)
    hours = int((end.timestamp() - start.timestamp()) // 3600)
    first_ms = int(start.timestamp() * 1000)
    with subscribed(visitors=120, time_zone=zone) as pendo:
        for source in ("events", *NAMED):
            key = (*ROW_KEY, *([NAMED[source]] if source in NAMED else []))
            by_day = pendo.rows({source: ALL_APPS, "timeSeries": {"period": "dayRange", "first": first_ms, "count": 5}})
            by_hour = pendo.rows(
                {source: ALL_APPS, "timeSeries": {"period": "hourRange", "first": first_ms, "count": hours}}
            )
            sums: dict[tuple[object, ...], Counter[str]] = defaultdict(Counter)
            for sign, rows, bucket in ((1, by_day, "day"), (-1, by_hour, "hour")):
                for row in rows:
                    moment = datetime.fromtimestamp(row[bucket] / 1000, local)
                    assert moment.minute == 0
                    assert bucket == "hour" or moment.hour == 0
                    what = (*(row[k] for k in key), str(row.get("parameters", row.get("properties"))), moment.date())
                    sums[what].update(minutes=sign * row["numMinutes"], events=sign * row["numEvents"])
            assert len(by_hour) >= len(by_day) > 5
            assert source != "events" or len(by_hour) > len(by_day)
            assert set().union(*(set(of.values()) for of in sums.values())) == {0}
        one = by_hour[0]["hour"]
        series = {"period": "hourRange", "first": one + 1_800_000, "count": 1}
        alone = pendo.rows({"trackEvents": ALL_APPS, "timeSeries": series})
        assert alone == [row for row in by_hour if row["hour"] == one]


def naive(world: World, day: Day, source: Source, lag: int, *, hourly: bool) -> Counter[tuple[Any, ...]]:
    """Count a day's rows the long way: a set of minutes and a sum of events by key."""
    spent = browse(world.seed, day)
    counts, things, values = {
        Source.EVENTS: (day.events, None, None),
        Source.PAGES: (spent.page_events, spent.page, spent.parameter),
        Source.FEATURES: (spent.feature_events, spent.feature, None),
        Source.TRACKS: (spent.track_events, spent.track, spent.detail),
    }[source]
    minutes: dict[tuple[int, ...], set[int]] = defaultdict(set)
    events = Counter[tuple[int, ...]]()
    for at, (session, minute) in enumerate(zip(day.session.tolist(), day.minute.tolist(), strict=True)):
        if day.lag[session] > lag or counts[at] == 0:
            continue
        columns = (day.visitor, day.account, day.app, day.server, day.ip, day.agent)
        thing = 0 if things is None else int(things[at]) + 1
        value = 0 if values is None else int(values[at]) + 1
        key = (*(int(column[session]) for column in columns), minute // 60 if hourly else 0, thing, value)
        minutes[key].add(minute)
        events[key] += int(counts[at])
    return Counter((key[0], *key[6:], events[key], len(minutes[key])) for key in minutes)


@pytest.mark.parametrize("hourly", [False, True])
@pytest.mark.parametrize("source", Source)
def test_rows_are_the_minutes_counted_the_long_way(source: Source, *, hourly: bool) -> None:
    world = build_world(11, 150, AS_OF)
    usage = UsageRows(world)
    names = [name for name in ROW.names or () if name != "flags"]
    for ago, lag in ((2, 0), (2, 1), (9, 3), (20, 0)):
        day = world.day(AS_OF - timedelta(days=ago))
        rows = usage.rows(source, day.date, lag, hourly=hourly)
        found = Counter(tuple(int(row[name]) for name in names) for row in rows)
        assert found == naive(world, day, source, lag, hourly=hourly)
        assert len(rows) > 1
        assert np.array_equal(rows, usage.rows(source, day.date, lag, hourly=hourly))  # now from the shelf


def test_a_shelf_gives_back_what_was_put_on_it() -> None:
    shelf = Shelf()
    assert shelf.get("a") is None
    shelf.put("a", b"one")
    shelf.put("b", b"")
    shelf.put("c", b"three")
    shelf.put("a", b"another")
    assert (shelf.get("a"), shelf.get("b"), shelf.get("c")) == (b"one", b"", b"three")


def test_a_long_answer_comes_in_pieces_and_whole(pendo: Subscription) -> None:
    answer = pendo.post({"source": days(-395, pageEvents=ALL_APPS)})
    rows = answer.json()["results"]
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(rows) > 10_000
    assert rows[:5000] == pendo.rows(days(-395, pageEvents=ALL_APPS), {"limit": 5000})
    assert rows[5000:10_000] == pendo.rows(days(-395, pageEvents=ALL_APPS), {"skip": 5000}, {"limit": 5000})
    assert answer.json()["startTime"] == min(row["day"] for row in rows)


def test_first_steps_done_on_ids_alone_give_what_they_give_row_by_row(pendo: Subscription) -> None:
    ids = sorted(row["visitorId"] for row in pendo.rows({"visitors": None}))
    steps = ({"identified": "visitorId"}, {"filter": f'visitorId > "{ids[9]}"'}, {"sort": ["visitorId"]}, {"limit": 20})
    for some in permutations(steps):
        source = {"visitors": {"blacklist": "ignore"}}
        quick = pendo.rows(source, *some)
        assert quick == pendo.rows(source, {"cat": None}, *some)
        assert quick
    accounts = pendo.rows({"accounts": None}, {"sort": ["accountId"]}, {"limit": 3})
    assert accounts == pendo.rows({"accounts": None}, {"cat": None}, {"sort": ["accountId"]}, {"limit": 3})


def test_whole_pipelines_can_be_spawned_and_merged(pendo: Subscription) -> None:
    minutes = [
        {"source": days(-30, events=ALL_APPS)},
        {"group": {"group": ["visitorId"], "fields": {"minutes": {"sum": "numMinutes"}}}},
    ]
    merged = pendo.rows(
        {"visitors": None},
        {"merge": {"fields": ["visitorId"], "mappings": {"minutes": "minutes"}, "pipeline": minutes}},
        {"select": {"visitorId": "visitorId", "minutes": "minutes"}},
    )
    expected = {row["visitorId"]: row["minutes"] for row in pendo.rows(minutes[0]["source"], minutes[1])}
    assert expected
    assert {row["visitorId"]: row["minutes"] for row in merged if row["minutes"]} == expected
    both = pendo.post({"spawn": [minutes, [{"source": {"visitors": None}}]]}, {"join": {"fields": ["visitorId"]}})
    joined = {row["visitorId"]: row.get("minutes") for row in both.json()["results"] if "metadata" in row}
    assert {visitor: one for visitor, one in joined.items() if one} == expected


def test_a_range_of_too_many_rows_times_out_and_a_shorter_one_does_not() -> None:
    with subscribed(max_rows=500) as pendo:
        assert pendo.post({"source": days(-300, events=ALL_APPS)}).status_code == 408
        assert pendo.post({"source": days(-300, pageEvents=ALL_APPS)}, {"limit": 1}).status_code == 408
        assert len(pendo.rows(days(-5, events=ALL_APPS))) < 500
        assert pendo.post({"source": {"visitors": None}}).status_code == 200


def test_a_key_of_one_region_is_no_key_of_another() -> None:
    with subscribed(visitors=10, region="eu") as pendo:
        for region, host in REGIONS.items():
            answer = pendo.http.get("/api/v1/token/verify", headers={"host": host})
            assert answer.status_code == (200 if region == "eu" else 403), region
        assert pendo.http.get("/api/v1/token/verify").status_code == 200
    with pytest.raises(ValueError, match="eu, us1"):
        subscribed(region="mars").__enter__()
