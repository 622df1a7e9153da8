"""HubSpot's own clients, unmodified, against the sandbox: hubspot-api-client (v3) and hubspot-sdk (2026-03)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import hubspot
import hubspot_sdk
import pytest
from hubspot import communication_preferences
from hubspot.crm import companies, contacts, deals, properties
from hubspot.crm.associations import v4
from hubspot.crm.objects import SimplePublicObjectBatchInput
from hubspot.events import send
from hubspot.utils.signature import Signature

from sandbox.clock import Clock
from sandbox.hubspot import Limits
from sandbox.hubspot.webhooks import signature
from tests.sandbox.hubspot_account import TOKEN, Account, company, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

PEOPLE = [contact(number, f"p{number}@x.example", jobtitle="Clerk") for number in range(101, 106)]


class Clients:
    """Both clients of one account."""

    def __init__(self, base_url: str, token: str = TOKEN) -> None:
        self.v3 = hubspot.HubSpot(access_token=token, host=base_url)
        self.dated = hubspot_sdk.HubSpot(access_token=token, base_url=base_url, max_retries=0)


@pytest.fixture
def clients(account: Account) -> Iterator[Clients]:
    client, _ = account(*PEOPLE, company(201, domain="acme.example"))
    made = Clients(str(client.base_url))
    yield made
    made.dated.close()


def told(
    error: contacts.ApiException | deals.ApiException | properties.ApiException | companies.ApiException,
) -> dict[str, object]:
    """Read the vendor's envelope out of hubspot-api-client's exception."""
    body: dict[str, object] = json.loads(error.body)
    return body


def test_api_client_lists_reads_and_searches(clients: Clients) -> None:
    api = clients.v3.crm.contacts
    page = api.basic_api.get_page(limit=2, properties=["email", "jobtitle"])
    assert [one.id for one in page.results] == ["101", "102"]
    assert page.paging.next.after == "103"
    assert len(api.get_all(properties=["email"])) == 5
    one = api.basic_api.get_by_id("101", properties=["email"], properties_with_history=["jobtitle"])
    assert one.properties["email"] == "p101@x.example"
    assert one.properties_with_history["jobtitle"][0].value == "Clerk"
    by_email = api.basic_api.get_by_id("p102@x.example", id_property="email")
    assert by_email.id == "102"
    found = api.search_api.do_search(
        contacts.PublicObjectSearchRequest(
            filter_groups=[
                contacts.FilterGroup(
                    filters=[contacts.Filter(property_name="hs_object_id", operator="GTE", value="104")]
                )
            ],
            sorts=["-hs_object_id"],
            properties=["email"],
            limit=10,
        )
    )
    assert (found.total, [one.id for one in found.results]) == (2, ["105", "104"])


def test_api_client_reads_and_writes_batches(clients: Clients) -> None:
    api = clients.v3.crm.contacts.batch_api
    read = api.read(
        contacts.BatchReadInputSimplePublicObjectId(
            inputs=[contacts.SimplePublicObjectId(id="101"), contacts.SimplePublicObjectId(id="102")],
            properties=["email"],
            properties_with_history=[],
        )
    )
    assert {one.id for one in read.results} == {"101", "102"}
    updated = api.update(
        contacts.BatchInputSimplePublicObjectBatchInput(
            inputs=[contacts.SimplePublicObjectBatchInput(id="101", properties={"jobtitle": "Chief"})]
        )
    )
    assert (updated.status, updated.results[0].properties["jobtitle"]) == ("COMPLETE", "Chief")
    partly = api.update(
        contacts.BatchInputSimplePublicObjectBatchInput(
            inputs=[
                contacts.SimplePublicObjectBatchInput(id=number, properties={"jobtitle": "Chief"})
                for number in ("102", "999")
            ]
        )
    )
    assert (partly.num_errors, partly.errors[0].category, partly.errors[0].context) == (
        1,
        "OBJECT_NOT_FOUND",
        {"ids": ["999"]},
    )
    made = api.create(
        contacts.BatchInputSimplePublicObjectBatchInputForCreate(
            inputs=[
                contacts.SimplePublicObjectBatchInputForCreate(
                    properties={"email": address}, associations=[], object_write_trace_id=address
                )
                for address in ("new@x.example", "p103@x.example")
            ]
        )
    )
    assert made.errors[0].context["objectWriteTraceId"] == ["p103@x.example"]
    put = api.upsert(
        contacts.BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                contacts.SimplePublicObjectBatchInputUpsert(
                    id=address, id_property="email", properties={"email": address, "firstname": "Ada"}
                )
                for address in ("new@x.example", "newer@x.example")
            ]
        )
    )
    assert {one.properties["email"]: one.new for one in put.results} == {
        "new@x.example": False,
        "newer@x.example": True,
    }
    api.archive(contacts.BatchInputSimplePublicObjectId(inputs=[contacts.SimplePublicObjectId(id="105")]))
    with pytest.raises(contacts.ApiException) as refused:
        clients.v3.crm.contacts.basic_api.get_by_id("105")
    assert refused.value.status == 404


def test_api_client_writes_single_records_of_any_type(clients: Clients) -> None:
    api = clients.v3.crm.objects
    made = api.basic_api.create(
        "companies",
        hubspot.crm.objects.SimplePublicObjectInputForCreate(properties={"name": "Globex"}, associations=[]),
    )
    changed = api.basic_api.update(
        "companies", made.id, hubspot.crm.objects.SimplePublicObjectInput(properties={"domain": "globex.example"})
    )
    assert changed.properties["domain"] == "globex.example"
    read = api.batch_api.update(
        "companies",
        hubspot.crm.objects.BatchInputSimplePublicObjectBatchInput(
            inputs=[SimplePublicObjectBatchInput(id=made.id, properties={"name": "Globex Inc"})]
        ),
    )
    assert read.results[0].properties["name"] == "Globex Inc"
    api.basic_api.archive("companies", made.id)
    merged = clients.v3.crm.contacts.basic_api.merge(
        contacts.PublicMergeInput(primary_object_id="101", object_id_to_merge="102")
    )
    assert clients.v3.crm.contacts.basic_api.get_by_id("102").id == merged.id
    clients.v3.crm.contacts.basic_api.purge(contacts.PublicGdprDeleteInput(object_id="103"))
    assert [one.id for one in clients.v3.crm.contacts.get_all()] == ["104", "105", merged.id]


def test_api_client_defines_properties_and_groups(clients: Clients) -> None:
    api = clients.v3.crm.properties
    group = api.groups_api.create(
        "contacts", properties.PropertyGroupCreate(name="usage", label="Usage", display_order=-1)
    )
    assert group.name in [one.name for one in api.groups_api.get_all("contacts").results]
    made = api.core_api.create(
        "contacts",
        properties.PropertyCreate(
            name="usage_days", label="Days", type="number", field_type="number", group_name="usage"
        ),
    )
    assert (made.name, made.modification_metadata.read_only_value) == ("usage_days", False)
    assert "usage_days" in [one.name for one in api.core_api.get_all("contacts").results]
    assert api.core_api.get_by_name("contacts", "email").hubspot_defined is True
    changed = api.core_api.update("contacts", "usage_days", properties.PropertyUpdate(label="Days of use"))
    assert changed.label == "Days of use"
    partly = api.batch_api.create(
        "contacts",
        properties.BatchInputPropertyCreate(
            inputs=[
                properties.PropertyCreate(name=name, label=name, type="string", field_type="text", group_name="usage")
                for name in ("usage_days", "usage_note")
            ]
        ),
    )
    assert [one.name for one in partly.results] == ["usage_note"]
    with pytest.raises(properties.ApiException) as refused:
        api.groups_api.create("contacts", properties.PropertyGroupCreate(name="usage", label="Usage"))
    assert (refused.value.status, told(refused.value)["category"]) == (409, "OBJECT_ALREADY_EXISTS")


def test_api_client_reads_owners_and_the_account(clients: Clients) -> None:
    owners = clients.v3.crm.owners.owners_api.get_page(limit=100)
    assert [one.email for one in owners.results] == ["rep71@seller.example", "rep72@seller.example"]
    assert clients.v3.crm.owners.owners_api.get_by_id(owner_id=71).user_id == 7


def test_api_client_raises_the_vendors_codes(account: Account, clock: Clock) -> None:
    client, _ = account(*PEOPLE, limits=Limits(burst=4))
    stranger = Clients(str(client.base_url), "pat-wrong").v3.crm.contacts.basic_api
    api = Clients(str(client.base_url)).v3.crm.contacts
    with pytest.raises(contacts.ApiException) as refused:
        stranger.get_page()
    assert (refused.value.status, told(refused.value)["category"]) == (401, "INVALID_AUTHENTICATION")
    with pytest.raises(contacts.ApiException) as refused:
        api.basic_api.create(
            contacts.SimplePublicObjectInputForCreate(properties={"email": "p101@x.example"}, associations=[])
        )
    assert (refused.value.status, told(refused.value)["message"]) == (409, "Contact already exists. Existing ID: 101")
    with pytest.raises(contacts.ApiException) as refused:
        api.basic_api.update("101", contacts.SimplePublicObjectInput(properties={"nope": "1"}))
    body = told(refused.value)
    assert (refused.value.status, body["category"]) == (400, "VALIDATION_ERROR")
    assert "PROPERTY_DOESNT_EXIST" in str(body["message"])
    with pytest.raises(contacts.ApiException) as refused:
        api.basic_api.get_by_id("999")
    assert (refused.value.status, told(refused.value)["category"]) == (404, "OBJECT_NOT_FOUND")
    api.basic_api.get_by_id("101")
    with pytest.raises(contacts.ApiException) as refused:
        api.basic_api.get_by_id("101")
    assert (refused.value.status, told(refused.value)["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert refused.value.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    clock.advance(1)
    assert api.basic_api.get_by_id("101").id == "101"


def test_sdk_lists_reads_and_searches(clients: Clients) -> None:
    api = clients.dated.crm.objects.contacts
    listed = list(api.list(limit=2, properties=["email"]))
    assert [one.id for one in listed] == ["101", "102", "103", "104", "105"]
    assert api.get("101", properties=["email"]).properties["email"] == "p101@x.example"
    found = api.search(
        filter_groups=[{"filters": [{"propertyName": "email", "operator": "EQ", "value": "p104@x.example"}]}],
        properties=["email"],
        sorts=[],
        limit=10,
        after="",
    )
    assert (found.total, found.results[0].id) == (1, "104")


def test_sdk_reads_and_writes_batches(clients: Clients) -> None:
    api = clients.dated.crm.objects.contacts.batch
    read = api.get(
        inputs=[{"id": "101"}, {"id": "999"}], properties=["email"], properties_with_history=[], archived=False
    )
    assert [one.id for one in read.results] == ["101"]
    updated = api.update(inputs=[{"id": "101", "properties": {"jobtitle": "Chief"}}])
    assert updated.results[0].properties["jobtitle"] == "Chief"
    made = api.create(inputs=[{"properties": {"email": "new@x.example"}, "associations": []}])
    assert made.results[0].properties["hs_email_domain"] == "x.example"
    put = api.upsert(inputs=[{"id": "new@x.example", "idProperty": "email", "properties": {"email": "new@x.example"}}])
    assert put.results[0].new is False
    api.delete(inputs=[{"id": "101"}])
    with pytest.raises(hubspot_sdk.NotFoundError):
        clients.dated.crm.objects.contacts.get("101")


def test_sdk_defines_properties_and_reads_owners_and_the_account(clients: Clients) -> None:
    api = clients.dated.crm.properties
    api.groups.create("contacts", name="usage", label="Usage", display_order=-1)
    made = api.create(
        "contacts", name="usage_days", label="Days", type="number", field_type="number", group_name="usage"
    )
    assert made.group_name == "usage"
    assert "usage_days" in [one.name for one in api.list("contacts").results]
    batch = api.batch.create(
        "contacts",
        inputs=[
            {"name": "usage_note", "label": "Note", "type": "string", "fieldType": "text", "groupName": "usage"},
        ],
    )
    assert batch.results[0].name == "usage_note"
    assert [one.id for one in clients.dated.crm.owners.list()] == ["71", "72"]
    assert clients.dated.account.get().time_zone == "America/New_York"
    usage = clients.dated.account.get_daily_private_apps_usage().results[0]
    assert usage.usage_limit == 1_000_000


def body_of(error: hubspot_sdk.APIError) -> Any:
    """What HubSpot said; the client types it as any object."""
    return error.body


def test_sdk_raises_the_vendors_codes(account: Account) -> None:
    client, _ = account(*PEOPLE, scopes=["crm.objects.contacts.read", "crm.objects.contacts.write"])
    made = Clients(str(client.base_url))
    api = made.dated.crm.objects.contacts
    with pytest.raises(hubspot_sdk.AuthenticationError):
        Clients(str(client.base_url), "pat-wrong").dated.crm.objects.contacts.get("101")
    with pytest.raises(hubspot_sdk.PermissionDeniedError) as forbidden:
        made.dated.crm.objects.companies.get("201")
    assert body_of(forbidden.value)["category"] == "MISSING_SCOPES"
    with pytest.raises(hubspot_sdk.ConflictError) as conflict:
        api.create(properties={"email": "p101@x.example"}, associations=[])
    assert body_of(conflict.value)["category"] == "CONFLICT"
    with pytest.raises(hubspot_sdk.BadRequestError) as bad:
        api.update("101", properties={"lifecyclestage": "nonsense"})
    assert body_of(bad.value)["errors"][0]["code"] == "INVALID_OPTION"


def test_api_client_asks_for_what_it_has_no_method_for(clients: Clients) -> None:
    base_url = clients.dated.base_url
    details = clients.v3.api_request({"base_url": str(base_url).rstrip("/"), "path": "/account-info/v3/details"}).json()
    assert details["timeZone"] == "America/New_York"


def test_api_client_moves_deals_through_pipelines(clients: Clients) -> None:
    api = clients.v3.crm
    pipelines = api.pipelines.pipelines_api.get_all("deals").results
    assert pipelines[0].stages[0].metadata == {"isClosed": "false", "probability": "0.2"}
    deal = api.deals.basic_api.create(
        deals.SimplePublicObjectInputForCreate(
            properties={"dealname": "Big", "pipeline": "default", "dealstage": "contractsent"},
            associations=[
                deals.PublicAssociationsForObject(
                    to=deals.PublicObjectId(id="101"),
                    types=[deals.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=3)],
                )
            ],
        )
    )
    won = api.deals.basic_api.update(deal.id, deals.SimplePublicObjectInput(properties={"dealstage": "closedwon"}))
    assert won.properties["hs_is_closed_won"] == "true"
    read = api.deals.basic_api.get_by_id(deal.id, associations=["contacts"])
    assert read.associations["contacts"].results[0].id == "101"
    with pytest.raises(deals.ApiException) as refused:
        api.deals.basic_api.update(deal.id, deals.SimplePublicObjectInput(properties={"dealstage": "nonsense"}))
    assert told(refused.value)["category"] == "VALIDATION_ERROR"


def test_api_client_associates(clients: Clients) -> None:
    api = clients.v3.crm.associations.v4
    label = [v4.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=1)]
    made = api.basic_api.create("contacts", "101", "companies", "201", label)
    assert (str(made.from_object_id), made.labels) == ("101", ["Primary"])
    assert api.basic_api.create_default("contacts", "102", "companies", "201").results[0].to.id == "201"
    linked = api.basic_api.get_page("contacts", "101", "companies").results
    assert [str(one.to_object_id) for one in linked] == ["201"]
    read = api.batch_api.get_page(
        "contacts",
        "companies",
        v4.BatchInputPublicFetchAssociationsBatchRequest(
            inputs=[v4.PublicFetchAssociationsBatchRequest(id=number) for number in ("101", "103")]
        ),
    )
    assert [one._from.id for one in read.results] == ["101"]  # noqa: SLF001 - the client's name for it
    assert read.errors[0].sub_category == "crm.associations.NO_ASSOCIATIONS_FOUND"
    put = api.batch_api.create(
        "contacts",
        "companies",
        v4.BatchInputPublicAssociationMultiPost(
            inputs=[
                v4.PublicAssociationMultiPost(
                    _from=v4.PublicObjectId(id="103"), to=v4.PublicObjectId(id="201"), types=label
                )
            ]
        ),
    )
    assert put.results[0].labels == ["Primary"]
    api.basic_api.archive("contacts", "101", "companies", "201")
    assert api.basic_api.get_page("contacts", "101", "companies").results == []


def test_api_client_sends_events_and_keeps_consents(clients: Clients) -> None:
    name = clients.dated.events.definitions.create(
        label="Signed in", name="signed_in", include_default_properties=False, property_definitions=[]
    ).fully_qualified_name
    sent = send.BehavioralEventHttpCompletionRequest(event_name=name, object_id="101", properties={}, uuid="u-1")
    clients.v3.events.send.basic_api.send(sent)
    found = clients.v3.events.events_api.get_page(object_type="contact", object_id=101)
    assert [one.event_type for one in found.results] == [name]
    consents = clients.v3.communication_preferences
    assert consents.definition_api.get_page().subscription_definitions[0].name == "Marketing Information"
    change = communication_preferences.PublicUpdateSubscriptionStatusRequest(
        email_address="p101@x.example", subscription_id="310001"
    )
    assert consents.status_api.unsubscribe(change).status == "NOT_SUBSCRIBED"
    with pytest.raises(communication_preferences.ApiException) as refused:
        consents.status_api.subscribe(change)
    assert refused.value.status == 400
    shown = consents.status_api.get_email_status("p101@x.example")
    assert shown.subscription_statuses[0].status == "NOT_SUBSCRIBED"


def test_api_client_accepts_a_deliverys_signature() -> None:
    moment, url = str(int(time.time() * 1000)), "https://app.example/hooks?a=1"
    signed = signature("secret", "POST", url, b'[{"objectId":1}]', moment)
    valid = Signature.is_valid(signed, "secret", '[{"objectId":1}]', url, "POST", "v3", moment)
    assert valid
    assert not Signature.is_valid(signed, "other", '[{"objectId":1}]', url, "POST", "v3", moment)


def test_sdk_has_every_type_pipelines_and_associations(clients: Clients) -> None:
    crm = clients.dated.crm
    deal = crm.objects.deals.create(
        properties={"dealname": "Big", "pipeline": "default", "dealstage": "contractsent"}, associations=[]
    )
    assert crm.objects.deals.get(deal.id, properties=["hs_is_closed"]).properties["hs_is_closed"] == "false"
    task = crm.objects.tasks.create(properties={"hs_timestamp": "2026-11-20T10:00:00Z"}, associations=[])
    assert task.properties["hs_task_status"] == "NOT_STARTED"
    assert crm.pipelines.list("deals").results[0].stages[-1].metadata["probability"] == "0.0"
    schema = crm.object_schemas.create(
        name="rental",
        labels={"singular": "Rental", "plural": "Rentals"},
        properties=[{"name": "address", "label": "Address", "type": "string", "fieldType": "text"}],
        primary_display_property="address",
        required_properties=["address"],
        searchable_properties=[],
        secondary_display_properties=[],
        associated_objects=["CONTACT"],
        allows_sensitive_properties=False,
    )
    assert crm.object_schemas.get(schema.object_type_id).name == "rental"
    crm.associations.batch.create(
        "companies",
        from_object_type="contacts",
        inputs=[
            {
                "from": {"id": "101"},
                "to": {"id": "201"},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}],
            }
        ],
    )
    read = crm.associations.batch.get("companies", from_object_type="contacts", inputs=[{"id": "101"}, {"id": "102"}])
    assert read.results[0].to[0].to_object_id in {201, "201"}
    crm.associations.batch.delete(
        "companies", from_object_type="contacts", inputs=[{"from": {"id": "101"}, "to": [{"id": "201"}]}]
    )


def test_sdk_sends_events_and_keeps_consents(clients: Clients) -> None:
    api = clients.dated.events
    name = api.definitions.create(
        label="Signed in",
        name="signed_in",
        include_default_properties=True,
        property_definitions=[{"name": "plan", "label": "Plan", "type": "string"}],
    ).fully_qualified_name
    api.send.send(event_name=name, properties={"plan": "pro"}, object_id="101")
    found = list(api.occurrences.list(object_type="contact", object_id=101))
    assert [(one.event_type, one.properties) for one in found] == [(name, {"plan": "pro"})]
    assert [one.name for one in api.definitions.list()] == ["signed_in"]
    with pytest.raises(hubspot_sdk.BadRequestError):
        api.send.send(event_name="pe1_nothing", properties={}, object_id="101")
    consents = clients.dated.communication_preferences
    assert consents.definitions.list().results[0].purpose == "Marketing"
    changed = consents.update_status(
        "p101@x.example", channel="EMAIL", status_state="UNSUBSCRIBED", subscription_id=310001
    )
    assert changed.results[0].set_status_success_reason == "REQUESTED_CHANGE_OCCURRED"
    assert consents.get_statuses("p101@x.example", channel="EMAIL").results[0].status == "UNSUBSCRIBED"
    consents.unsubscribe_all("p101@x.example", channel="EMAIL")
    read = consents.statuses.batch.read(channel="EMAIL", inputs=["p101@x.example"])
    assert {one.status for one in read.results[0].statuses} == {"UNSUBSCRIBED"}


def test_sdk_subscribes_to_webhooks(account: Account) -> None:
    client, store = account(*PEOPLE)
    api, app = Clients(str(client.base_url)).dated.webhooks, store.webhooks.app_id
    api.update_settings(app, target_url="https://x.example/hooks", throttling={"max_concurrent_requests": 10})
    made = api.create_event_subscription(app, active=True, event_type="contact.creation")
    assert [one.id for one in api.list_event_subscriptions(app).results] == [made.id]
