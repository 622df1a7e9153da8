"""Salesforce's landing in depth, against an org that the test owns: what it lands, at which cost, and what stops it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loaders import LoadError, LoadSettings, Wanted, load
from loaders.calls import Vendor
from loaders.landing import Column
from loaders.salesforce import queries
from loaders.salesforce.login import Login
from loaders.salesforce.objects import TYPES
from loaders.salesforce.queries import Query, Shape, read
from sandbox.clock import Clock
from sandbox.records import SeedRecord
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.schema import Field

if TYPE_CHECKING:
    from tests.sandbox.hubspot_fixtures import Switch

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

AS_OF = date(2026, 6, 1)
LONG_AGO = datetime(2026, 1, 5, 8, 30, 15, tzinfo=UTC)
ACME = make_id("001", 1)
CONTACTS = Wanted(salesforce={"Contact": ("LastName", "Email")})
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """An answer that the next requests to a path get in place of the org's own."""

    path: str
    status: int
    body: object
    method: str = "GET"


@dataclass(slots=True)
class Watched:
    """The org behind a list of the calls that came, and of planned answers."""

    app: ASGIApp
    calls: list[str] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    before: Callable[[str], None] = lambda _call: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = f"{scope['method']} {scope['path']}"
        self.calls.append(call)
        self.before(call)
        for at, one in enumerate(self.planned):
            if scope["method"] == one.method and re.search(one.path, scope["path"]):
                del self.planned[at]
                headers = {"Date": "Mon, 01 Jun 2026 09:00:00 GMT"}
                answer = Response(orjson.dumps(one.body), one.status, headers, "application/json")
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Org:
    """An org, its clock, what it was asked, and a warehouse to land it in."""

    store: SalesforceStore
    clock: Clock
    watched: Watched
    settings: LoadSettings

    def load(self, wanted: Wanted = CONTACTS, *, bulk_above: int = 20_000) -> dict[str, int]:
        """Land the org and give the rows by table; the calls are counted from here on."""
        self.watched.calls.clear()
        settings = replace(self.settings, salesforce_bulk_above=bulk_above)
        return {one.table: one.rows for one in load(["salesforce"], settings, wanted, lambda *_: None)}

    def ask(self, sql: str, *values: object) -> list[Row]:
        """Ask the warehouse."""
        with duckdb.connect(self.settings.warehouse) as warehouse:
            return warehouse.execute(sql, values).fetchall()

    def counted(self, path: str) -> int:
        """Count the calls of the last load whose path fits."""
        return sum(re.search(path, call) is not None for call in self.watched.calls)


Open = Callable[..., Org]


@pytest.fixture
def open_org(server: tuple[Switch, httpx.Client], tmp_path: Path) -> Open:
    """Open a new org in place of the one before."""

    def make(*seeds: SeedRecord, **options: Any) -> Org:
        switch, url = server[0], str(server[1].base_url).rstrip("/")
        clock = Clock(AS_OF)
        store = SalesforceStore(seeds, clock, **options)
        switch.app = watched = Watched(salesforce_app(store, "client", "s3cret", url))
        settings = LoadSettings(
            warehouse=tmp_path / "warehouse.duckdb",
            pipelines_dir=tmp_path / "pipelines",
            journal_dir=tmp_path / "journal",
            salesforce_base_url=url,
            salesforce_client_id="client",
            salesforce_client_secret="s3cret",
        )
        return Org(store, clock, watched, settings)

    return make


def contacts(count: int, **values: Any) -> list[SeedRecord]:
    """Make contacts that were all saved in one second."""
    return [
        SeedRecord("Contact", make_id("003", n), {"LastName": f"Person {n}", **values}, LONG_AGO, LONG_AGO)
        for n in range(1, count + 1)
    ]


