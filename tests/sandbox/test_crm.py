"""The CRM records of the world: dirty in every promised way, made as a stream, and right in both stores."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.crm import HubSpotSeeds, SalesforceSeeds, plant_hubspot, plant_salesforce, plant_salespeople
from sandbox.crm.contacts import FULL_WIDTH, INBOX, MERGED, MOVED, PLUS, STRANGER, TWO, TYPO
from sandbox.hubspot import HubSpotStore
from sandbox.names import FAMILY, GIVEN
from sandbox.packing import pack, unpack
from sandbox.people import People, make_accounts, make_people
from sandbox.records import SeedRecord
from sandbox.salesforce import SalesforceStore

ORIGIN = date(2026, 6, 1)
ZONE = ZoneInfo("America/New_York")


def planted(
    seed: int, visitors: int, *, person_accounts: bool = False, product_leads: int = 0
) -> tuple[People, HubSpotSeeds, SalesforceSeeds]:
    rng = np.random.default_rng([seed, 0])
    accounts = make_accounts(rng, max(1, visitors // 25))
    people, _ = make_people(rng, accounts, visitors, ORIGIN, ZONE)
    owners, users = plant_salespeople(ORIGIN)
    hubspot = plant_hubspot(seed, ORIGIN, accounts, people, owners)
    return (
        people,
        hubspot,
        plant_salesforce(
            seed, ORIGIN, accounts, people, users, person_accounts=person_accounts, product_leads=product_leads
        ),
    )


PEOPLE, HUBSPOT, SALESFORCE = planted(7, 2000)
CONTACTS = {one.id: one for one in HUBSPOT if one.object == "contacts"}


def of(seeds: HubSpotSeeds | SalesforceSeeds, name: str) -> list[SeedRecord]:
    return [one for one in seeds if one.object == name]


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(max_size=5), scalars.filter(lambda value: value not in (np.inf, -np.inf)), max_size=8))
def test_what_is_packed_reads_back(values: dict[str, object]) -> None:
    assert unpack(pack(values)) == values
    assert list(unpack(pack(values))) == list(values)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), visitors=st.integers(1, 120))
def test_people_are_the_same_one_by_one_and_all_together(seed: int, visitors: int) -> None:
    people = planted(seed, visitors)[0]
    everybody = list(people)
    assert [people[n] for n in range(len(people))] == everybody == people[:]
    assert people[-1] == everybody[-1]
    assert people.ids() == [one.id for one in everybody]
    assert people.emails() == [one.email for one in everybody]
    assert people.addresses() == [one.address for one in everybody]
    assert people.known(ORIGIN).tolist() == [one.joined is None or one.joined < ORIGIN for one in everybody]
    assert people.excluded.tolist() == [one.excluded for one in everybody]
    assert len(set(people.ids())) == len(people)
    own = people.holder == np.arange(len(people))
    assert len(set(people.addresses(np.flatnonzero(own)))) == own.sum()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_stream_is_the_same_each_time_it_is_walked(seed: int) -> None:
    _, hubspot, salesforce = planted(seed, 40)
    assert list(hubspot) == list(hubspot)
    assert list(salesforce) == list(salesforce)
    again = planted(seed, 40)
    assert [*hubspot, *salesforce] == [*again[1], *again[2]]


def test_every_form_of_address_is_planted() -> None:
    forms = Counter(HUBSPOT.contacts.form.tolist())
    assert min(forms[form] for form in (FULL_WIDTH, TWO, TYPO, PLUS, MOVED, MERGED, STRANGER, INBOX)) > 0
    known = set(PEOPLE.addresses())
    for place, form in enumerate(HUBSPOT.contacts.form.tolist()):
        properties = CONTACTS[HUBSPOT.contact_id(place)].properties
        email, more = properties["email"], str(properties["hs_additional_emails"] or "")
        if form in (TYPO, PLUS, STRANGER, INBOX):
            # Another address to everybody but a person, so nobody's match.
            assert email not in known
            assert not more
        if form == MOVED:
            assert email not in known
            assert more in known
        if form == TWO:
            assert {email, more} <= known


def test_hubspot_keeps_one_contact_for_an_address() -> None:
    taken = Counter(
        address.strip().lower()
        for one in CONTACTS.values()
        if not one.archived
        for address in (one.properties["email"], one.properties["hs_additional_emails"])
        if isinstance(address, str)
    )
    assert max(taken.values()) == 1


def test_names_come_in_every_script_and_some_were_mistyped_or_never_asked_for() -> None:
    names = {str(one.properties[part]) for one in CONTACTS.values() for part in ("firstname", "lastname")}
    # Kana and kanji, Hebrew, Arabic, and a letter of Spanish.
    for first, last in (("\u3040", "\u9fff"), ("\u0590", "\u05ff"), ("\u0600", "\u06ff"), ("ñ", "ñ")):
        assert any(first <= letter <= last for name in names for letter in name), (first, last)
    assert any(one.properties["firstname"] is None for one in CONTACTS.values())
    assert names - {name for name, _ in (*GIVEN, *FAMILY)} - {"None"}


def test_hubspot_keeps_what_was_planted() -> None:
    store = HubSpotStore(HUBSPOT, Clock(ORIGIN))
    for name in ("contacts", "companies", "deals", "tickets", "tasks"):
        assert len(store.records(name)) == len(of(HUBSPOT, name)) > 0
    assert len(store.records("p_subscriptions")) == len(of(HUBSPOT, "subscriptions")) > 0
    # Old ids of merged records lead to the survivor.
    merged = next(one for one in CONTACTS.values() if one.properties["hs_merged_object_ids"])
    table = store.tables["contacts"]
    for old in str(merged.properties["hs_merged_object_ids"]).split(";"):
        assert table.survivor(old) == merged.id
        assert table.find(old) is None
    # Contacts belong to companies, the first one primarily; deals to companies and people.
    linked = next(one for one in CONTACTS.values() if len(one.links) == 2)
    kinds = {
        to: [kind.label for kind in found] for to, found in store.links.of("contacts", int(linked.id), "companies")
    }
    assert kinds == {int(linked.links[0][1]): [None, "Primary"], int(linked.links[1][1]): [None]}
    deal = next(one for one in of(HUBSPOT, "deals") if len(one.links) == 2)
    assert [to for to, _ in store.links.of("deals", int(deal.id), "contacts")] == [int(deal.links[1][1])]
    # Who opted out is out of everything.
    out = [one for one in CONTACTS.values() if one.properties["hs_email_optout"]]
    assert out
    assert {str(one.properties["email"]).strip().lower() for one in out} == set(store.consents.opted_out)
    said = of(HUBSPOT, "consents")
    states = {store.consents.of(one.id, int(kind)).state for one in said for kind in one.properties}
    assert states == {"SUBSCRIBED", "UNSUBSCRIBED"}


def test_hubspot_deals_are_open_won_and_lost() -> None:
    store = HubSpotStore(HUBSPOT, Clock(ORIGIN))
    closed = Counter[tuple[object, object]]()
    now = datetime(2026, 6, 1, 9, tzinfo=UTC).isoformat()
    for one in store.records("deals"):
        properties = one["properties"]
        assert isinstance(properties, dict)
        closed[properties["hs_is_closed"], properties["hs_is_closed_won"]] += 1
        assert (properties["closedate"] < now) is (properties["hs_is_closed"] == "true")
    assert set(closed) == {("false", "false"), ("true", "true"), ("true", "false")}


def test_salesforce_keeps_what_was_planted() -> None:
    store = SalesforceStore(SALESFORCE, Clock(ORIGIN))
    rows = {name: {row["Id"]: row for row in store.records(name)} for name in ("Account", "Contact", "Opportunity")}
    for name, kept in rows.items():
        assert len(kept) == len(of(SALESFORCE, name)) > 0
    losers = [row for name in ("Account", "Contact") for row in rows[name].values() if row["MasterRecordId"]]
    assert {row["IsDeleted"] for row in losers} == {True}
    assert all(row["MasterRecordId"] in (*rows["Account"], *rows["Contact"]) for row in losers)
    assert {row["StageName"] for row in rows["Opportunity"].values()} > {"Closed Won", "Closed Lost", "Prospecting"}
    assert {(row["IsClosed"], row["IsWon"]) for row in rows["Opportunity"].values()} == {
        (False, False),
        (True, False),
        (True, True),
    }
    for role in store.records("OpportunityContactRole"):
        assert role["OpportunityId"] in rows["Opportunity"]
        assert role["ContactId"] in rows["Contact"]
    converted = [row for row in store.records("Lead") if row["IsConverted"]]
    assert converted
    assert all(row["ConvertedContactId"] in rows["Contact"] for row in converted)
    assert all(row["ConvertedAccountId"] in rows["Account"] for row in converted)
    assert {row["Account__c"] in rows["Account"] for row in store.records("Subscription__c")} == {True}
    assert any(row["HasOptedOutOfEmail"] for row in rows["Contact"].values())
    assert any(row["DoNotCall"] for row in rows["Contact"].values())


def test_some_leads_may_be_of_people_who_use_the_product_and_nothing_else_moves() -> None:
    people, _, plain = planted(7, 2000)
    _, _, seeds = planted(7, 2000, product_leads=5)
    before = {one.id: one for one in plain}
    changed = [one for one in seeds if one != before[one.id]]
    assert [one.object for one in changed] == ["Lead"] * 5
    addresses = {one.address for one in people if not one.anonymous}
    known = {str(row["Email"]).lower() for row in SalesforceStore(plain, Clock(ORIGIN)).records("Contact")}
    emails = {str(one.properties["Email"]) for one in changed}
    assert len(emails) == 5
    assert emails <= addresses - known
    assert not any(one.properties.get("IsConverted") for one in changed)
    assert {one.properties["LastName"] for one in changed} != {before[one.id].properties["LastName"] for one in changed}


def test_people_without_a_company_may_be_accounts_themselves() -> None:
    _, _, seeds = planted(7, 2000, person_accounts=True)
    store = SalesforceStore(seeds, Clock(ORIGIN), person_accounts=True)
    people = [row for row in store.records("Account") if row["IsPersonAccount"]]
    assert people
    twins = {row["Id"]: row for row in store.records("Contact")}
    assert all(twins[row["PersonContactId"]]["Email"] == row["PersonEmail"] for row in people)
    live = {seeds.contact_id(int(place)) for place in seeds.live_contacts()}
    assert live <= twins.keys()


def test_a_large_account_folds_what_is_not_used_and_shows_it_all_the_same() -> None:
    seeds = [
        SeedRecord(
            "contacts",
            str(n),
            {"email": f"p{n}@x.example"},
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 2, tzinfo=UTC),
        )
        for n in range(1, 10_101)
    ]
    store = HubSpotStore(seeds, Clock(ORIGIN))
    table = store.tables["contacts"]
    assert len(table.fresh) == 10_000
    first, last = table.records[1], table.records[10_100]
    assert first.values is not first.values  # a copy for each reader: it is folded
    assert last.values is last.values
    store.edit("contacts", "1", {"firstname": "Ada"})
    assert table.records[1].values["firstname"] == "Ada"
    assert table.records[1].values is table.records[1].values
    assert [record["properties"] for record in store.records("contacts")][1] == {
        **last.values,
        "email": "p2@x.example",
        "hs_object_id": "2",
        "hs_all_contact_vids": "2",
        "hs_full_name_or_email": "p2@x.example",
    }
