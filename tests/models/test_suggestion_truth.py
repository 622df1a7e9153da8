"""Suggestions against the world's truth: how many of the pairs that no rule can find, and how many are wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import duckdb

from activators.declarations import read_manifest
from backhaul import steps
from backhaul.suggest import SYSTEMS, suggest
from backhaul.transform import Transform
from loaders import load
from sandbox.crm.contacts import STRANGER, TWO, Contacts
from sandbox.world import World, build_world
from tests.backhaul.suggesting import BUILD, needs_splink, project
from tests.conftest import AS_OF, looping

SEED, VISITORS, LIKELY = 5, 300, 0.9
Pair = tuple[str, str, str, str, str, str]


def people(contacts: Contacts, contact_id: Callable[[int], str]) -> dict[str, set[int]]:
    """Say which visitors each contact is; nobody else is in two systems."""
    rows = zip(contacts.form.tolist(), contacts.person.tolist(), contacts.friend.tolist(), strict=True)
    return {
        contact_id(place): {person, friend} if form == TWO else {person} if form < STRANGER else set()
        for place, (form, person, friend) in enumerate(rows)
    }


def truth(world: World, sides: set[tuple[str, str, str, str]]) -> set[Pair]:
    """List the pairs of one person or customer whose records are both without a partner."""
    who: Mapping[tuple[str, str], Mapping[str, set[int]]] = {
        ("pendo", "visitor"): {one: {number} for number, one in enumerate(world.visitors.ids())},
        ("hubspot", "contacts"): people(world.hubspot.contacts, world.hubspot.contact_id),
        ("salesforce", "Contact"): people(world.salesforce.contacts, world.salesforce.contact_id),
        ("pendo", "account"): {one.id: {number} for number, one in enumerate(world.accounts)},
        ("hubspot", "companies"): {
            world.hubspot.company_id(place): {one.account} - {-1} for place, one in enumerate(world.hubspot.companies)
        },
        ("salesforce", "Account"): {
            world.salesforce.account_id(place): {one.account} - {-1}
            for place, one in enumerate(world.salesforce.companies)
        },
    }
    persons = {"visitor", "contacts", "Contact"}
    return {
        (left, left_object, left_id, right, right_object, right_id)
        for (left, left_object), (right, right_object) in product(who, who)
        if (left, right) in SYSTEMS and (left_object in persons) == (right_object in persons)
        for left_id, ones in who[left, left_object].items()
        if (left, left_object, left_id, right) in sides
        for right_id, others in who[right, right_object].items()
        if ones & others and (right, right_object, right_id, left) in sides
    }


@needs_splink
def test_what_is_very_likely_is_so(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    with looping(tmp_path, seed=SEED, visitors=VISITORS) as loop:
        transform = Transform(loop.settings, project(tmp_path / "project"))
        transform.parse()
        manifest = read_manifest(loop.settings.manifest)
        wanted = replace(steps.wanted(manifest), pendo=frozenset({"visitors", "accounts"}))
        load(("hubspot", "salesforce", "pendo"), loop.settings.load_settings(), wanted, lambda *_: None)
        transform.build(lambda *_: None, *BUILD)
        made = suggest(loop.settings, manifest)
    with duckdb.connect(str(loop.settings.warehouse)) as connection:
        rows = connection.execute(
            "select system, object, record_id, other_system from suggestions.open_sides"
        ).fetchall()
    expected = truth(build_world(SEED, VISITORS, AS_OF), set(rows))
    likely = {
        (one.left_system, one.left_object, one.left_id, one.right_system, one.right_object, one.right_id)
        for one in made.found
        if one.probability >= LIKELY
    }
    right = likely & expected
    record_property(
        "told",
        f"suggested at {LIKELY} or more in the world of seed {SEED}: {len(likely)} pairs, {len(likely - right)} "
        f"of them wrong, of {len(expected)} that no rule finds",
    )
    assert len(expected) > 30
    assert len(right) >= len(likely) * 0.95
    assert len(right) >= len(expected) * 0.5