def lead(number: int, **values: Any) -> SeedRecord:
    properties = {"LastName": f"Lead {number}", "Company": "Acme", "Status": "Open - Not Contacted", **values}
    return SeedRecord("Lead", make_id("00Q", number), properties, LONG_AGO, LONG_AGO)


# what is landed


def test_any_list_of_objects_is_landed_typed(open_org: Open) -> None:
    org = open_org(*contacts(2), SeedRecord("Account", ACME, {"Name": "Acme"}, LONG_AGO, LONG_AGO))
    org.store.add_object("Invoice__c", "Invoice", "Invoices")
    org.store.org.add_field(
        org.store.org.schema.known("Invoice__c"), Field("Total__c", "Total", "currency", precision=18, scale=2)
    )
    deal = {"Name": "Big", "StageName": "Prospecting", "CloseDate": "2026-07-01", "Amount": 12.5, "AccountId": ACME}
    role = {"ContactId": make_id("003", 1), "Role": "Evaluator"}
    with api(org) as client:
        opportunity = create(client, "Opportunity", **deal)
        create(client, "OpportunityContactRole", OpportunityId=opportunity, **role)
        create(client, "Invoice__c", Name="I-1", Total__c=99.25)
        task = create(client, "Task", Subject="Call", WhoId=make_id("003", 1))
    org.store.archive_task(task)
    wanted = {
        "Opportunity": ("Name", "StageName", "CloseDate", "Amount", "IsWon"),
        "OpportunityContactRole": ("OpportunityId", "ContactId", "Role", "IsPrimary"),
        "Task": ("Subject", "WhoId", "IsClosed"),
        "User": ("Name", "Email", "IsActive"),
        "Invoice__c": ("Name", "Total__c"),
    }
    org.load(Wanted(salesforce=wanted))
    assert org.ask('select "Id", "Amount", "CloseDate", "IsWon" from salesforce.opportunity') == [
        (opportunity, 12.5, date(2026, 7, 1), False)
    ]
    assert org.ask('select "ContactId", "Role" from salesforce.opportunitycontactrole') == [
        (make_id("003", 1), "Evaluator")
    ]
    assert org.ask('select "Name", "Total__c" from salesforce.invoice__c') == [("I-1", 99.25)]
    assert org.ask('select "Id", "IsArchived" from salesforce.task') == [(task, True)]
    assert ("Integration User", True, False) in org.ask('select "Name", "IsActive", "IsDeleted" from salesforce.user')


def api(org: Org) -> httpx.Client:
    """Log in as another program would."""
    form = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "s3cret"}
    url = org.settings.salesforce_base_url
    token = httpx.post(f"{url}/services/oauth2/token", data=form).json()["access_token"]
    return httpx.Client(base_url=f"{url}/services/data/v66.0", headers={"Authorization": f"Bearer {token}"})


