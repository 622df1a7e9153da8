"""Who is who in worlds full of dirt: no wrong pair, none missed, and every planted duplicate in the conflicts."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import pytest

from sandbox.crm.contacts import INBOX, STRANGER, TWO, Contacts
from sandbox.world import World, build_world
from tests.conftest import AS_OF, Loop, looping

MATCHING = (
    *("--select", "+unmatched_visitors", "+unmatched_accounts", "+unmatched_records", "+match_rates", "+lost_matches"),
    *("+record_pair_conflicts", "--resource-type", "model", "--resource-type", "seed"),
)
VISITORS = 160
COLUMNS = ("crm", "object", "product_object", "product_id", "record_id")


@pytest.fixture(scope="module", params=[5, 8, 13])
def matched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterable[tuple[Loop, World]]:
    """A world of each of three seeds, landed and matched; and the world itself."""
    with looping(tmp_path_factory.mktemp("matched"), seed=request.param, visitors=VISITORS) as loop:
        loop.load()
        loop.build(*MATCHING)
        yield loop, build_world(request.param, VISITORS, AS_OF)


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


def test_every_planted_duplicate_is_in_the_conflicts_and_nothing_else(matched: tuple[Loop, World]) -> None:
    loop, _ = matched
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


def test_who_is_not_matched_is_unmatched_with_a_reason(matched: tuple[Loop, World]) -> None:
    loop, _ = matched
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


def test_no_pair_of_contacts_is_wrong(matched: tuple[Loop, World]) -> None:
    loop, world = matched
    left = people(world, world.hubspot.contacts, world.hubspot.contact_id)
    right = people(world, world.salesforce.contacts, world.salesforce.contact_id)
    pairs = loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where hubspot_object = 'contacts'")
    assert [pair for pair in pairs if not left[str(pair[0])] & right[str(pair[1])]] == []
    assert len(pairs) > 50


def test_every_pair_of_contacts_that_an_address_can_find_is_found(matched: tuple[Loop, World]) -> None:
    loop, _ = matched
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


def test_no_pair_of_companies_is_wrong(matched: tuple[Loop, World]) -> None:
    loop, world = matched
    left = {world.hubspot.company_id(place): one.name for place, one in enumerate(world.hubspot.companies)}
    right = {world.salesforce.account_id(place): one.name for place, one in enumerate(world.salesforce.companies)}
    pairs = loop.rows("select hubspot_id, salesforce_id from identity.record_pairs where hubspot_object = 'companies'")
    assert [pair for pair in pairs if left[str(pair[0])] != right[str(pair[1])]] == []
    assert pairs


def test_what_was_matched_yesterday_and_is_gone_today_is_reported(matched: tuple[Loop, World]) -> None:
    loop, _ = matched
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
