"""Who is who in worlds full of dirt: no wrong pair, none missed, and every planted duplicate in the conflicts."""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sandbox.crm.columns import salesforce_id
from sandbox.crm.contacts import INBOX, STRANGER, TWO, Contacts
from sandbox.crm.salesforce import PERSON_IDS
from sandbox.world import World, build_world
from tests.conftest import AS_OF, ROOT, Loop, looping, transforming

MATCHING = (
    *("--select", "+unmatched_visitors", "+unmatched_accounts", "+unmatched_records", "+match_rates", "+lost_matches"),
    *("+record_pair_conflicts", "--resource-type", "model", "--resource-type", "seed"),
)
# Visitors by seed: one world is large enough for every kind of dirt, and its Salesforce has person accounts.
VISITORS = {5: 900, 8: 160, 13: 160}
DIRTY = 5
LEADS = 3
COLUMNS = ("crm", "object", "product_object", "product_id", "record_id")
# Where the dirty world's deals name their opportunity, and the rule that reads it.
DEAL_KEY = "hs_salesforceopportunityid"
DEAL_RULE = f"deal_opportunity,1,hubspot,deals,{DEAL_KEY},salesforce,Opportunity,Id,salesforce_id,RevOps,A test\n"


@dataclass(frozen=True)
class Planted:
    """What people did in the dirty world's CRMs: whose (visitor's number) a lead or its contact is, and the deals."""

    open_lead: str = ""
    lead_of_a_contact: str = ""
    converted: str = ""
    owners: Mapping[str, int] = field(default_factory=dict)
    deals: tuple[tuple[str, str], ...] = ()
    copied_deals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Matched:
    """A world that was landed and matched."""

    loop: Loop
    world: World
    planted: Planted

    @property
    def is_dirty(self) -> bool:
        return self.world.seed == DIRTY

    def records(self, vendor: str, kind: str) -> list[dict[str, Any]]:
        """The records that are not in the recycle bin."""
        listed: list[dict[str, Any]] = self.loop.ask(f"/records/{vendor}/{kind}")
        return [one for one in listed if not one.get("archived") and not one.get("IsDeleted")]

    def twins(self) -> dict[str, str]:
        """The account of each contact that mirrors a person account."""
        return {
            one["Id"]: one["AccountId"] for one in self.records("salesforce", "Contact") if one.get("IsPersonAccount")
        }


in_the_dirty_world = pytest.mark.parametrize("matched", [DIRTY], indirect=True, scope="module")


@pytest.fixture(scope="module", params=VISITORS)
def matched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matched]:
    """A world of each of three seeds, landed and matched; and the world itself."""
    seed, folder = request.param, tmp_path_factory.mktemp("matched")
    dirty = seed == DIRTY
    # In the dirty world people make leads of visitors.
    leads = 0 if dirty else LEADS
    with looping(folder, seed=seed, visitors=VISITORS[seed], person_accounts=dirty, product_leads=leads) as loop:
        world = build_world(seed, VISITORS[seed], AS_OF, person_accounts=dirty, product_leads=leads)
        planted = plant(loop, world) if dirty else Planted(owners=owners_of_leads(world))
        root = with_deals(folder / "project") if dirty else ROOT
        matching = Matched(replace(loop, transform=transforming(loop.settings, root)), world, planted)
        matching.loop.load()
        matching.loop.build(*MATCHING)
        yield matching


def owners_of_leads(world: World) -> dict[str, int]:
    """Which visitor each lead of one is."""
    numbers = {address: number for number, address in enumerate(world.visitors.addresses())}
    leads = (one for one in world.salesforce if one.object == "Lead")
    return {lead.id: numbers[str(lead.properties["Email"])] for lead in leads if lead.properties["Email"] in numbers}


def with_deals(root: Path) -> Path:
    """Copy the project, and do what docs/matching.md says of deals."""
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, root / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, root / part)
    sources = root / "models/staging/hubspot/_hubspot__sources.yml"
    named = "          - {name: dealname}\n"
    sources.write_text(sources.read_text().replace(named, f"{named}          - {{name: {DEAL_KEY}}}\n"))
    with (root / "seeds/match_rules.csv").open("a") as file:
        file.write(DEAL_RULE)
    return root