def create(client: httpx.Client, name: str, **values: object) -> str:
    answer = client.post(f"/sobjects/{name}", json=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_more_records_than_a_page_with_one_time_all_land_once(open_org: Open) -> None:
    org = open_org(*contacts(4_100))
    assert org.load()["contact"] == 4_100
    assert org.ask('select count(*), count(distinct "Id") from salesforce.contact') == [(4_100, 4_100)]


def test_a_read_that_lost_its_place_goes_on_after_the_last_record(open_org: Open) -> None:
    org = open_org(*contacts(4_500))
    lost = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
    org.watched.planned = [Planned(r"/queryAll/0r8", 400, lost), Planned(r"/queryAll/0r8", 400, lost)]
    assert org.load()["contact"] == 4_500
    assert org.ask('select count(distinct "Id") from salesforce.contact') == [(4_500,)]
    assert not org.watched.planned


def test_a_record_that_was_seen_in_the_look_back_is_no_duplicate(open_org: Open) -> None:
    org = open_org(*contacts(3))
    org.load()
    org.store.edit("Contact", make_id("003", 2), {"LastName": "Once"})
    org.load()
    org.store.edit("Contact", make_id("003", 2), {"LastName": "Twice"})
    assert org.load()["contact"] == 1
    assert org.ask('select "LastName" from salesforce.contact order by all') == [
        ("Person 1",),
        ("Person 3",),
        ("Twice",),
    ]


def test_deleted_records_say_so_and_undeleted_ones_come_back(open_org: Open) -> None:
    org = open_org(*contacts(3))
    org.load()
    first = make_id("003", 1)
    org.store.delete("Contact", first)
    org.load()
    flag = 'select "IsDeleted", "LastName" from salesforce.contact where "Id" = ?'
    assert org.ask(flag, first) == [(True, "Person 1")]
    entity = org.store.org.schema.known("Contact")
    row = org.store.org.row(entity, first)
    assert row is not None
    org.store.org.save(entity, {**row, "IsDeleted": False, "SystemModstamp": org.store.org.now()})
    org.load()
    assert org.ask(flag, first) == [(False, "Person 1")]


def test_a_record_that_left_the_recycle_bin_between_two_loads_is_deleted(open_org: Open) -> None:
    """Emptied bins show in no query; the list of deletions still has them."""
    org = open_org(*contacts(2))
    org.load()
    gone = make_id("003", 1)
    org.store.delete("Contact", gone)
    org.store.purge("Contact", gone)
    # The list tells what was deleted before the minute that it was asked in.
    org.clock.advance(1)
    org.load()
    assert org.ask('select "Id", "IsDeleted" from salesforce.contact order by all') == [
        (gone, True),
        (make_id("003", 2), False),
    ]


def test_a_list_of_deletions_that_does_not_go_back_far_enough_means_a_full_read(open_org: Open) -> None:
    org = open_org(*contacts(2))
    org.load()
    org.store.org.remove(org.store.org.schema.known("Contact"), make_id("003", 1))
    refused = [{"message": "startDate is too old", "errorCode": "INVALID_REPLICATION_DATE"}]
    org.watched.planned = [Planned("/Contact/deleted", 400, refused)]
    org.load()
    assert org.ask("select mode from salesforce.reads where object = 'Contact'") == [("full",)]
    assert org.ask('select "Id" from salesforce.contact') == [(make_id("003", 2),)]


def test_merged_ids_lead_to_the_record_that_lives_long_after_the_bin_is_empty(open_org: Open) -> None:
    org = open_org(*contacts(3))
    org.load()
    kept, lost = make_id("003", 1), make_id("003", 2)
    org.store.merge("Contact", kept, lost)
    org.load()
    merged = "select object, id, master_id from salesforce.merged_records"
    assert org.ask(merged) == [("Contact", lost, kept)]
    assert org.ask('select "MasterRecordId" from salesforce.contact where "Id" = ?', lost) == [(kept,)]
    org.store.purge("Contact", lost)
    org.clock.advance(16)
    org.load()
    assert org.ask('select count(*) from salesforce.contact where "Id" = ?', lost) == [(0,)]
    assert org.ask(merged) == [("Contact", lost, kept)]


def test_a_converted_lead_names_what_it_became(open_org: Open) -> None:
    org = open_org(lead(1, Email="a@acme.example"), lead(2))
    wanted = Wanted(salesforce={"Lead": ("Email",)})
    org.load(wanted)
    became = org.store.convert_lead(make_id("00Q", 1), opportunity=True)
    org.load(wanted)
    ids = '"ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId"'
    assert org.ask(f'select "IsConverted", {ids} from salesforce.lead order by "Id"') == [
        (True, became.account_id, became.contact_id, became.opportunity_id),
        (False, None, None, None),
    ]


# formulas


def test_formulas_are_read_again_on_their_own_schedule_and_touch_no_other_column(open_org: Open) -> None:
    org = open_org(*contacts(3))
    worth = {"now": 1.0}
    org.store.add_formula("Contact", Field("Worth__c", "Worth", "double", precision=18), lambda _row: worth["now"])
    wanted = Wanted(salesforce={"Contact": ("LastName", "Worth__c")})
    landed = 'select "Worth__c", "LastName" from salesforce.contact order by "Id"'
    org.load(wanted)
    assert org.counted("/queryAll") == 1
    worth["now"] = 2.0
    org.load(wanted)
    assert org.ask(landed) == [(1.0, f"Person {n}") for n in (1, 2, 3)]
    org.clock.advance(1)
    org.store.edit("Contact", make_id("003", 2), {"LastName": "Edited"})
    rows = org.load(wanted)
    assert rows["contact"] == 1
    assert rows["contact_formulas"] == 3
    assert org.ask(landed) == [(2.0, "Person 1"), (2.0, "Edited"), (2.0, "Person 3")]
    assert org.ask("select mode from salesforce.reads where object = 'Contact'") == [("incremental",)]
    assert org.ask("select count(*) from salesforce.contact_formulas") == [(0,)]
    worth["now"] = 3.0
    org.load(replace(wanted, salesforce_formulas={"Contact": timedelta(0)}))
    assert org.ask(landed)[0] == (3.0, "Person 1")


def test_formulas_that_a_load_left_behind_when_it_died_are_put_in_before_newer_values(open_org: Open) -> None:
    org = open_org(*contacts(2))
    worth = {"now": 1.0}
    org.store.add_formula("Contact", Field("Worth__c", "Worth", "double", precision=18), lambda _row: worth["now"])
    wanted = Wanted(salesforce={"Contact": ("LastName", "Worth__c")})
    org.load(wanted)
    org.load(replace(wanted, salesforce_formulas={"Contact": timedelta(0)}))
    one, two = make_id("003", 1), make_id("003", 2)
    org.ask("insert into salesforce.contact_formulas values (?, 2.0), (?, 2.0)", one, two)
    worth["now"] = 3.0
    org.store.edit("Contact", one, {"LastName": "Edited"})
    org.load(wanted)
    assert org.ask('select "Worth__c" from salesforce.contact order by "Id"') == [(3.0,), (2.0,)]


# Bulk


def test_bulk_and_rest_land_the_same(open_org: Open, tmp_path: Path) -> None:
    odd = ("#N/A", "null", ' "quoted", and\r\nbroken ', "Ōkawa 大川 🙂", "1.0", "-")
    seeds = [
        SeedRecord(
            "Contact",
            make_id("003", n),
            {"LastName": text, "Description": text * n, "Birthdate": "1999-12-31"},
            LONG_AGO,
            LONG_AGO,
            archived=n == 2,
        )
        for n, text in enumerate(odd, start=1)
    ]
    org = open_org(*seeds)
    org.store.add_formula("Contact", Field("Big__c", "Big", "double", precision=18), lambda _row: 123456789012345678)
    wanted = Wanted(salesforce={"Contact": ("LastName", "Description", "Birthdate", "Big__c", "EmailBouncedDate")})
    other = replace(org, settings=replace(org.settings, warehouse=tmp_path / "other.duckdb"))
    assert org.load(wanted, bulk_above=5) == other.load(wanted, bulk_above=6)
    everything = 'from salesforce.contact order by "Id"'
    assert org.ask(everything) == other.ask(everything)
    assert len(org.ask(everything)) == 6
    assert org.ask('select distinct "Big__c" from salesforce.contact') == [(float(123456789012345678),)]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map(str.strip)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "LastName": TEXTS.filter(bool),
            "Description": TEXTS.map(lambda text: text or None),
            "Birthdate": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(date.isoformat),
            "MailingLatitude": st.none() | st.floats(-90, 90, allow_nan=False),
            "HasOptedOutOfEmail": st.booleans(),
        }
    ),
    max_size=5,
)


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_bulk_and_rest_give_the_same_rows_whatever_they_hold(
    reader: tuple[Org, httpx.Client, Vendor], rows: list[dict[str, Any]]
) -> None:
    org, client, vendor = reader
    ids = [create(client, "Contact", **row) for row in rows]
    kinds = {"Id": "id", "LastName": "string", "Description": "textarea", "Birthdate": "date"}
    kinds |= {"MailingLatitude": "double", "HasOptedOutOfEmail": "boolean", "SystemModstamp": "datetime"}
    columns = tuple(Column(name, TYPES.get(kind, pa.string())) for name, kind in kinds.items())
    query, shape = Query("Contact", list(kinds)), Shape(columns, {}, "full")
    by_rest, by_bulk = (
        pa.concat_tables(read(vendor, query, shape, above)[1]).sort_by("Id").to_pylist() for above in (99, -1)
    )
    assert by_bulk == by_rest
    assert [row["LastName"] for row in by_rest] == [row["LastName"] for row in rows]
    for contact in ids:
        org.store.org.remove(org.store.org.schema.known("Contact"), contact)


