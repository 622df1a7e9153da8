"""What hangs on HubSpot's records, and what a load costs, in an account whose clock the tests move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest
import stamina

from loaders import LoadError, LoadSettings, Wanted, load
from loaders.calls import Answer
from loaders.hubspot.shape import RECORD_COLUMNS, Shape
from loaders.hubspot.subscriptions import addresses
from loaders.landing import TEXT, Column
from tests.loaders.hubspot_world import HubSpot
from tests.sandbox.hubspot_account import TOKEN
from tests.sandbox.hubspot_fixtures import Switch

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]
CONTACT, COMPANY = "101", "105"
LINKS = "select from_id, to_id, label from hubspot.associations where from_object = 'contacts' order by all"
MODES = "select object, mode from hubspot.reads where object in ('contacts', 'associations') order by 1"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


@pytest.fixture
def account(server: tuple[Switch, httpx.Client]) -> HubSpot:
    return HubSpot(*server)


class Landing:
    """Loads of one account into one warehouse."""

    def __init__(self, folder: Path, client: httpx.Client) -> None:
        self.settings = LoadSettings(
            folder / "warehouse.duckdb", folder / "pipelines", folder, str(client.base_url), TOKEN, unpaced=True
        )

    def load(self, account: HubSpot, wanted: Wanted | None = None) -> int:
        """Load, and give how many calls that took."""
        before = account.calls.count
        landed = load(["hubspot"], self.settings, wanted or account.wanted, lambda *_: None)
        self.notes = {one.table: one.note for one in landed if one.note}
        return account.calls.count - before

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.settings.warehouse) as warehouse:
            return warehouse.execute(sql).fetchall()


@pytest.fixture
def landing(tmp_path: Path, server: tuple[Switch, httpx.Client]) -> Landing:
    return Landing(tmp_path, server[1])


def associate(account: HubSpot, start: str, stop: str, kind: int | None = None) -> None:
    path = f"/crm/objects/2026-09/contacts/{start}/associations"
    if kind is None:
        account.person("PUT", f"{path}/default/companies/{stop}")
    else:
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]
        account.person("PUT", f"{path}/companies/{stop}", json=types)


def test_a_load_with_nothing_new_costs_as_many_calls_however_many_records_there_are(
    server: tuple[Switch, httpx.Client], tmp_path_factory: pytest.TempPathFactory
) -> None:
    calls = {}
    for people in (10, 750):
        landing, account = Landing(tmp_path_factory.mktemp("some"), server[1]), HubSpot(*server, people=people)
        landing.load(account)
        account.clock.at += timedelta(hours=1)
        calls[people] = landing.load(account)
    # The recycle bin has no search: it is listed, a hundred records a call, and has 107 contacts here.
    assert calls[750] == calls[10] + 1


def test_an_association_that_was_removed_disappears(account: HubSpot, landing: Landing) -> None:
    associate(account, CONTACT, COMPANY, kind=1)
    associate(account, "102", COMPANY)
    landing.load(account)
    both = [(CONTACT, COMPANY, "Primary"), (CONTACT, COMPANY, None)]
    assert landing.ask(LINKS) == [*both, ("102", COMPANY, None)]
    for contact in (CONTACT, "102"):
        account.person("DELETE", f"/crm/objects/2026-09/contacts/{contact}/associations/companies/{COMPANY}")
    account.store.edit("contacts", CONTACT, {"jobtitle": "Chef"})
    account.clock.at += timedelta(minutes=10)
    landing.load(account)
    # Nothing says that 102 lost its association: the daily read finds that.
    assert landing.ask(LINKS) == [("102", COMPANY, None)]
    assert dict(landing.ask(MODES)) == {"associations": "incremental", "contacts": "incremental"}
    account.clock.at += timedelta(days=1)
    landing.load(account)
    assert landing.ask(LINKS) == []
    assert dict(landing.ask(MODES)) == {"associations": "full", "contacts": "incremental"}


def test_associations_follow_a_merged_company_though_the_contact_did_not_change(
    account: HubSpot, landing: Landing
) -> None:
    associate(account, CONTACT, COMPANY)
    landing.load(account)
    survivor = account.store.merge("companies", "106", COMPANY)
    account.clock.at += timedelta(minutes=10)
    landing.load(account)
    assert landing.ask(LINKS) == [(CONTACT, survivor, None)]
    assert dict(landing.ask(MODES)) == {"associations": "incremental", "contacts": "incremental"}


def test_associations_end_with_a_company_that_is_archived_though_the_contact_did_not_change(
    account: HubSpot, landing: Landing
) -> None:
    associate(account, CONTACT, COMPANY)
    associate(account, CONTACT, "106")
    landing.load(account)
    account.store.delete("companies", COMPANY)
    account.clock.at += timedelta(minutes=10)
    landing.load(account)
    assert landing.ask(LINKS) == [(CONTACT, "106", None)]
    assert dict(landing.ask(MODES)) == {"associations": "incremental", "contacts": "incremental"}


def test_a_company_that_is_made_with_an_association_brings_it(account: HubSpot, landing: Landing) -> None:
    landing.load(account)
    to = {"to": {"id": CONTACT}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 280}]}
    body = {"properties": {"name": "New"}, "associations": [to]}
    made = account.person("POST", "/crm/objects/2026-09/companies", json=body).json()["id"]
    account.clock.at += timedelta(minutes=10)
    landing.load(account)
    assert landing.ask(LINKS) == [(CONTACT, made, None)]


def test_more_associations_than_a_page_holds_are_all_read(account: HubSpot, landing: Landing) -> None:
    landing.load(account, Wanted())
    inputs = [{"properties": {"name": f"Firm {number}"}} for number in range(520)]
    for first in range(0, 520, 100):
        body = {"inputs": inputs[first : first + 100]}
        made = account.person("POST", "/crm/objects/2026-09/companies/batch/create", json=body).json()["results"]
        pairs = {"inputs": [{"from": {"id": CONTACT}, "to": {"id": one["id"]}} for one in made]}
        account.person("POST", "/crm/associations/2026-09/contacts/companies/batch/associate/default", json=pairs)
    landing.load(account, Wanted(hubspot_associations=(("contacts", "companies"),)))
    assert landing.ask("select count(*), count(distinct to_id) from hubspot.associations") == [(520, 520)]


def test_history_is_kept_beyond_what_hubspot_keeps_and_never_doubled(account: HubSpot, landing: Landing) -> None:
    wanted = Wanted(hubspot={"companies": ("domain",)}, hubspot_history={"companies": ("domain",)})
    landing.load(account, wanted)
    for load_number in range(2):
        for number in range(15):
            account.clock.at += timedelta(seconds=1)
            account.store.edit("companies", COMPANY, {"domain": f"{load_number}.{number}.example"})
        account.clock.at += timedelta(minutes=1)
        landing.load(account, wanted)
    history = f"from hubspot.property_history where id = '{COMPANY}'"
    assert landing.ask(f"select count(*), count(distinct value) {history}") == [(31, 31)]
    assert landing.ask(f"select value, source {history} order by set_at desc limit 1") == [("1.14.example", "CRM_UI")]


def test_records_deleted_for_good_are_found_by_counting_and_ten_thousand_changes_are_no_end(
    server: tuple[Switch, httpx.Client], landing: Landing
) -> None:
    account, wanted = HubSpot(*server, people=11_800), Wanted(hubspot={"contacts": ("email", "jobtitle")})
    landing.load(account, wanted)
    account.clock.at += timedelta(hours=1)
    quiet = landing.load(account, wanted)
    account.person("POST", "/crm/objects/2026-09/contacts/gdpr-delete", json={"objectId": "7001"})
    account.clock.at += timedelta(minutes=10)
    # Twelve thousand records, halved until two hundred are left.
    assert landing.load(account, wanted) - quiet <= 9
    gone = "select id, email from hubspot.contacts where archived and archived_at is null"
    assert landing.ask(gone) == [("7001", None)]
    for record in account.live("contacts"):
        account.store.edit("contacts", record, {"jobtitle": "Chef"})
    account.clock.at += timedelta(minutes=10)
    landing.load(account, wanted)
    live = len(account.live("contacts"))
    assert live > 10_000
    assert landing.ask("select count(*) from hubspot.contacts where jobtitle = 'Chef'") == [(live,)]
    assert dict(landing.ask(MODES)) == {"contacts": "incremental"}


def test_a_restored_record_does_not_hide_one_that_was_deleted_for_good(account: HubSpot, landing: Landing) -> None:
    """The number of live records is the same, and neither's modification time tells."""
    wanted = Wanted(hubspot={"contacts": ("email",)})
    landing.load(account, wanted)
    account.clock.at += timedelta(days=1)
    account.restore(0, 0)
    account.person("POST", "/crm/objects/2026-09/contacts/gdpr-delete", json={"objectId": CONTACT})
    account.clock.at += timedelta(minutes=10)
    landing.load(account, wanted)
    alive = {record for (record,) in landing.ask("select id from hubspot.contacts where not archived")}
    assert alive == set(account.live("contacts"))
    assert dict(landing.ask(MODES)) == {"contacts": "incremental"}