def plant(loop: Loop, world: World) -> Planted:
    """Let people convert leads, merge duplicates, and copy deals, all of one name and amount."""
    active = {one["Id"] for one in loop.ask("/records/salesforce/User") if one["IsActive"]}
    leads = [
        one["Id"] for one in loop.ask("/records/salesforce/Lead") if not one["IsConverted"] and one["OwnerId"] in active
    ]
    known = addresses((one["Id"], one.get("Email")) for one in loop.ask("/records/salesforce/Contact"))
    visitors = world.visitors
    counted = np.flatnonzero(visitors.known(AS_OF) & ~visitors.anonymous & ~visitors.excluded)
    spelt = zip(counted.tolist(), visitors.emails(counted), visitors.addresses(counted), strict=True)
    # An address that a person may type into Salesforce today has no letters beyond ASCII.
    people = [
        (number, address)
        for number, email, address in spelt
        if email and address.isascii() and visitors.holder[number] == number
    ]
    alone = Counter(visitors.holder.tolist())
    unknown = [one for one in people if not known.get(one[1]) and alone[one[0]] == 1]
    twice = [one for one in people if len(known.get(one[1], ())) == 1 and alone[one[0]] == 1]
    owners = {}
    for lead, (number, address) in zip(leads, (*unknown[:2], twice[-1]), strict=False):
        loop.tell("/edit", vendor="salesforce", object="Lead", id=lead, properties={"Email": address})
        owners[lead] = number
    made = (
        loop.control.post("/do/salesforce/convert_lead", json={"id": leads[1]}).raise_for_status().json()["contact_id"]
    )
    owners[made] = owners[leads[1]]
    live = [one for one in loop.ask("/records/hubspot/contacts") if not one["archived"]]
    doubled = next(
        ids for ids in addresses((one["id"], one["properties"].get("email")) for one in live).values() if len(ids) == 2
    )
    primary, secondary = sorted(doubled)
    loop.tell("/merge", vendor="hubspot", object="contacts", primary_id=primary, secondary_id=secondary)
    return Planted(leads[0], leads[2], made, owners, *plant_deals(loop))