@pytest.fixture
def reader(open_org: Open) -> Iterator[tuple[Org, httpx.Client, Vendor]]:
    """Open an org without contacts, to somebody who writes and to the loader's own reading."""
    org = open_org()
    grant_all(org)
    login = Login(org.settings)
    vendor = Vendor("Salesforce", login.instance_url, login.authorise, login.judge, login.secrets)
    with api(org) as client, vendor.session:
        yield org, client, vendor


def grant_all(org: Org) -> None:
    """Show the API user the fields that only a permission set shows."""
    permission = {"SobjectType": "Contact", "Field": "Contact.HasOptedOutOfEmail", "PermissionsRead": True}
    with api(org) as client:
        users = client.get("/query", params={"q": "SELECT Id FROM User WHERE LastName = 'User'"}).json()["records"]
        held = create(client, "PermissionSet", Name="All", Label="All")
        create(client, "PermissionSetAssignment", AssigneeId=users[0]["Id"], PermissionSetId=held)
        create(client, "FieldPermissions", ParentId=held, PermissionsEdit=True, **permission)


def test_many_rows_are_read_by_a_bulk_job_in_pages(open_org: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "ROWS_A_PAGE", 2_000)
    org = open_org(*contacts(2_100))
    query = {"operation": "query", "query": "SELECT Id FROM Contact"}
    with api(org) as client:
        client.post("/jobs/query", json=query).raise_for_status()  # a load that died left one behind
    assert org.load(bulk_above=2_000)["contact"] == 2_100
    assert org.ask('select count(distinct "Id") from salesforce.contact') == [(2_100,)]
    assert org.counted("POST .*/jobs/query") == 1
    assert org.counted("/results") == 2


