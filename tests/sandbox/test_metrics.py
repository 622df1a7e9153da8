"""The truth about usage: SQL over minutes says what a loop over minutes says, whatever Pendo serves of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox.metrics import metrics
from sandbox.product import FEATURES, GUIDES, PAGES, TRACK_TYPES
from sandbox.usage import NPS, browse
from sandbox.world import World, build_world
from tests.sandbox.pendo_account import ALL_APPS, AS_OF, Subscription, days, subscribed

WINDOWS = (30, 90, 180)
ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Auckland")


def lived(world: World, as_of: date) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    """Collect, minute by minute, what every visitor and account did on which day ago."""
    people = list(world.visitors)
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for day in world.days(as_of):
        ago = (as_of - day.date).days
        spent = browse(world.seed, day)
        for at, session in enumerate(day.session.tolist()):
            visitor = people[day.visitor[session]]
            if visitor.anonymous or visitor.excluded or not world.is_known(visitor, as_of):
                continue
            if day.lag[session] >= ago:
                continue
            account = int(day.account[session])
            row = (visitor.id, *(int(c[session]) for c in (day.account, day.app, day.server, day.ip, day.agent)))
            minute = int(day.minute[at])
            for owner in (("visitor", visitor.id), *([("account", world.accounts[account].id)] * (account >= 0))):
                of = found[owner].setdefault(ago, {"minutes": set(), "events": 0, "used": {}, "times": []})
                of["minutes"].add((row, minute))
                of["events"] += int(day.events[at])
                of["times"].append(day.start + minute * 60_000 + int(day.offset[session]))
                for kind, things, thing, value, events in (
                    ("pages", PAGES, spent.page[at], spent.parameter[at], spent.page_events[at]),
                    ("features", FEATURES, spent.feature[at], 0, spent.feature_events[at]),
                    ("tracks", TRACK_TYPES, spent.track[at], spent.detail[at], spent.track_events[at]),
                ):
                    if events:
                        used = of["used"].setdefault((kind, things[thing].id), {"minutes": set(), "events": 0})
                        used["minutes"].add((row, int(value), minute))
                        used["events"] += int(events)
    return found


def summed(of: dict[int, dict[str, Any]], length: int) -> dict[str, Any]:
    inside = [day for ago, day in of.items() if 1 <= ago <= length]
    before = [day for ago, day in of.items() if length < ago <= 2 * length]
    minutes, previous = (sum(len(day["minutes"]) for day in some) for some in (inside, before))
    events = sum(day["events"] for day in inside)
    used: dict[str, dict[str, Counter[str]]] = {"pages": {}, "features": {}, "tracks": {}}
    for day in inside:
        for (kind, thing), sums in day["used"].items():
            added = {"minutes": len(sums["minutes"]), "events": sums["events"]}
            used[kind].setdefault(thing, Counter()).update(added)
    return {
        "active_days": len(inside),
        "share_of_days_active": len(inside) / length,
        "minutes": minutes,
        "previous_minutes": previous,
        "trending_percent": 100 * (minutes - previous) / previous if previous else None,
        "trending_reason": None if previous else "new" if minutes else "none",
        "events": events,
        "events_per_active_day": events / len(inside) if inside else None,
        "pages_viewed": len(used["pages"]),
        "features_used": len(used["features"]),
        "pages": used["pages"],
        "features": used["features"],
        "track_events": {thing: sums["events"] for thing, sums in used["tracks"].items()},
    }


@pytest.mark.parametrize(("seed", "zone"), list(enumerate(ZONES)))
def test_the_truth_is_what_a_loop_over_minutes_finds(seed: int, zone: str) -> None:
    as_of = AS_OF + timedelta(days=seed)
    world = build_world(seed, 25, AS_OF, zone, accounts=3)
    said: dict[str, Any] = metrics(world, as_of)
    naive = lived(world, as_of)
    earlier = {visitor.id: visitor for visitor in world.visitors}
    for kind in ("visitor", "account"):
        for name, of in said[f"{kind}s"].items():
            for length in WINDOWS:
                assert of["windows"][str(length)] == summed(naive[kind, name], length), (kind, name, length)
            times = [time for day in naive[kind, name].values() for time in day["times"]]
            if kind == "visitor":
                times += earlier[name].earlier or ()
                assert (of["first_visit"], of["last_visit"]) == ((min(times), max(times)) if times else (None, None))
    known = [v for v in world.visitors if world.is_known(v, as_of) and not v.anonymous and not v.excluded]
    assert set(said["visitors"]) == {visitor.id for visitor in known}
    for name, of in said["accounts"].items():
        for length in WINDOWS:
            days = (day for ago, day in naive["account", name].items() if 1 <= ago <= length)
            people = {row[0] for day in days for row, _ in day["minutes"]}
            assert of["active_visitors"][str(length)] == len(people), (name, length)
    members = Counter(account for visitor in known for account in visitor.accounts)
    assert [of["visitors"] for of in said["accounts"].values()] == [members[n] for n in range(len(world.accounts))]


def test_latest_ratings_and_comments_are_the_last_that_arrived() -> None:
    world = build_world(9, 120, AS_OF)
    said: dict[str, Any] = metrics(world, AS_OF)
    ids = world.visitors.ids()
    given = sorted(
        ((a.time, ids[a.visitor], a) for d in world.days(AS_OF) for a in d.answers if a.lag < (AS_OF - d.date).days),
        key=lambda one: one[0],
    )
    ratings = {visitor: int(a.rating) for _, visitor, a in given if a.survey == NPS}
    comments = {visitor: a.comment for _, visitor, a in given if a.survey == NPS and a.comment}
    assert len(comments) > 10
    for visitor, of in said["visitors"].items():
        assert of["latest_nps_rating"] == ratings.get(visitor)
        assert of["latest_nps_comment"] == comments.get(visitor)


def test_the_same_world_has_the_same_truth_however_it_got_there() -> None:
    went_on = build_world(3, 30, AS_OF)
    metrics(went_on, AS_OF)
    later = AS_OF + timedelta(days=9)
    assert metrics(went_on, later) == metrics(build_world(3, 30, later, origin=AS_OF), later)
    assert metrics(went_on, later) != metrics(went_on, AS_OF)


@pytest.mark.parametrize("advanced", [0, 3])
@pytest.mark.parametrize("zone", ZONES)
def test_what_pendo_serves_adds_up_to_the_truth(zone: str, advanced: int) -> None:
    with subscribed(visitors=50, time_zone=zone) as pendo:
        pendo.clock.advance(advanced)
        truth: dict[str, Any] = metrics(pendo.store.world, AS_OF + timedelta(days=advanced))
        for length in (30, 180):
            for key, kind in (("visitorId", "visitors"), ("accountId", "accounts")):
                check_sums(pendo, key, truth[kind], length)
        local = ZoneInfo(zone)
        rows = pendo.rows(days(-30, trackEvents=ALL_APPS))
        assert {datetime.fromtimestamp(row["day"] / 1000, local).hour for row in rows} == {0}


def check_sums(pendo: Subscription, key: str, truth: dict[str, Any], length: int) -> None:
    """Compare sums of rows with the truth: usage, and each page, feature and track event by its id."""
    identified = {"identified": "visitorId"}
    fields = {"minutes": {"sum": "numMinutes"}, "events": {"sum": "numEvents"}}
    usage = {
        row[key]: row
        for row in pendo.rows(days(-length, events=ALL_APPS), identified, {"group": {"group": [key], "fields": fields}})
    }
    for name, of in truth.items():
        window = of["windows"][str(length)]
        found = usage.get(name, {"minutes": 0, "events": 0})
        assert (found["minutes"], found["events"]) == (window["minutes"], window["events"])
    for source, thing, where in (
        ("pageEvents", "pageId", "pages"),
        ("featureEvents", "featureId", "features"),
        ("trackEvents", "trackTypeId", "track_events"),
    ):
        group = {"group": {"group": [key, thing], "fields": fields}}
        sums: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in pendo.rows(days(-length, **{source: ALL_APPS}), identified, group):
            both = {"minutes": row["minutes"], "events": row["events"]}
            sums[row[key]][row[thing]] = row["events"] if where == "track_events" else both
        assert any(sums.values())
        assert {name: of["windows"][str(length)][where] for name, of in truth.items()} == {
            name: sums[name] for name in truth
        }


def test_guides_of_the_truth_are_those_of_the_product() -> None:
    assert [guide.polls[0].kind for guide in GUIDES] == ["NPSRating", "NPSRating", "NumberScale"]