def plant_deals(loop: Loop) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Give five deals and four opportunities one name and amount, and let four of the deals name an opportunity."""
    settings = loop.settings
    httpx.post(
        f"{settings.hubspot_base_url}/crm/properties/2026-09/deals",
        json={
            "name": DEAL_KEY,
            "label": "Salesforce Opportunity ID",
            "groupName": "dealinformation",
            "type": "string",
            "fieldType": "text",
        },
        headers={"Authorization": f"Bearer {settings.hubspot_access_token.get_secret_value()}"},
    ).raise_for_status()
    deals = [one["id"] for one in loop.ask("/records/hubspot/deals")][:5]
    sales = [one["Id"] for one in loop.ask("/records/salesforce/Opportunity")][:4]
    for sale in sales:
        loop.tell(
            "/edit", vendor="salesforce", object="Opportunity", id=sale, properties={"Name": "Renewal", "Amount": 1000}
        )
    # The second as people copy it from an address bar; the last two deals are copies of one.
    named = (sales[0], sales[1][:15], None, sales[3], sales[3])
    for deal, sale in zip(deals, named, strict=True):
        properties = {"dealname": "Renewal", "amount": "1000", **({DEAL_KEY: sale} if sale else {})}
        loop.tell("/edit", vendor="hubspot", object="deals", id=deal, properties=properties)
    return tuple(zip(deals[:2], sales[:2], strict=True)), ((deals[3], sales[3]), (deals[4], sales[3]))


_WIDE = [*range(0xFF41, 0xFF5B), *range(0xFF10, 0xFF1A), 0xFF0E]  # letters, digits and the full stop
NARROW = f"translate({{}}, '{''.join(map(chr, _WIDE))}', '{''.join(chr(code - 0xFEE0) for code in _WIDE)}')"
# What is dirty about the landing, and a query that finds a row of it.
DIRT = {
    "capitals": "select 1 from hubspot.contacts where email <> lower(email)",
    "capitals in Salesforce": "select 1 from salesforce.contact where Email <> lower(Email)",
    "capitals in the product": "select 1 from pendo.visitors where agent ->> 'email' <> lower(agent ->> 'email')",
    "blanks": "select 1 from hubspot.contacts where email <> trim(email)",
    "blanks in Salesforce": "select 1 from salesforce.contact where Email <> trim(Email)",
    "full width": f"select 1 from hubspot.contacts where email <> {NARROW.format('email')}",
    "full width in Salesforce": f"select 1 from salesforce.contact where Email <> {NARROW.format('Email')}",
    "letters beyond ASCII in the product": "select 1 from pendo.visitors where agent ->> 'email' like '%@bücher%'",
    "letters beyond ASCII": "select 1 from hubspot.contacts where email like '%@bücher%'",
    "hosts as DNS has them": "select 1 from hubspot.contacts where email like '%@xn--%'",
    "hosts as DNS has them in Salesforce": "select 1 from salesforce.contact where Email like '%@xn--%'",
    "hosts of companies as DNS has them": "select 1 from hubspot.companies where domain like 'xn--%'",
    "no address": "select 1 from hubspot.contacts where email is null and not archived",
    "no address in the product": "select 1 from pendo.visitors where agent ->> 'email' is null and not do_not_process",
    "additional addresses": "select 1 from hubspot.contacts where hs_additional_emails like '%@%'",
    "two people on one contact": """
        select 1 from hubspot.contacts as contacts
        where 1 < (
            select count(*) from pendo.visitors as visitors
            where contains(concat_ws(';', contacts.email, contacts.hs_additional_emails), visitors.agent ->> 'email')
        )
    """,
    "mistyped": "select 1 from hubspot.contacts where email like '%.exmaple'",
    "a tag": "select 1 from hubspot.contacts where email like '%+%@%'",
    "somebody who works elsewhere now": "select 1 from hubspot.contacts where email like '%@newjob%'",
    "one person twice": f"""
        select 1 from hubspot.contacts where not archived
        group by {NARROW.format("email")} having count(*) > 1
    """,
    "one person twice in Salesforce": f"""
        select 1 from salesforce.contact where not IsDeleted group by {NARROW.format("Email")} having count(*) > 1
    """,
    "archived": "select 1 from hubspot.contacts where archived",
    "deleted": "select 1 from salesforce.contact where IsDeleted and MasterRecordId is null",
    "archived and made again": """
        select 1 from hubspot.contacts as gone inner join hubspot.contacts as living on gone.email = living.email
        where gone.archived and not living.archived
    """,
    "merged": "select 1 from hubspot.contacts where hs_merged_object_ids like '%;%'",
    "merged in Salesforce": "select 1 from salesforce.merged_records where object = 'Contact'",
    "merged companies": "select 1 from hubspot.companies where hs_merged_object_ids like '%;%'",
    "merged accounts": "select 1 from salesforce.merged_records where object = 'Account'",
    "a converted lead of a visitor": """
        select 1 from salesforce.lead inner join pendo.visitors as visitors on Email = visitors.agent ->> 'email'
        where IsConverted
    """,
    "an open lead of a visitor": """
        select 1 from salesforce.lead inner join pendo.visitors as visitors on Email = visitors.agent ->> 'email'
        where not IsConverted
    """,
    "person accounts": "select 1 from salesforce.account where IsPersonAccount",
    "free mail": "select 1 from pendo.visitors where agent ->> 'email' like '%@gmail.com'",
    "an address of two visitors": """
        select 1 from pendo.visitors where not do_not_process group by agent ->> 'email'
        having count(agent ->> 'email') > 1
    """,
    "an id that is no address": "select 1 from pendo.visitors where visitor_id like 'u-%' and agent ->> 'email' <> ''",
    "asked not to be processed": "select 1 from pendo.visitors where do_not_process",
    "companies by domain alone": "select 1 from hubspot.companies where product_account_id is null and domain <> ''",
    "companies by id alone": "select 1 from hubspot.companies where product_account_id <> '' and domain is null",
    "blanks around an id": "select 1 from hubspot.companies where product_account_id like ' %'",
    "an id in capitals": "select 1 from salesforce.account where Product_Account_Id__c <> lower(Product_Account_Id__c)",
    "an address bar's line": "select 1 from hubspot.companies where domain like 'https://www.%/%'",
    "companies under free mail": """
        select 1 from hubspot.companies where domain in ('gmail.com', 'outlook.com', 'yahoo.co.jp')
        union all
        select 1 from salesforce.account where regexp_matches(Website, 'gmail.com|outlook.com|yahoo.co.jp')
    """,
    "one company twice": """
        select 1 from salesforce.account where not IsDeleted group by Product_Account_Id__c
        having count(Product_Account_Id__c) > 1
    """,
    "archived companies": "select 1 from hubspot.companies where archived",
    "accounts under one domain": """
        select 1 from pendo.accounts group by agent ->> 'domain' having count(agent ->> 'domain') > 1
    """,
    "accounts without a domain": "select 1 from pendo.accounts where agent ->> 'domain' is null",
    "accounts under www": "select 1 from pendo.accounts where agent ->> 'domain' like 'WWW.%'",
}


# The other worlds are small.
@in_the_dirty_world
def test_the_dirty_world_has_every_kind_of_dirt(matched: Matched) -> None:
    missing = [kind for kind, query in DIRT.items() if not matched.loop.rows(f"{query} limit 1")]
    assert missing == []


def test_no_match_is_wrong_and_none_is_missing(
    matched: Matched, record_property: Callable[[str, object], None]
) -> None:
    loop, world, planted = matched.loop, matched.world, matched.planted
    twins = matched.twins()
    said = loop.rows(f"select {', '.join(COLUMNS)} from identity.matches")
    expected = {
        (crm, "PersonAccount" if record in twins else kind, product, visitor, twins.get(record, record))
        for crm, kind, product, visitor, record in (
            tuple(pair[column] for column in COLUMNS) for pair in loop.ask("/truth/matches")["matches"]
        )
    }
    if planted.open_lead:
        visitor = world.visitors.ids(np.array([planted.owners[planted.open_lead]]))[0]
        expected.add(("salesforce", "Lead", "visitor", visitor, planted.open_lead))
    else:
        assert len(planted.owners) == sum(kind == "Lead" for _, kind, *_ in said) == LEADS
    assert set(said) == expected
    assert len(said) == len(expected) > 150
    rates = loop.rows(
        "select crm, object, product_percent, conflict_record_count from identity.match_rates order by all"
    )
    told = ", ".join(f"{crm} {kind} {percent} % ({several} in conflict)" for crm, kind, percent, several in rates)
    record_property("told", f"matched in the world of seed {world.seed}, {len(world.visitors)} visitors: {told}")


# Nobody did anything in the other worlds.
@in_the_dirty_world
def test_a_converted_leads_person_is_the_contact_and_a_contacts_lead_steps_back(matched: Matched) -> None:
    loop, planted = matched.loop, matched.planted
    assert loop.rows(f"select object from identity.matches where record_id = '{planted.converted}'") == [("Contact",)]
    assert loop.rows("select record_id from identity.unmatched_records where reason = 'lead_of_a_contact'") == [
        (planted.lead_of_a_contact,)
    ]


def test_every_planted_duplicate_is_in_the_conflicts_and_nothing_else(matched: Matched) -> None:
    loop, twins = matched.loop, matched.twins()
    listed = {
        (crm, kind, product, side, name)
        for crm, kind, product, *ids in loop.rows(f"select {', '.join(COLUMNS)} from identity.match_conflicts")
        for side, name in zip(("product_ids", "record_ids"), ids, strict=True)
    }
    groups = loop.ask("/truth/matches")["conflicts"]
    assert not twins.keys() & {name for group in groups for name in group["record_ids"]}
    expected = {
        (group["crm"], group["object"], group["product_object"], side, name)
        for group in groups
        for side in ("product_ids", "record_ids")
        for name in group[side]
    }
    assert listed == expected
    assert len(expected) > 5


def test_who_is_not_matched_is_unmatched_with_a_reason(matched: Matched) -> None:
    loop = matched.loop
    reasons = {
        reason
        for (reason,) in loop.rows(
            "select reason from identity.unmatched_visitors union select reason from identity.unmatched_accounts "
            "union select reason from identity.unmatched_records"
        )
    }
    told = {"conflict", "contradicted", "no_key", "no_record", "nobody_in_the_product"}
    assert reasons == (told | {"lead_of_a_contact"} if matched.is_dirty else told)
    unaccounted = loop.rows(
        """
        select visitors.record_id from identity.int_records as visitors
        where visitors.system = 'pendo' and visitors.object = 'visitor' and 2 <> (
            (select count(*) from identity.matches where product_id = visitors.record_id)
            + (select count(*) from identity.unmatched_visitors where visitor_id = visitors.record_id)
        )
        """
    )
    assert unaccounted == []


def people(world: World, contacts: Contacts, contact_id: Callable[[int], str]) -> dict[str, set[tuple[str, int]]]:
    """Say whose each contact is, by the address's owner; one contact may be two people's."""
    owners: dict[str, set[tuple[str, int]]] = {}
    for place, (form, person, friend) in enumerate(
        zip(contacts.form.tolist(), contacts.person.tolist(), contacts.friend.tolist(), strict=True)
    ):
        kind = "inbox" if form == INBOX else "stranger" if form == STRANGER else "visitor"
        numbers = [person] if kind != "visitor" else [person, friend] if form == TWO else [person]
        owners[contact_id(place)] = {
            (kind, int(world.visitors.holder[number]) if kind == "visitor" else number) for number in numbers
        }
    return owners


def test_no_pair_of_contacts_is_wrong(matched: Matched) -> None:
    loop, world = matched.loop, matched.world
    left = people(world, world.hubspot.contacts, world.hubspot.contact_id)
    right = people(world, world.salesforce.contacts, world.salesforce.contact_id)
    right |= people(world, world.salesforce.contacts, lambda place: salesforce_id("001", PERSON_IDS + place))
    right |= {record: {("visitor", number)} for record, number in matched.planted.owners.items()}
    merged = loop.rows("select merged_id, record_id from staging.stg_hubspot__merged_ids where object = 'contacts'")
    for old, living in merged:
        left.setdefault(str(living), set()).update(left.get(str(old), set()))
    pairs = loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where hubspot_object = 'contacts'")
    assert [pair for pair in pairs if not left[str(pair[0])] & right[str(pair[1])]] == []
    assert len(pairs) > 50


def edges(matched: Matched) -> set[tuple[str, str]]:
    """HubSpot's and Salesforce's contacts that share an address; of a person account, the contact that mirrors it."""
    left = addresses(
        (record["id"], f"{record['properties'].get('email')};{record['properties'].get('hs_additional_emails')}")
        for record in matched.records("hubspot", "contacts")
    )
    right = addresses((record["Id"], record.get("Email")) for record in matched.records("salesforce", "Contact"))
    return {(one, other) for email, ids in left.items() for one in ids for other in right.get(email, ())}


def expected_pairs(matched: Matched) -> set[tuple[str, str, str]]:
    """The contacts of which either side is one alone, and what stands for Salesforce's: a person account or itself."""
    shared, twins = edges(matched), matched.twins()
    of_left, of_right = (Counter(edge[side] for edge in shared) for side in (0, 1))
    return {
        (one, "PersonAccount" if other in twins else "Contact", twins.get(other, other))
        for one, other in shared
        if of_left[one] == of_right[other] == 1
    }