def test_an_object_without_bulk_is_read_page_by_page(open_org: Open) -> None:
    org = open_org(*contacts(5))
    refusal = [{"message": "Entity 'Contact' is not supported by the Bulk API.", "errorCode": "INVALIDENTITY"}]
    org.watched.planned = [Planned("/jobs/query", 400, refusal, "POST")]
    assert org.load(bulk_above=1)["contact"] == 5


def test_a_query_that_salesforce_cannot_begin_in_time_becomes_a_bulk_job(open_org: Open) -> None:
    org = open_org(*contacts(5))
    slow = [{"message": "Your query request was running for too long.", "errorCode": "QUERY_TIMEOUT"}]
    org.watched.planned = [Planned("/queryAll", 400, slow)]
    assert org.load()["contact"] == 5
    assert org.counted("/results") == 1


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_bulk_job_that_ends_without_results_stops_the_load_in_one_line(open_org: Open, state: str) -> None:
    org = open_org(*contacts(5))
    org.load()
    before = org.ask("from salesforce.contact order by all")
    org.store.edit("Contact", make_id("003", 1), {"LastName": "Edited"})
    org.watched.planned = [Planned(r"/jobs/query/750", 200, {"state": state, "errorMessage": "Too many\nretries"})]
    with pytest.raises(
        LoadError, match=rf"^Salesforce's Bulk query of Contact was {state.lower()} \(Too many retries\)"
    ):
        org.load(bulk_above=0)
    assert org.ask("from salesforce.contact order by all") == before