def test_a_change_that_search_does_not_show_yet_is_landed_by_the_next_load(account: HubSpot, landing: Landing) -> None:
    wanted = Wanted(hubspot={"contacts": ("jobtitle",)})
    landing.load(account, wanted)
    account.clock.at += timedelta(hours=1)
    account.store.edit("contacts", CONTACT, {"jobtitle": "Chef"})
    account.clock.at += timedelta(seconds=2)
    titles = f"select jobtitle from hubspot.contacts where id = '{CONTACT}'"
    landing.load(account, wanted)
    assert landing.ask(titles) == [(None,)]
    account.clock.at += timedelta(minutes=1)
    landing.load(account, wanted)
    assert landing.ask(titles) == [("Chef",)]


def test_a_search_that_cannot_hold_the_names_of_all_properties_fills_them_in(
    account: HubSpot, landing: Landing
) -> None:
    names = tuple(f"p{number}_{'long' * 15}" for number in range(60))
    for name in names:
        definition = {"groupName": "contactinformation", "name": name, "label": name, "type": "string"}
        account.person("POST", "/crm/properties/2026-09/contacts", json={**definition, "fieldType": "text"})
    wanted = Wanted(hubspot={"contacts": names})
    landing.load(account, wanted)
    account.store.edit("contacts", CONTACT, {names[-1]: "kept"})
    account.clock.at += timedelta(minutes=10)
    landing.load(account, wanted)
    assert landing.ask(f"select id from hubspot.contacts where {names[-1]} = 'kept'") == [(CONTACT,)]
    assert dict(landing.ask(MODES)) == {"contacts": "incremental"}