def test_every_pair_of_contacts_that_an_address_can_find_is_found(matched: Matched) -> None:
    found = "select hubspot_id, salesforce_object, salesforce_id from identity.record_pairs"
    said = matched.loop.rows(f"{found} where salesforce_object in ('Contact', 'PersonAccount')")
    assert set(said) == expected_pairs(matched)


# The other worlds have none.
@in_the_dirty_world
def test_person_accounts_pair_with_contacts_and_with_nothing_else(matched: Matched) -> None:
    loop, twins = matched.loop, matched.twins()
    pairs = loop.rows("select hubspot_object from identity.record_pairs where salesforce_object = 'PersonAccount'")
    assert set(pairs) == {("contacts",)}
    assert len(pairs) > 1
    matches = loop.rows("select distinct product_object from identity.matches where object = 'PersonAccount'")
    assert matches == [("visitor",)]
    # Neither the account that it is nor the contact that mirrors it is a record beside it.
    stands = loop.rows("select object, record_id from identity.int_records where system = 'salesforce'")
    of_a_person = {*twins, *twins.values()}
    assert {(kind, one) for kind, one in stands if one in of_a_person} == {
        ("PersonAccount", account) for account in twins.values()
    }


def test_a_contact_in_conflict_keeps_its_record_pair(matched: Matched) -> None:
    """Which visitor it is, is one question; which record of the other CRM, another, that its address answers."""
    loop = matched.loop
    conflicting = {row[0] for row in loop.rows("select record_id from identity.match_conflicts where crm = 'hubspot'")}
    kept = {pair for pair in expected_pairs(matched) if pair[0] in conflicting}
    pairs = loop.rows("select hubspot_id, salesforce_object, salesforce_id from identity.record_pairs")
    assert kept <= set(pairs)
    assert kept or not matched.is_dirty
    assert not conflicting & {row[0] for row in loop.rows("select record_id from identity.matches")}