def test_more_fields_than_an_address_holds_are_read_all_the_same(open_org: Open) -> None:
    org = open_org(*contacts(2))
    entity = org.store.org.schema.known("Contact")
    names = [f"A_field_with_a_name_as_long_as_it_may_{n}__c" for n in range(350)]
    for name in names:
        org.store.org.add_field(entity, Field(name, name[:40], "string", 255))
    org.store.edit("Contact", make_id("003", 1), {names[-1]: "there"})
    org.load(Wanted(salesforce={"Contact": tuple(names)}))
    assert org.ask(f'select "{names[-1]}" from salesforce.contact order by "Id"') == [("there",), (None,)]


# person accounts


def test_a_person_account_and_its_contact_say_what_they_are(open_org: Open) -> None:
    person = SeedRecord(
        "Account", ACME, {"LastName": "Doe", "FirstName": "Ann", "PersonEmail": "ann@x.example"}, LONG_AGO, LONG_AGO
    )
    org = open_org(person, *contacts(1), person_accounts=True)
    org.store.org.add_field(org.store.org.schema.known("Contact"), Field("Shoe__c", "Shoe", "string", 10))
    org.store.edit("Account", ACME, {"Shoe__pc": "42"})
    org.load(Wanted(salesforce={"Account": ("Name", "PersonEmail", "Shoe__pc"), "Contact": ("Email",)}))
    ((name, is_person, twin, email, shoe),) = org.ask(
        'select "Name", "IsPersonAccount", "PersonContactId", "PersonEmail", "Shoe__pc" from salesforce.account'
    )
    assert (name, is_person, email, shoe) == ("Ann Doe", True, "ann@x.example", "42")
    assert org.ask('select "Id", "Email" from salesforce.contact where "IsPersonAccount"') == [(twin, "ann@x.example")]
    assert org.ask('select count(*) from salesforce.contact where not "IsPersonAccount"') == [(1,)]


def test_an_org_without_person_accounts_has_none(open_org: Open) -> None:
    org = open_org(*contacts(1), SeedRecord("Account", ACME, {"Name": "Acme"}, LONG_AGO, LONG_AGO))
    org.load(
        Wanted(salesforce={"Contact": ("IsPersonAccount",), "Account": ("IsPersonAccount", "PersonEmail", "A__pc")})
    )
    assert org.ask('select "IsPersonAccount" from salesforce.contact') == [(False,)]
    assert org.ask('select "IsPersonAccount", "PersonEmail", "A__pc" from salesforce.account') == [(False, None, None)]


# what it costs and what stops it


def test_with_nothing_new_a_load_costs_the_same_few_calls_however_many_records_there_are(open_org: Open) -> None:
    costs = []
    wanted = Wanted(salesforce={"Contact": ("Email",), "Lead": ("Email",)})
    for count in (1, 2_100):
        org = open_org(*contacts(count))
        org = replace(
            org, settings=replace(org.settings, warehouse=org.settings.warehouse.with_name(f"{count}.duckdb"))
        )
        org.load(wanted)
        assert org.load(wanted)["contact"] == 0
        costs.append(len(org.watched.calls))
    # A login; of each object its description, deletions and changes; and the limits.
    assert costs == [8, 8]


def test_a_session_that_ends_in_a_load_is_opened_again_once(open_org: Open) -> None:
    org = open_org(*contacts(2_100))
    ended: list[str] = []

    def end_sessions(call: str) -> None:
        if "/queryAll/0r8" in call and not ended:
            ended.append(call)
            org.store.end_sessions()

    org.watched.before = end_sessions
    assert org.load()["contact"] == 2_100
    assert ended
    assert org.counted("oauth2/token") == 2