def test_a_property_that_models_read_and_hubspot_lacks_is_named(account: HubSpot, landing: Landing) -> None:
    with pytest.raises(LoadError, match="no property no_such_thing of companies, which the project's models read"):
        landing.load(account, Wanted(hubspot={"companies": ("name", "no_such_thing")}))


def test_a_property_whose_type_changed_is_read_again_for_every_record(account: HubSpot, landing: Landing) -> None:
    wanted = Wanted(hubspot={"contacts": ("jobtitle", "size")})
    path, definition = "/crm/properties/2026-09/contacts", {"groupName": "contactinformation", "name": "size"}
    account.person("POST", path, json={**definition, "label": "Size", "type": "string", "fieldType": "text"})
    landing.load(account, wanted)
    landing.load(account, wanted)
    assert dict(landing.ask(MODES)) == {"contacts": "incremental"}
    account.person("PATCH", f"{path}/size", json={"type": "number", "fieldType": "number"})
    landing.load(account, wanted)
    assert dict(landing.ask(MODES)) == {"contacts": "full"}


def test_a_clock_that_went_back_asks_for_everything(account: HubSpot, landing: Landing) -> None:
    landing.load(account)
    account.clock.at -= timedelta(hours=2)
    landing.load(account)
    assert dict(landing.ask(MODES)) == {"associations": "full", "contacts": "full"}


def test_what_was_not_wanted_for_a_while_is_read_whole_again(account: HubSpot, landing: Landing) -> None:
    landing.load(account)
    account.clock.at += timedelta(minutes=10)
    account.store.edit("contacts", CONTACT, {"jobtitle": "Seen by nobody"})
    account.clock.at += timedelta(minutes=10)
    landing.load(account, replace(account.wanted, hubspot_history={}))
    account.clock.at += timedelta(minutes=10)
    landing.load(account)
    assert landing.ask("select id from hubspot.property_history where value = 'Seen by nobody'") == [(CONTACT,)]