def test_deals_pair_by_an_id_alone_however_equal_they_are(matched: Matched) -> None:
    """Of five deals of one name and amount, as of four such opportunities, none is taken for another."""
    loop, planted = matched.loop, matched.planted
    sides = "select hubspot_id, salesforce_id from identity"
    pairs = loop.rows(f"{sides}.record_pairs where 'deals' = hubspot_object or 'Opportunity' = salesforce_object")
    conflicts = loop.rows(f"{sides}.record_pair_conflicts where 'deals' = hubspot_object")
    assert sorted(pairs) == sorted(planted.deals)
    assert sorted(conflicts) == sorted(planted.copied_deals)
    for system, kind, key in (("hubspot", "deals", "id"), ("salesforce", "Opportunity", "Id")):
        stand = loop.rows(f"select record_id from identity.int_records where system = '{system}' and object = '{kind}'")
        assert sorted(stand) == sorted((one[key],) for one in matched.records(system, kind))
        for table in ("matches", "match_conflicts", "unmatched_records", "match_rates"):
            assert loop.rows(f"select * from identity.{table} where object = '{kind}'") == []


def addresses(records: Iterable[tuple[str, object]]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = defaultdict(set)
    for record_id, texts in records:
        for text in str(texts or "").split(";"):
            name, at, host = unicodedata.normalize("NFKC", text).strip().lower().rpartition("@")
            if at:
                known[f"{name}@{host.encode('idna').decode()}"].add(record_id)
    return known


def test_no_pair_of_companies_is_wrong(matched: Matched) -> None:
    loop, world = matched.loop, matched.world
    left = {world.hubspot.company_id(place): one.name for place, one in enumerate(world.hubspot.companies)}
    right = {world.salesforce.account_id(place): one.name for place, one in enumerate(world.salesforce.companies)}
    pairs = loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where hubspot_object = 'companies'")
    assert [pair for pair in pairs if left[str(pair[0])] != right[str(pair[1])]] == []
    assert pairs


def test_what_was_matched_yesterday_and_is_gone_today_is_reported(matched: Matched) -> None:
    loop = matched.loop
    (gone, kept), (master, loser) = (
        [row[0] for row in loop.rows(f"select record_id from identity.matches where {where} order by all limit 2")]
        for where in ("crm = 'hubspot' and object = 'contacts'", "crm = 'salesforce' and object = 'Contact'")
    )
    loop.tell("/delete", vendor="hubspot", object="contacts", id=gone)
    loop.tell("/merge", vendor="salesforce", object="Contact", primary_id=master, secondary_id=loser)
    loop.load("hubspot", "salesforce")
    loop.build(*MATCHING)
    lost = {
        (row[0], row[1], row[2])
        for row in loop.rows(
            "select right_id, reason, living_id from identity.lost_matches where left_system = 'pendo'"
        )
    }
    # The merged contact's person is the survivor's now: two people, one record.
    assert lost == {(gone, "archived", None), (loser, "merged", master), (master, "conflict", None)}
    assert loop.rows(f"select count(*) from identity.matches where record_id = '{kept}'") == [(1,)]
