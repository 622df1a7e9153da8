"""The world: the same for a seed, whole for a day, and dirty in every way that it promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.names import FREE_MAIL
from sandbox.product import FEATURES, PAGES, TRACK_TYPES
from sandbox.usage import Day, browse
from sandbox.world import build_world

AS_OF = date(2026, 11, 21)
WORLD = build_world(7, 1500, AS_OF)
DAYS = WORLD.days(AS_OF)


def same(one: Day, other: Day) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(other), strict=True))


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    later=st.integers(1, 40),
)
def test_a_world_that_went_on_is_the_world_built_later(seed: int, start: date, later: int) -> None:
    end = start + timedelta(days=later)
    lived = build_world(seed, 20, start)
    built = build_world(seed, 20, end, origin=start)
    assert all(map(same, lived.days(end), built.days(end)))
    assert len(lived.days(end)) == 400 + later
    assert list(lived.visitors) == list(built.visitors)
    assert [*lived.hubspot, *lived.salesforce] == [*built.hubspot, *built.salesforce]
    assert lived.drift(end) == built.drift(end)


def test_days_that_are_let_go_are_made_again_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    world = build_world(7, 60, AS_OF)
    first = world.days(AS_OF)[0]
    monkeypatch.setattr("sandbox.world.KEPT_MINUTES", 500)
    assert sum(len(day.minute) for day in world.days(AS_OF)) > 5_000
    again = world.days(AS_OF)[0]
    assert again is not first
    assert same(again, first)


def test_browsing_is_part_of_the_minutes_it_describes() -> None:
    kinds = ((PAGES, "page"), (FEATURES, "feature"), (TRACK_TYPES, "track"))
    ever: dict[str, set[int]] = {name: set() for _, name in kinds}
    for day in DAYS[-60:]:
        spent = browse(WORLD.seed, day)
        app = day.app[day.session]
        for things, name in kinds:
            column, events = getattr(spent, name), getattr(spent, f"{name}_events")
            used = column >= 0
            assert np.array_equal(used, events > 0)
            assert np.array_equal(np.array([thing.app for thing in things])[column[used]], app[used])
            ever[name] |= set(column.tolist())
        assert np.all(spent.page_events + spent.feature_events <= day.events)
        clicked = spent.feature >= 0
        assert np.array_equal(np.array([f.page for f in FEATURES])[spent.feature[clicked]], spent.page[clicked])
    assert ever == {name: set(range(-1, len(things))) for things, name in kinds}


def test_another_seed_is_another_world() -> None:
    other = build_world(8, 1500, AS_OF)
    assert {v.id for v in other.visitors} != {v.id for v in WORLD.visitors}
    assert not same(other.days(AS_OF)[0], DAYS[0])


def test_it_has_the_people_and_accounts_asked_for() -> None:
    known = [v for v in WORLD.visitors if WORLD.is_known(v, AS_OF) and not v.anonymous]
    assert len(known) == 1500
    assert len(WORLD.accounts) == 60
    assert len({v.id for v in WORLD.visitors}) == len(WORLD.visitors)
    assert len(build_world(7, 30, AS_OF, accounts=9).accounts) == 9


def test_its_days_are_whole_local_days_also_when_clocks_change() -> None:
    assert [d.date for d in DAYS] == [AS_OF - timedelta(days=n) for n in range(400, 0, -1)]
    lengths = {d.date: (e.start - d.start) // 60_000 for d, e in pairwise(DAYS)}
    assert Counter(lengths.values()) == {1440: 396, 1380: 1, 1500: 2}
    assert all(day.minute.max() < lengths.get(day.date, 1440) for day in DAYS)
    night = datetime.fromtimestamp(DAYS[-1].start / 1000, UTC)
    assert night == datetime(2026, 11, 20, 5, tzinfo=UTC)


def test_working_days_are_busier() -> None:
    by_weekday = Counter[int]()
    for day in DAYS:
        by_weekday[day.date.weekday()] += len(np.unique(day.visitor))
    assert min(by_weekday[d] for d in range(5)) > 3 * max(by_weekday[5], by_weekday[6])


def test_people_come_go_lapse_and_belong_to_several_accounts() -> None:
    people = [v for v in WORLD.visitors if WORLD.is_known(v, AS_OF)]
    recent = {int(v) for day in DAYS[-90:] for v in day.visitor}
    ever = {int(v) for day in DAYS for v in day.visitor}
    assert sum(v.joined is not None and v.joined > AS_OF - timedelta(days=30) for v in people) > 20
    assert len(ever - recent) > 100
    assert sum(v.joined is None for v in people) > 30
    assert sum(len(v.accounts) > 1 for v in people) > 50
    assert any(not v.accounts and not v.anonymous for v in people)
    assert sum(v.anonymous for v in people) > 30
    assert sum(v.excluded for v in people) > 10
    assert all(any(day.lag == n) for day in (DAYS[-40],) for n in range(3))


def test_one_day_brings_new_visitors_and_usage() -> None:
    later = AS_OF + timedelta(days=14)
    new = [v for v in WORLD.visitors if WORLD.is_known(v, later) and not WORLD.is_known(v, AS_OF)]
    assert new
    assert len(WORLD.days(later)) == len(DAYS) + 14


def test_crm_records_are_dirty_in_every_promised_way() -> None:
    contacts = [r for r in WORLD.hubspot if r.object == "contacts"]
    emails = [str(r.properties["email"] or "") for r in contacts]
    assert any(e != e.lower() for e in emails)
    assert any(e != e.strip() for e in emails)
    assert any("\uff41" <= c <= "\uff5a" for e in emails for c in e)
    assert "" in emails
    assert any(r.archived for r in contacts)
    assert any(r.properties["hs_additional_emails"] for r in contacts)
    assert any(not str(r.properties["firstname"]).isascii() for r in contacts)
    companies = [r for r in WORLD.hubspot if r.object == "companies"]
    assert any(r.properties["domain"] in FREE_MAIL for r in companies)
    assert any(str(r.properties["domain"]).startswith("https://www.") for r in companies)
    assert any(r.properties["domain"] and not r.properties["product_account_id"] for r in companies)
    accounts = [r for r in WORLD.salesforce if r.object == "Account"]
    ids = Counter(r.properties["Product_Account_Id__c"] for r in accounts)
    assert any(count > 1 for product_id, count in ids.items() if product_id)


def test_crm_ids_are_unique_and_salesforce_checks_the_case() -> None:
    ids = [r.id for r in (*WORLD.hubspot, *WORLD.salesforce) if r.object != "consents"]
    assert len(set(ids)) == len(ids)
    prefixes = {
        "Account": "001",
        "Asset": "02i",
        "Contact": "003",
        "Lead": "00Q",
        "Opportunity": "006",
        "OpportunityContactRole": "00K",
        "Subscription__c": "a00",
        "Task": "00T",
        "User": "005",
    }
    for record in WORLD.salesforce:
        assert record.id.startswith(prefixes[record.object])
        assert len(record.id) == 18
    assert {r.id[15:] for r in WORLD.salesforce} != {"AAA"}


def test_hubspot_has_one_live_contact_for_an_exact_address() -> None:
    spelled = Counter(
        r.properties["email"]
        for r in WORLD.hubspot
        if r.object == "contacts" and not r.archived and r.properties["email"]
    )
    assert max(spelled.values()) == 1


def test_records_were_made_and_touched_before_the_world_begins() -> None:
    begin = datetime(2026, 11, 21, 9, tzinfo=UTC)
    for record in (*WORLD.hubspot, *WORLD.salesforce):
        assert record.created_at <= record.updated_at < begin


def test_drift_touches_contacts_and_never_a_usage_property() -> None:
    edits = WORLD.drift(AS_OF)
    assert {e.vendor for e in edits} == {"hubspot", "salesforce"}
    touched = {name for e in edits for name in e.properties}
    assert touched <= {"jobtitle", "phone", "Title", "Phone"}
