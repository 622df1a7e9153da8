"""Custom events and communication preferences, through real HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.hubspot import Limits
from tests.sandbox.hubspot_account import Account, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

DEFINITIONS, SEND = "/events/2026-09/event-definitions", "/events/2026-09/send"
OCCURRENCES = "/events/event-occurrences/2026-09"
PREFERENCES = "/communication-preferences/2026-09"
EMAIL = {"channel": "EMAIL"}
ANN = "ann@x.example"


def define(client: httpx.Client, name: str = "signed_in", **rest: object) -> str:
    properties = [
        {"name": "plan", "label": "Plan", "type": "string"},
        {"name": "seats", "label": "Seats", "type": "number"},
    ]
    body = {"label": name.title(), "name": name, "propertyDefinitions": properties, "includeDefaultProperties": False}
    answer = client.post(DEFINITIONS, json=body | rest)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["fullyQualifiedName"])


def send(client: httpx.Client, name: str, **event: object) -> httpx.Response:
    return client.post(SEND, json={"eventName": name, "properties": {}} | event)


def occurred(client: httpx.Client, **params: object) -> list[dict[str, Any]]:
    answer = client.get(OCCURRENCES, params={"objectType": "contact", "objectId": "101", **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_an_event_is_defined_under_the_accounts_prefix_and_its_name_is_used_up(account: Account) -> None:
    client, store = account()
    name = define(client)
    assert name == f"pe{store.portal_id}_signed_in"
    shown = client.get(f"{DEFINITIONS}/signed_in").json()
    assert (shown["fullyQualifiedName"], shown["primaryObjectId"]) == (name, "0-1")
    assert [one["name"] for one in shown["properties"]] == ["plan", "seats"]
    assert client.patch(f"{DEFINITIONS}/{name}", json={"label": "Sign-in"}).json()["labels"]["singular"] == "Sign-in"
    added = client.post(f"{DEFINITIONS}/{name}/property", json={"label": "Colour", "type": "string"})
    assert (added.status_code, added.json()["name"]) == (201, "colour")
    changed = client.patch(f"{DEFINITIONS}/{name}/property/colour", json={"label": "Color"})
    assert changed.json()["label"] == "Color"
    assert client.delete(f"{DEFINITIONS}/{name}/property/colour").status_code == 204
    assert client.get(DEFINITIONS, params={"searchString": "sign"}).json()["total"] == 1
    assert client.delete(f"{DEFINITIONS}/{name}").status_code == 204
    assert client.get(f"{DEFINITIONS}/{name}").status_code == 404
    again = client.post(DEFINITIONS, json={"label": "Again", "name": "signed_in"})
    assert (again.status_code, again.json()["category"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": ""},
        {"name": "Signed"},
        {"name": "x" * 51},
        {"primaryObject": "BUTTERFLY"},
        {"propertyDefinitions": [{"label": "x", "type": "color"}]},
        {"propertyDefinitions": [{"label": f"p{n}", "type": "string"} for n in range(51)]},
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(account: Account, wrong: dict[str, object]) -> None:
    client, _ = account()
    assert client.post(DEFINITIONS, json={"label": "Signed in"} | wrong).status_code == 400


def test_a_sent_event_is_answered_with_204_and_read_back_under_its_contact(account: Account) -> None:
    client, store = account(contact(101, ANN), contact(102))
    name = define(client)
    answer = send(
        client, name, objectId="101", properties={"plan": "pro", "seats": 3}, occurredAt="2026-11-19T10:00:00Z"
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert send(client, name, email="Ann@x.example").status_code == 204
    newest, oldest = occurred(client)
    assert oldest == {
        "objectType": "CONTACT",
        "objectId": "101",
        "eventType": name,
        "occurredAt": "2026-11-19T10:00:00Z",
        "id": f"{store.portal_id}-101-1",
        "properties": {"plan": "pro", "seats": "3"},
    }
    assert newest["properties"] == {}
    assert [one["id"] for one in occurred(client, occurredBefore="2026-11-20T00:00:00Z")] == [oldest["id"]]
    by_email = client.get(OCCURRENCES, params={"objectType": "contact", "objectProperty.email": ANN})
    assert len(by_email.json()["results"]) == 2
    survivor = store.merge("contacts", "101", "102")
    assert len(occurred(client, objectId=survivor)) == 2
    assert client.get("/events/v3/events/event-types").json() == {"eventTypes": [name]}


def test_of_events_with_one_uuid_the_first_counts(account: Account) -> None:
    client, _ = account(contact(101))
    name, other = define(client), define(client, "left")
    for value in ("first", "second"):
        assert send(client, name, objectId="101", uuid="u-1", properties={"plan": value}).status_code == 204
    send(client, other, objectId="101", uuid="u-1")
    assert [one["properties"].get("plan") for one in occurred(client, eventType=name)] == ["first"]
    assert len(occurred(client)) == 2
    old = "2025-11-01T00:00:00Z"
    send(client, name, objectId="101", uuid="u-1", occurredAt=old)
    assert occurred(client, eventType=name)[-1]["occurredAt"] == old


def test_a_batch_of_events_holds_500_and_one_that_is_refused_refuses_all(account: Account) -> None:
    client, _ = account(contact(101))
    name = define(client)
    event = {"eventName": name, "objectId": "101", "properties": {}}
    for path in ("/events/v3/send/batch", "/events/custom/2026-09/send/batch"):
        assert client.post(path, json={"inputs": [event] * 500}).status_code == 204
        assert client.post(path, json={"inputs": [event] * 501}).status_code == 400
    assert client.post(f"{SEND}/batch", json={"inputs": [event, {"eventName": name}]}).status_code == 400
    page = client.get(OCCURRENCES, params={"eventType": name, "limit": 1000}).json()
    assert len(page["results"]) == 1000
    assert "paging" not in page
    first = client.get(OCCURRENCES, params={"eventType": name, "limit": 600}).json()
    rest = client.get(
        OCCURRENCES, params={"eventType": name, "limit": 600, "after": first["paging"]["next"]["after"]}
    ).json()
    assert len({one["id"] for one in first["results"] + rest["results"]}) == 1000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eventName": "pe1_nothing"}, "No event definition"),
        ({"objectId": None}, "email, utk, or objectId is required"),
        ({"objectId": None, "email": "nonsense"}, "Email address nonsense is invalid"),
        ({"properties": None}, "required attributes"),
        ({"properties": {"plan": "x" * 257}}, "longer than 256"),
        ({"properties": {f"p{n}": "x" for n in range(51)}}, "more than 50"),
        ({"occurredAt": "yesterday"}, "not a date"),
    ],
)
def test_an_event_that_is_plainly_wrong_is_refused(account: Account, wrong: dict[str, object], message: str) -> None:
    client, _ = account(contact(101))
    answer = send(client, define(client), **{"objectId": "101"} | wrong)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert message in answer.json()["message"]


def test_what_does_not_fit_in_an_event_goes_unsaid(account: Account) -> None:
    client, _ = account(contact(101, ANN))
    name = define(client)
    assert send(client, name, objectId="101", properties={"seats": "many", "other": "x"}).status_code == 204
    assert send(client, name, objectId="999").status_code == 204
    assert send(client, name, email="nobody@x.example").status_code == 204
    assert [one["properties"] for one in occurred(client)] == [{}]
    everybody = client.get(OCCURRENCES, params={"eventType": name}).json()["results"]
    assert sorted(one["objectId"] for one in everybody) == ["", "", "101"]
    assert client.post("/crm/objects/2026-09/contacts/search", json={}).json()["total"] == 1


def test_an_event_can_find_its_record_by_an_own_key(account: Account) -> None:
    client, _ = account(contact(101, ANN))
    rule = {"eventPropertyName": "plan", "targetObjectPropertyName": "email"}
    name = define(client, customMatchingId={"primaryObjectRule": rule})
    assert send(client, name, properties={"plan": ANN}).status_code == 204
    assert len(occurred(client)) == 1


def test_an_event_is_seen_after_the_lag(account: Account, clock: Clock) -> None:
    client, _ = account(contact(101), index_lag=3600)
    name = define(client)
    send(client, name, objectId="101")
    assert occurred(client) == []
    clock.advance(1)
    assert len(occurred(client)) == 1


def test_events_and_associations_have_their_own_limits(account: Account) -> None:
    client, _ = account(contact(101), limits=Limits(burst=4, events=2, associations=1))
    name = define(client)
    sent = [send(client, name, objectId="101") for _ in range(3)]
    assert [one.status_code for one in sent] == [204, 204, 429]
    assert "X-HubSpot-RateLimit-Max" not in sent[0].headers
    path = "/crm/objects/2026-09/contacts/101/associations/companies"
    first, second = client.get(path), client.get(path)
    assert (first.status_code, first.headers["X-HubSpot-RateLimit-Max"]) == (200, "1")
    assert (second.status_code, second.json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    calls = [client.get("/crm/objects/2026-09/contacts/101").status_code for _ in range(3)]
    assert calls == [200, 200, 429]


def status(client: httpx.Client, subscription: int = 310001, email: str = ANN) -> str:
    answer = client.get(f"{PREFERENCES}/statuses/{email}", params=EMAIL)
    assert answer.status_code == 200, answer.text
    return next(str(one["status"]) for one in answer.json()["results"] if one["subscriptionId"] == subscription)


def say(client: httpx.Client, state: str, **rest: object) -> httpx.Response:
    body = {"subscriptionId": 310001, "statusState": state, "channel": "EMAIL"} | rest
    return client.post(f"{PREFERENCES}/statuses/{ANN}", json=body)


def test_subscriptions_are_defined_in_both_shapes(account: Account) -> None:
    client, _ = account()
    dated = client.get(f"{PREFERENCES}/definitions").json()
    assert dated["status"] == "COMPLETE"
    assert (dated["results"][0]["id"], dated["results"][0]["purpose"]) == ("310001", "Marketing")
    old = client.get("/communication-preferences/v3/definitions").json()
    assert old["subscriptionDefinitions"] == dated["results"]


def test_a_status_changes_and_says_what_happened(account: Account) -> None:
    client, _ = account()
    assert status(client) == "NOT_SPECIFIED"
    reasons = [
        say(client, state).json()["results"][0]["setStatusSuccessReason"]
        for state in ("SUBSCRIBED", "SUBSCRIBED", "UNSUBSCRIBED", "SUBSCRIBED")
    ]
    assert reasons == [
        "REQUESTED_CHANGE_OCCURRED",
        "NO_STATUS_CHANGE",
        "REQUESTED_CHANGE_OCCURRED",
        "RESUBSCRIBE_OCCURRED",
    ]
    assert (status(client), status(client, 310002)) == ("SUBSCRIBED", "NOT_SPECIFIED")
    assert status(client, email="ANN@x.example") == "SUBSCRIBED"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"subscriptionId": 5}, 404),
        ({"statusState": "MAYBE"}, 400),
        ({"channel": "FAX"}, 400),
        ({"legalBasis": "BECAUSE"}, 400),
        ({"subscriptionId": None}, 400),
    ],
)
def test_a_status_that_makes_no_sense_is_refused(account: Account, wrong: dict[str, object], expected: int) -> None:
    client, _ = account()
    assert say(client, "SUBSCRIBED", **wrong).status_code == expected
    assert status(client) == "NOT_SPECIFIED"
    assert client.get(f"{PREFERENCES}/statuses/{ANN}").status_code == 400
    assert client.get(f"{PREFERENCES}/statuses/nonsense", params=EMAIL).status_code == 400


def test_unsubscribing_from_all_shows_on_the_contact_until_a_resubscription(account: Account) -> None:
    client, _ = account(contact(101, ANN))
    path, where = f"{PREFERENCES}/statuses/{ANN}/unsubscribe-all", "/crm/objects/2026-09/contacts/101"
    opted_out = {"properties": "hs_email_optout"}
    assert client.post(path, params=EMAIL).json()["results"] == []
    shown = client.post(path, params={**EMAIL, "verbose": "true"}).json()["results"]
    assert {one["status"] for one in shown} == {"UNSUBSCRIBED"}
    assert client.get(path, params=EMAIL).json()["results"][0]["status"] == "UNSUBSCRIBED"
    assert client.get(where, params=opted_out).json()["properties"]["hs_email_optout"] == "true"
    assert say(client, "SUBSCRIBED").json()["results"][0]["setStatusSuccessReason"] == "RESUBSCRIBE_OCCURRED"
    assert client.get(where, params=opted_out).json()["properties"]["hs_email_optout"] == "false"
    write = client.patch(where, json={"properties": {"hs_email_optout": "true"}})
    assert write.json()["errors"][0]["code"] == "READ_ONLY_VALUE"


def test_version_3_cannot_resubscribe(account: Account) -> None:
    client, _ = account()
    body = {"emailAddress": ANN, "subscriptionId": "310001"}
    old = "/communication-preferences/v3"
    assert client.post(f"{old}/subscribe", json=body).json()["status"] == "SUBSCRIBED"
    assert client.post(f"{old}/unsubscribe", json=body).json()["status"] == "NOT_SUBSCRIBED"
    refused = client.post(f"{old}/subscribe", json=body)
    assert (refused.status_code, refused.json()["message"]) == (400, "You cannot subscribe an unsubscribed address.")
    shown = client.get(f"{old}/status/email/{ANN}").json()
    assert (shown["recipient"], shown["subscriptionStatuses"][0]["status"]) == (ANN, "NOT_SUBSCRIBED")
    assert say(client, "SUBSCRIBED").status_code == 200
    assert client.post(f"{old}/subscribe", json=body).status_code == 200


def test_batches_of_statuses(account: Account) -> None:
    client, _ = account()
    inputs = [
        {"subscriberIdString": email, "subscriptionId": 310001, "statusState": "UNSUBSCRIBED", "channel": "EMAIL"}
        for email in (ANN, "nonsense")
    ]
    written = client.post(f"{PREFERENCES}/statuses/batch/write", json={"inputs": inputs})
    assert (written.status_code, written.json()["numErrors"]) == (207, 1)
    assert written.json()["errors"][0]["context"] == {"subscriberIdString": ["nonsense"]}
    read = client.post(f"{PREFERENCES}/statuses/batch/read", params=EMAIL, json={"inputs": [ANN, "b@x.example"]})
    states = {one["subscriberIdString"]: one["statuses"][0]["status"] for one in read.json()["results"]}
    assert states == {ANN: "UNSUBSCRIBED", "b@x.example": "NOT_SPECIFIED"}
    out = client.post(f"{PREFERENCES}/statuses/batch/unsubscribe-all", params=EMAIL, json={"inputs": [ANN]})
    assert out.json()["results"] == [{"subscriberIdString": ANN}]
    wide = client.post(f"{PREFERENCES}/statuses/batch/unsubscribe-all/read", params=EMAIL, json={"inputs": [ANN]})
    assert wide.json()["results"][0]["wideStatuses"][0]["status"] == "UNSUBSCRIBED"
    many = client.post(f"{PREFERENCES}/statuses/batch/read", params=EMAIL, json={"inputs": [ANN] * 101})
    assert many.status_code == 400


def test_with_data_privacy_a_change_needs_its_legal_basis(account: Account) -> None:
    client, _ = account(data_privacy=True)
    assert say(client, "SUBSCRIBED").status_code == 400
    given = say(client, "SUBSCRIBED", legalBasis="CONSENT_WITH_NOTICE", legalBasisExplanation="Asked at sign-up")
    assert given.json()["results"][0]["legalBasis"] == "CONSENT_WITH_NOTICE"
