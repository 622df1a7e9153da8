"""Who is who in worlds full of dirt: no wrong pair, none missed, and every planted duplicate in the conflicts."""

from __future__ import annotations

import csv
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

from backhaul.transform import Transform
from sandbox.crm.columns import salesforce_id
from sandbox.crm.contacts import INBOX, STRANGER, TWO, Contacts
from sandbox.crm.salesforce import PERSON_IDS
from sandbox.world import World, build_world
from tests.conftest import AS_OF, ROOT, Loop, looping

MATCHING = (
    *("--select", "+unmatched_visitors", "+unmatched_accounts", "+unmatched_records", "+match_rates", "+lost_matches"),
    *("+record_pair_conflicts", "--resource-type", "model", "--resource-type", "seed"),
)
# Visitors by seed: one world is large enough for every kind of dirt, and its Salesforce has person accounts.
VISITORS = {5: 900, 8: 160, 13: 160}
DIRTY = 5
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


@pytest.fixture(scope="module", params=VISITORS)
def matched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matched]:
    """A world of each of three seeds, landed and matched; and the world itself."""
    seed, folder = request.param, tmp_path_factory.mktemp("matched")
    dirty = seed == DIRTY
    with looping(folder, seed=seed, visitors=VISITORS[seed], person_accounts=dirty) as loop:
        world = build_world(seed, VISITORS[seed], AS_OF, person_accounts=dirty)
        planted = Planted()
        if dirty:
            loop = replace(loop, transform=Transform(loop.settings, with_deals(folder / "project")))
            planted = plant(loop, world)
        loop.load()
        loop.build(*MATCHING)
        yield Matched(loop, world, planted)


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
    leads = [one["Id"] for one in loop.ask("/records/salesforce/Lead") if not one["IsConverted"]]
    known = addresses((one["Id"], one.get("Email")) for one in loop.ask("/records/salesforce/Contact"))
    visitors = world.visitors
    counted = np.flatnonzero(visitors.known(AS_OF) & ~visitors.anonymous & ~visitors.excluded)
    spelt = zip(counted.tolist(), visitors.emails(counted), visitors.addresses(counted), strict=True)
    people = [(number, address) for number, email, address in spelt if email and visitors.holder[number] == number]
    alone = Counter(visitors.holder.tolist())
    unknown = [one for one in people if not known.get(one[1]) and alone[one[0]] == 1]
    twice = [one for one in people if len(known.get(one[1], ())) == 1 and alone[one[0]] == 1]
    owners = {}
    for lead, (number, address) in zip(leads, (*unknown[:2], twice[-1]), strict=False):
        loop.tell("/edit", vendor="salesforce", object="Lead", id=lead, properties={"Email": address})
        owners[lead] = number
    before = {one["Id"] for one in loop.ask("/records/salesforce/Contact")}
    loop.tell("/do/salesforce/convert_lead", id=leads[1])
    (made,) = {one["Id"] for one in loop.ask("/records/salesforce/Contact")} - before
    owners[made] = owners[leads[1]]
    live = [one for one in loop.ask("/records/hubspot/contacts") if not one["archived"]]
    doubled = next(
        ids for ids in addresses((one["id"], one["properties"]["email"]) for one in live).values() if len(ids) == 2
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
            **{"name": DEAL_KEY, "label": "Salesforce Opportunity ID", "groupName": "dealinformation"},
            **{"type": "string", "fieldType": "text"},
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


def expected_pairs(matched: Matched, name: str) -> list[dict[str, Any]]:
    """What the truth says, where a person account stands for the contact that mirrors it."""
    found: list[dict[str, Any]] = matched.loop.ask("/truth/matches")[name]
    return found


def test_no_match_is_wrong_and_none_is_missing(
    matched: tuple[Loop, World], record_property: Callable[[str, object], None]
) -> None:
    loop, world = matched
    truth = loop.ask("/truth/matches")
    said = loop.rows(f"select {', '.join(COLUMNS)} from identity.matches")
    expected = {tuple(pair[column] for column in COLUMNS) for pair in truth["matches"]}
    assert set(said) == expected
    assert len(said) == len(expected) > 150
    rates = loop.rows(
        "select crm, object, product_percent, conflict_record_count from identity.match_rates order by all"
    )
    told = ", ".join(f"{crm} {kind} {percent} % ({several} in conflict)" for crm, kind, percent, several in rates)
    record_property("told", f"matched in the world of seed {world.seed}: {told}")


def test_every_planted_duplicate_is_in_the_conflicts_and_nothing_else(matched: Matched) -> None:
    loop = matched.loop
    listed = {
        (crm, kind, product, side, name)
        for crm, kind, product, *ids in loop.rows(f"select {', '.join(COLUMNS)} from identity.match_conflicts")
        for side, name in zip(("product_ids", "record_ids"), ids, strict=True)
    }
    expected = {
        (group["crm"], group["object"], group["product_object"], side, name)
        for group in loop.ask("/truth/matches")["conflicts"]
        for side in ("product_ids", "record_ids")
        for name in group[side]
    }
    assert listed == expected
    assert len(expected) > 5


def test_who_is_not_matched_is_unmatched_with_a_reason(matched: Matched) -> None:
    loop = matched.loop
    reasons = Counter(
        dict(
            loop.rows(  # type: ignore[arg-type]
                "select reason, count(*) from (select reason from identity.unmatched_visitors union all "
                "select reason from identity.unmatched_accounts union all "
                "select reason from identity.unmatched_records) group by all"
            )
        )
    )
    assert set(reasons) == {"conflict", "no_key", "no_record", "nobody_in_the_product"}
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
    pairs = loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where hubspot_object = 'contacts'")
    assert [pair for pair in pairs if not left[str(pair[0])] & right[str(pair[1])]] == []
    assert len(pairs) > 50


def test_every_pair_of_contacts_that_an_address_can_find_is_found(matched: Matched) -> None:
    loop = matched.loop
    left = addresses(
        (record["id"], f"{record['properties'].get('email')};{record['properties'].get('hs_additional_emails')}")
        for record in loop.ask("/records/hubspot/contacts")
        if not record["archived"]
    )
    right = addresses(
        (record["Id"], record.get("Email"))
        for record in loop.ask("/records/salesforce/Contact")
        if not record["IsDeleted"]
    )
    edges = {(one, other) for email, ids in left.items() for one in ids for other in right.get(email, ())}
    of_left, of_right = (Counter(edge[side] for edge in edges) for side in (0, 1))
    expected = {edge for edge in edges if of_left[edge[0]] == of_right[edge[1]] == 1}
    assert expected == set(
        loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where salesforce_object = 'Contact'")
    )


def addresses(records: Iterable[tuple[str, object]]) -> dict[str, set[str]]:
    known: dict[str, set[str]] = defaultdict(set)
    for record_id, texts in records:
        for text in str(texts or "").split(";"):
            if "@" in (email := unicodedata.normalize("NFKC", text).strip().lower()):
                known[email].add(record_id)
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