def test_deals_tickets_tasks_and_own_types_are_landed_when_they_are_wanted(account: HubSpot, landing: Landing) -> None:
    schema = {
        "name": "vehicle",
        "labels": {"singular": "Vehicle", "plural": "Vehicles"},
        "primaryDisplayProperty": "plate",
        "requiredProperties": ["plate"],
        "properties": [{"name": "plate", "label": "Plate", "type": "string", "fieldType": "text"}],
        "associatedObjects": ["CONTACT"],
    }
    account.person("POST", "/crm-object-schemas/2026-09/schemas", json=schema)
    made: dict[str, dict[str, str]] = {
        "deals": {"dealname": "Big", "pipeline": "default", "dealstage": "appointmentscheduled"},
        "tickets": {"subject": "Help", "hs_pipeline": "0", "hs_pipeline_stage": "1"},
        "tasks": {"hs_task_subject": "Call", "hs_timestamp": "2026-11-20T10:00:00Z"},
        "p_vehicle": {"plate": "B-1"},
    }
    for name, properties in made.items():
        account.person("POST", f"/crm/objects/2026-09/{name}", json={"properties": properties})
    pairs = (("p_vehicle", "contacts"), ("deals", "companies"))
    landing.load(account, Wanted(hubspot={k: tuple(v) for k, v in made.items()}, hubspot_associations=pairs))
    for name, properties in made.items():
        assert landing.ask(f"select {', '.join(properties)} from hubspot.{name}") == [tuple(properties.values())], name
    stages = "select object, stage_label, metadata from hubspot.pipeline_stages where stage_order = 0 order by 1"
    assert [(name, label) for name, label, _ in landing.ask(stages)] == [
        ("deals", "Appointment Scheduled"),
        ("tickets", "New"),
    ]
    assert landing.ask("select count(*) from hubspot.associations") == [(0,)]


def test_associations_of_an_object_that_is_not_landed_are_refused(account: HubSpot, landing: Landing) -> None:
    with pytest.raises(LoadError, match="of deals are wanted without deals: declare their source table"):
        landing.load(account, Wanted(hubspot_associations=(("deals", "contacts"),)))


def test_an_address_that_is_none_does_not_hide_what_the_others_subscribed_to(
    account: HubSpot, landing: Landing
) -> None:
    # One contact's address is none: a form let it through.
    account.store.edit("contacts", CONTACT, {"hs_additional_emails": "second@x.example"})
    path = "/communication-preferences/2026-09/statuses/second@x.example"
    body = {"subscriptionId": 310001, "statusState": "UNSUBSCRIBED", "channel": "EMAIL"}
    account.person("POST", path, json=body)
    landing.load(account, Wanted(hubspot_subscriptions=True))
    assert landing.notes == {"subscription_statuses": "addresses of contacts that HubSpot takes for none: 1"}
    said = (
        "select email, status from hubspot.subscription_statuses where subscription_id = '310001' and email like 's%'"
    )
    assert landing.ask(said) == [("second@x.example", "UNSUBSCRIBED")]
    assert landing.ask("select count(distinct email) > 20 from hubspot.subscription_statuses") == [(True,)]
    assert ("310001", "Marketing Information") in landing.ask("select id, name from hubspot.subscriptions")


def test_addresses_are_compared_as_hubspot_keeps_them() -> None:
    values = [pa.array([" Ann@X.example ", None, ""]), pa.array(["ann@x.example;Bob@x.example;nobody"])]
    assert addresses(values) == ["ann@x.example", "bob@x.example"]


RECORD = {
    "id": "7",
    "properties": {"size": "1"},
    "createdAt": "2026-01-05T09:00:00Z",
    "updatedAt": "2026-01-05T09:00:00Z",
}
SHAPE = Shape((*RECORD_COLUMNS, Column("size", TEXT)), ("size",))


def batch(*records: object) -> list[dict[str, Any]]:
    page = Answer({"results": list(records)}, datetime(2026, 1, 1, tzinfo=UTC))
    rows: list[dict[str, Any]] = [row for part in SHAPE.batches([page]) for row in part.table.to_pylist()]
    return rows


@pytest.mark.parametrize(("value", "landed"), [(12, "12"), (True, "true"), ({"b": 1, "a": [2]}, '{"a":[2],"b":1}')])
def test_a_value_that_is_no_text_is_landed_as_json(value: object, landed: str) -> None:
    odd = RECORD | {"id": "8", "properties": {"size": value}}
    assert [row["size"] for row in batch(RECORD, odd)] == ["1", landed]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        "a text",
        RECORD | {"id": None},
        RECORD | {"id": "seven"},
        RECORD | {"properties": None},
        RECORD | {"properties": ["size"]},
        RECORD | {"updatedAt": None},
        RECORD | {"updatedAt": "yesterday"},
        RECORD | {"archived": "no"},
    ],
)
def test_a_record_of_another_shape_stops_the_load(odd: object) -> None:
    with pytest.raises(LoadError, match="HubSpot sent a record"):
        batch(RECORD, odd)