def test_a_session_that_never_works_is_not_opened_again_and_again(open_org: Open) -> None:
    org = open_org(*contacts(1))
    refused = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    org.watched.planned = [Planned("/queryAll", 401, refused) for _ in range(9)]
    with pytest.raises(LoadError, match="login IP ranges"):
        org.load()
    assert org.counted("oauth2/token") == 2


def test_a_quota_that_is_used_up_stops_the_load_in_one_line(open_org: Open) -> None:
    org = open_org(*contacts(1), daily_requests=2)
    with pytest.raises(LoadError, match="last 24 hours are used up: load again later"):
        org.load()


def test_an_object_that_the_user_may_not_read_is_named_with_the_permission(open_org: Open) -> None:
    org = open_org()
    with pytest.raises(
        LoadError, match=r"does not show the object Secret__c .* grant Read on Secret__c .*permission set"
    ):
        org.load(Wanted(salesforce={"Secret__c": ("Name",)}))


def test_every_hidden_field_is_named_at_once(open_org: Open) -> None:
    org = open_org()
    wanted = Wanted(salesforce={"Contact": ("HasOptedOutOfEmail", "Shoe__c"), "Lead": ("DoNotCall", "Email")})
    hidden = r"does not show Contact\.HasOptedOutOfEmail, Contact\.Shoe__c, Lead\.DoNotCall .*permission set"
    with pytest.raises(LoadError, match=hidden):
        org.load(wanted)


def test_a_compound_field_is_refused_with_its_parts_for_a_mend(open_org: Open) -> None:
    with pytest.raises(LoadError, match=r"Contact\.MailingAddress is a compound field: ask for its parts"):
        open_org().load(Wanted(salesforce={"Contact": ("MailingAddress",)}))


def test_a_field_that_is_lost_between_two_loads_stops_the_second_and_leaves_the_first(open_org: Open) -> None:
    org = open_org(*contacts(2))
    entity, shoe = org.store.org.schema.known("Contact"), Field("Shoe__c", "Shoe", "string", 10)
    org.store.org.add_field(entity, shoe)
    org.store.edit("Contact", make_id("003", 1), {"Shoe__c": "42"})
    wanted = Wanted(salesforce={"Contact": ("Shoe__c",)})
    org.load(wanted)
    before = org.ask("from salesforce.contact order by all")
    org.store.org.remove_field(entity, shoe)
    with pytest.raises(LoadError, match=r"Contact\.Shoe__c"):
        org.load(wanted)
    assert org.ask("from salesforce.contact order by all") == before
    # One that only an activation writes is null again, until it is provisioned.
    org.load(Wanted(salesforce={"Contact": ()}, salesforce_activated={"Contact": ("Shoe__c",)}))
    assert org.ask('select distinct "Shoe__c" from salesforce.contact') == [(None,)]


def test_a_field_whose_type_changes_is_landed_anew_for_every_record(open_org: Open) -> None:
    org = open_org(*contacts(2))
    entity, shoe = org.store.org.schema.known("Contact"), Field("Shoe__c", "Shoe", "string", 10)
    wanted = Wanted(salesforce={"Contact": ("Shoe__c",)})
    org.store.org.add_field(entity, shoe)
    org.load(wanted)
    org.store.org.remove_field(entity, shoe)
    org.store.org.add_field(entity, replace(shoe, type="double", precision=4, scale=1))
    org.store.edit("Contact", make_id("003", 2), {"Shoe__c": 42.5})
    assert org.load(wanted)["contact"] == 2
    assert org.ask('select "Shoe__c", typeof("Shoe__c") from salesforce.contact order by "Id"') == [
        (None, "DOUBLE"),
        (42.5, "DOUBLE"),
    ]
