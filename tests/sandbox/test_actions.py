"""What people and administrators do in the vendors' pages, by way of the control API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.actions import ACTIONS
from sandbox.faults import KINDS
from sandbox.server import Sandbox, serving

DATA = "/services/data/v66.0"
CONTACTS = "/crm/objects/2026-09/contacts"
Body = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serving(seed=11, visitors=40, as_of=date(2026, 11, 21)) as sandbox:
        yield sandbox


@pytest.fixture
def control(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["control"], timeout=30) as client:
        yield client


@pytest.fixture
def hubspot(running: Sandbox) -> Iterator[httpx.Client]:
    token = {"Authorization": f"Bearer {running.settings['HUBSPOT_ACCESS_TOKEN']}"}
    with httpx.Client(base_url=running.urls["hubspot"], headers=token) as client:
        yield client


@pytest.fixture
def salesforce(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["salesforce"]) as client:
        client.headers["Authorization"] = login(client, running)
        yield client


def login(client: httpx.Client, running: Sandbox) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": running.settings["SALESFORCE_CLIENT_ID"],
        "client_secret": running.settings["SALESFORCE_CLIENT_SECRET"],
    }
    token = client.post("/services/oauth2/token", data=form).raise_for_status().json()["access_token"]
    return f"Bearer {token}"


def do(control: httpx.Client, vendor: str, action: str, **arguments: object) -> Body:
    answer = control.post(f"/do/{vendor}/{action}", json=arguments)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


def create(client: httpx.Client, name: str, **values: object) -> httpx.Response:
    return client.post(f"{DATA}/sobjects/{name}", json=values)


def made(client: httpx.Client, name: str, **values: object) -> str:
    answer = create(client, name, **values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def read(client: httpx.Client, name: str, record: str) -> Body:
    found: Body = client.get(f"{DATA}/sobjects/{name}/{record}").json()
    return found


# What may be done.


def test_every_action_is_listed_with_what_it_does_and_its_arguments(control: httpx.Client) -> None:
    listed = control.get("/do").json()
    assert {vendor: list(actions) for vendor, actions in listed.items()} == {
        vendor: list(actions) for vendor, actions in ACTIONS.items()
    }
    assert listed["salesforce"]["lock_record"]["arguments"] == {
        "object": {"type": "string"},
        "id": {"type": "string"},
        "writes": {"type": "integer", "minimum": 1, "default": 1},
    }
    assert all(action["does"] for actions in listed.values() for action in actions.values())


@pytest.mark.parametrize(
    ("action", "arguments", "status", "said"),
    [
        ("druid/dance", {}, 404, "druid has no action 'dance': there are none"),
        ("hubspot/dance", {}, 404, "hubspot has no action 'dance': there are create_record"),
        ("hubspot/archive", {"object": "contacts"}, 400, "id: Missing required keyword only argument"),
        ("hubspot/archive", {"object": "contacts", "id": 1}, 400, "id: Input should be a valid string"),
        ("hubspot/archive", {"object": "contacts", "id": "1"}, 404, "1"),
        ("hubspot/lock_type", {"object": "contacts", "seconds": 0}, 400, "seconds: Input should be greater than 0"),
        ("hubspot/lock_type", {"object": "planets"}, 404, "planets"),
        ("hubspot/lock_type", {"object": "contacts", "colour": 1}, 400, "colour: Unexpected keyword argument"),
        ("hubspot/unsubscribe", {"email": "a@b.example", "subscription": 1}, 404, "no subscription 1"),
        ("hubspot/purge", {"object": "contacts", "id": "1"}, 404, "HubSpot has no contacts 1"),
        ("hubspot/add_webhook", {"event_type": "contact.sneeze"}, 400, "no webhooks for contact.sneeze"),
        ("salesforce/convert_lead", {"id": "00Q000000000001AAA"}, 404, "Lead"),
        ("salesforce/add_flow", {"object": "Lead", "when": {}}, 400, "either sets fields or fails"),
        ("salesforce/add_formula", {"object": "Lead", "name": "X__c", "label": "X"}, 400, "either sum_of"),
        ("salesforce/end_sessions", {"now": True}, 400, "now: Unexpected keyword argument"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    control: httpx.Client, action: str, arguments: Body, status: int, said: str
) -> None:
    answer = control.post(f"/do/{action}", json=arguments)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error


def test_the_readme_names_every_action_and_every_kind_of_fault() -> None:
    text = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text()
    named = [name for actions in ACTIONS.values() for name in actions] + list(KINDS)
    assert [name for name in named if f"`{name}`" not in text] == []


# HubSpot.


def test_a_person_makes_archives_and_purges_records(control: httpx.Client, hubspot: httpx.Client) -> None:
    properties = {"email": "typed@person.example", "jobtitle": "CFO"}
    record = do(control, "hubspot", "create_record", object="contacts", properties=properties)["id"]
    shown = hubspot.get(f"{CONTACTS}/{record}", params={"properties": "jobtitle,hs_object_source"}).json()["properties"]
    assert (shown["jobtitle"], shown["hs_object_source"]) == ("CFO", "CRM_UI")
    again = control.post("/do/hubspot/create_record", json={"object": "contacts", "properties": properties})
    assert again.status_code == 400
    do(control, "hubspot", "archive", object="contacts", id=record)
    assert hubspot.get(f"{CONTACTS}/{record}").status_code == 404
    assert hubspot.get(f"{CONTACTS}/{record}", params={"archived": "true"}).status_code == 200
    other = do(control, "hubspot", "create_record", object="contacts", properties=properties)["id"]
    do(control, "hubspot", "purge", object="contacts", id=other)
    assert hubspot.get(f"{CONTACTS}/{other}", params={"archived": "true"}).status_code == 404


def test_an_administrator_locks_a_type(control: httpx.Client, hubspot: httpx.Client) -> None:
    do(control, "hubspot", "lock_type", object="deals", seconds=30)
    assert hubspot.post("/crm/objects/2026-09/deals", json={"properties": {}}).status_code == 423
    assert hubspot.get("/crm/objects/2026-09/deals").status_code == 200


def test_an_administrator_requires_a_property(control: httpx.Client, hubspot: httpx.Client) -> None:
    do(control, "hubspot", "require", object="tickets", name="content")
    ticket = {"subject": "s", "hs_pipeline": "0", "hs_pipeline_stage": "1"}
    refused = hubspot.post("/crm/objects/2026-09/tickets", json={"properties": ticket})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "MISSING_REQUIRED_PROPERTY")
    accepted = hubspot.post("/crm/objects/2026-09/tickets", json={"properties": {**ticket, "content": "c"}})
    assert accepted.status_code == 201


def test_a_person_unsubscribes_and_comes_back(control: httpx.Client, hubspot: httpx.Client) -> None:
    email = "reader@person.example"
    record = do(control, "hubspot", "create_record", object="contacts", properties={"email": email})["id"]

    def states() -> dict[int, str]:
        path = f"/communication-preferences/2026-09/statuses/{email}"
        results = hubspot.get(path, params={"channel": "EMAIL"}).json()["results"]
        return {one["subscriptionId"]: one["status"] for one in results}

    def opted_out() -> str | None:
        shown = hubspot.get(f"{CONTACTS}/{record}", params={"properties": "hs_email_optout"}).json()
        value: str | None = shown["properties"]["hs_email_optout"]
        return value

    do(control, "hubspot", "unsubscribe", email=email.upper(), subscription=310002)
    assert (states()[310002], states()[310001], opted_out()) == ("UNSUBSCRIBED", "NOT_SPECIFIED", None)
    do(control, "hubspot", "unsubscribe", email=email)
    assert (set(states().values()), opted_out()) == ({"UNSUBSCRIBED"}, "true")
    do(control, "hubspot", "subscribe", email=email, subscription=310002)
    assert (states()[310002], opted_out()) == ("SUBSCRIBED", "false")


def test_webhooks_are_set_up_and_waited_for(control: httpx.Client) -> None:
    where = do(control, "hubspot", "send_webhooks_to", url="http://127.0.0.1:9/nobody")
    assert where["client_secret"]
    assert do(control, "hubspot", "add_webhook", event_type="contact.creation") == {"id": 1}
    do(control, "hubspot", "create_record", object="contacts", properties={"email": "heard@person.example"})
    assert do(control, "hubspot", "wait_for_webhooks", seconds=0.05)["delivered"] is False
    do(control, "hubspot", "send_webhooks_to", url=None)


# Salesforce.


def test_a_lead_is_converted(control: httpx.Client, salesforce: httpx.Client) -> None:
    lead = made(salesforce, "Lead", LastName="Turner", Company="Turned")
    became = do(control, "salesforce", "convert_lead", id=lead, opportunity=True)
    assert set(became) == {"account_id", "contact_id", "opportunity_id"}
    after = read(salesforce, "Lead", lead)
    assert (after["IsConverted"], after["ConvertedContactId"]) == (True, became["contact_id"])
    again = control.post("/do/salesforce/convert_lead", json={"id": lead})
    assert (again.status_code, "converted already" in again.json()["error"]) == (404, True)


def test_a_record_is_locked_for_some_writes(control: httpx.Client, salesforce: httpx.Client) -> None:
    account = made(salesforce, "Account", Name="Locked")
    do(control, "salesforce", "lock_record", object="Account", id=account, writes=2)
    statuses = [
        salesforce.patch(f"{DATA}/sobjects/Account/{account}", json={"Name": "Written"}).status_code for _ in range(3)
    ]
    assert statuses == [400, 400, 204]


def test_validation_and_duplicate_rules_refuse(control: httpx.Client, salesforce: httpx.Client) -> None:
    rule = {"object": "Account", "message": "No more Acme", "when": {"Name": "Acme"}, "field": "Name"}
    do(control, "salesforce", "add_validation_rule", **rule)
    refused = create(salesforce, "Account", Name="Acme").json()[0]
    assert (refused["errorCode"], refused["message"], refused["fields"]) == (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "No more Acme",
        ["Name"],
    )
    do(control, "salesforce", "add_duplicate_rule", object="Account", name="By_Name", fields=["Name"])
    made(salesforce, "Account", Name="Twin")
    assert create(salesforce, "Account", Name="twin").json()[0]["errorCode"] == "DUPLICATES_DETECTED"


def test_flows_set_fields_or_fail(control: httpx.Client, salesforce: httpx.Client) -> None:
    do(control, "salesforce", "add_flow", object="Lead", when={"Company": "Flowing"}, sets={"Title": "Set"})
    do(control, "salesforce", "add_flow", object="Lead", when={"Company": "Stuck"}, fails="The flow says no")
    lead = made(salesforce, "Lead", LastName="A", Company="Flowing")
    assert read(salesforce, "Lead", lead)["Title"] == "Set"
    refused = create(salesforce, "Lead", LastName="B", Company="Stuck").json()[0]
    assert (refused["errorCode"], refused["message"]) == ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "The flow says no")


def test_formulas_change_without_a_write(control: httpx.Client, salesforce: httpx.Client, running: Sandbox) -> None:
    do(control, "salesforce", "add_formula", object="Account", name="Age__c", label="Age", days_since="CreatedDate")
    fields = ["NumberOfEmployees", "AnnualRevenue"]
    do(control, "salesforce", "add_formula", object="Account", name="Size__c", label="Size", sum_of=fields)
    account = made(salesforce, "Account", Name="Formula", NumberOfEmployees=3, AnnualRevenue=4)
    before = read(salesforce, "Account", account)
    assert (before["Age__c"], before["Size__c"]) == (0, 7)
    control.post("/advance", json={"days": 3}).raise_for_status()
    salesforce.headers["Authorization"] = login(salesforce, running)
    after = read(salesforce, "Account", account)
    assert (after["Age__c"], after["Size__c"]) == (3, 7)
    assert after["SystemModstamp"] == before["SystemModstamp"]


def test_objects_record_types_and_history_are_added(control: httpx.Client, salesforce: httpx.Client) -> None:
    do(control, "salesforce", "add_object", name="Pet__c", label="Pet", plural="Pets")
    assert salesforce.get(f"{DATA}/sobjects/Pet__c/describe").status_code == 200
    kind = do(control, "salesforce", "add_record_type", object="Account", developer_name="Partner", label="Partner")
    account = made(salesforce, "Account", Name="Typed", RecordTypeId=kind["id"])
    do(control, "salesforce", "track_history", object="Account", fields=["Name"])
    salesforce.patch(f"{DATA}/sobjects/Account/{account}", json={"Name": "Renamed"})
    query = f"SELECT OldValue, NewValue FROM AccountHistory WHERE AccountId = '{account}'"
    (row,) = salesforce.get(f"{DATA}/query", params={"q": query}).json()["records"]
    assert (row["OldValue"], row["NewValue"]) == ("Typed", "Renamed")


def test_tasks_are_archived_and_bulk_jobs_fail(control: httpx.Client, salesforce: httpx.Client) -> None:
    task = made(salesforce, "Task", Subject="Old")
    do(control, "salesforce", "archive_task", id=task)
    query = {"q": f"SELECT Id FROM Task WHERE Id = '{task}'"}
    assert salesforce.get(f"{DATA}/query", params=query).json()["totalSize"] == 0
    assert salesforce.get(f"{DATA}/queryAll", params=query).json()["totalSize"] == 1

    do(control, "salesforce", "fail_bulk_job", after=1)
    job = salesforce.post(f"{DATA}/jobs/ingest", json={"object": "Account", "operation": "insert"}).json()
    path = f"{DATA}/jobs/ingest/{job['id']}"
    salesforce.put(f"{path}/batches", content=b"Name\nOne\nTwo\n", headers={"Content-Type": "text/csv"})
    salesforce.patch(path, json={"state": "UploadComplete"})
    states = [salesforce.get(path).json()["state"] for _ in range(3)]
    assert states[-1] == "Failed"


def test_sessions_end(control: httpx.Client, salesforce: httpx.Client) -> None:
    do(control, "salesforce", "end_sessions")
    assert salesforce.get(f"{DATA}/limits").status_code == 401


# Pendo.


def test_metadata_is_edited_and_visitors_are_excluded(control: httpx.Client, running: Sandbox) -> None:
    key = {"x-pendo-integration-key": running.settings["PENDO_INTEGRATION_KEY"]}
    pipeline = {"pipeline": [{"source": {"visitors": None}}, {"identified": "visitorId"}]}
    request = {"response": {"mimeType": "application/json"}, "request": pipeline}
    with httpx.Client(base_url=running.urls["pendo"], headers=key) as pendo:

        def visitors() -> dict[str, Body]:
            rows = pendo.post("/api/v1/aggregation", json=request).raise_for_status().json()["results"]
            return {row["visitorId"]: row["metadata"]["agent"] for row in rows}

        someone, other = list(visitors())[:2]
        do(control, "pendo", "edit_metadata", kind="visitor", id=someone, values={"role": "captain"})
        assert visitors()[someone]["role"] == "captain"
        do(control, "pendo", "exclude", visitor=other)
        assert other not in visitors()
        do(control, "pendo", "exclude", visitor=other, excluded=False)
        assert other in visitors()
    unknown = control.post("/do/pendo/exclude", json={"visitor": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "no visitor 'nobody'")
