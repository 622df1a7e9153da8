"""Webhooks to a real receiving server, and locks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.hubspot import HubSpotStore
from sandbox.hubspot.webhooks import MOST_ATTEMPTS, Webhooks, signature
from tests.sandbox.hubspot_account import Account, company, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

CONTACTS = "/crm/objects/2026-09/contacts"
SECRET = "app-secret"


class Receiver:
    """A server that keeps what it is sent, and answers with the statuses laid out for it, then 200."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[Mapping[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.deliveries.append((dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?from=hubspot"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.deliveries for event in json.loads(body)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def listening(store: HubSpotStore, receiver: Receiver, *event_types: str) -> Webhooks:
    store.webhooks.retry_seconds = 0.001
    store.webhooks.client_secret = SECRET
    store.webhooks.send_to(receiver.url)
    for event_type in event_types:
        kind, _, name = event_type.partition(":")
        store.webhooks.subscribe(kind, name=name or None)
    return store.webhooks


def test_what_happens_to_records_is_delivered(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101, "a@x.example"), contact(102))
    hooks = listening(
        store, receiver, "contact.creation", "contact.deletion", "contact.merge", "contact.privacyDeletion"
    )
    hooks.subscribe("contact.propertyChange", name="jobtitle")
    number = int(client.post(CONTACTS, json={"properties": {"firstname": "New"}}).json()["id"])
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Chief", "lastname": "Unheard"}})
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Chief"}})
    store.edit("contacts", "101", {"jobtitle": "Head"})
    survivor = int(store.merge("contacts", "101", "102"))
    client.delete(f"{CONTACTS}/{number}")
    client.post(f"{CONTACTS}/gdpr-delete", json={"objectId": str(survivor)})
    assert hooks.wait(10)
    events = sorted(receiver.events, key=lambda event: event["eventId"])
    assert [(one["subscriptionType"], one["objectId"]) for one in events] == [
        ("contact.creation", number),
        ("contact.propertyChange", 101),
        ("contact.propertyChange", 101),
        ("contact.merge", survivor),
        ("contact.deletion", number),
        ("contact.privacyDeletion", survivor),
    ]
    assert events[0] == {
        "eventId": 1,
        "subscriptionId": 1,
        "portalId": store.portal_id,
        "appId": hooks.app_id,
        "subscriptionType": "contact.creation",
        "attemptNumber": 0,
        "objectId": number,
        "occurredAt": events[0]["occurredAt"],
        "changeSource": "INTEGRATION",
        "sourceId": str(hooks.app_id),
        "changeFlag": "NEW",
    }
    changes = [(one["propertyName"], one["propertyValue"], one["changeSource"]) for one in events[1:3]]
    assert changes == [("jobtitle", "Chief", "INTEGRATION"), ("jobtitle", "Head", "CRM_UI")]
    merged = {key: events[3][key] for key in ("primaryObjectId", "mergedObjectIds", "newObjectId")}
    assert merged == {"primaryObjectId": 101, "mergedObjectIds": [102], "newObjectId": survivor}


def test_a_delivery_is_signed_with_version_3(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101))
    hooks = listening(store, receiver, "contact.propertyChange:jobtitle")
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Chief ☃"}})
    assert hooks.wait(10)
    ((headers, body),) = receiver.deliveries
    sent = {name.lower(): value for name, value in headers.items()}
    moment, signed = sent["x-hubspot-request-timestamp"], sent["x-hubspot-signature-v3"]
    assert signed == signature(SECRET, "POST", receiver.url, body, moment)
    assert signed != signature("another", "POST", receiver.url, body, moment)


@given(st.text(alphabet=":/?@!$'()*,;", max_size=8))
def test_escaped_and_plain_urls_have_one_signature(tail: str) -> None:
    escaped = "".join(f"%{ord(one):02X}" for one in tail)
    assert signature(SECRET, "POST", f"http://x/{tail}", b"[]", "1") == signature(
        SECRET, "POST", f"http://x/{escaped}", b"[]", "1"
    )


def test_associations_are_told_from_both_sides_and_own_types_generically(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101), company(201))
    hooks = listening(store, receiver, "contact.associationChange", "company.associationChange")
    hooks.subscribe("object.deletion", object_type_id="0-2")
    client.put(f"{CONTACTS}/101/associations/default/companies/201")
    client.delete(f"{CONTACTS}/101/associations/companies/201")
    store.delete("companies", "201")
    assert hooks.wait(10)
    events = sorted(receiver.events, key=lambda event: event["eventId"])
    assert [(one.get("associationType"), one.get("associationRemoved")) for one in events] == [
        ("CONTACT_TO_COMPANY", False),
        ("COMPANY_TO_CONTACT", False),
        ("CONTACT_TO_COMPANY", True),
        ("COMPANY_TO_CONTACT", True),
        (None, None),
    ]
    assert (events[4]["subscriptionType"], events[4]["objectTypeId"]) == ("object.deletion", "0-2")


def test_a_delivery_that_fails_is_tried_again(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101))
    hooks = listening(store, receiver, "contact.propertyChange:jobtitle")
    receiver.statuses = [500, 404]
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Chief"}})
    assert hooks.wait(10)
    assert [event["attemptNumber"] for event in receiver.events] == [0, 1, 2]
    assert {event["eventId"] for event in receiver.events} == {1}
    assert hooks.lost == 0


def test_a_delivery_that_always_fails_is_given_up(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101))
    hooks = listening(store, receiver, "contact.propertyChange:jobtitle")
    hooks.retry_seconds = 0
    receiver.statuses = [500] * (MOST_ATTEMPTS + 1)
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Chief"}})
    assert hooks.wait(20)
    assert (len(receiver.deliveries), hooks.lost) == (MOST_ATTEMPTS, 1)


def test_many_events_go_in_deliveries_of_at_most_a_hundred(account: Account, receiver: Receiver) -> None:
    client, store = account(*(contact(number) for number in range(101, 351)))
    hooks = listening(store, receiver, "contact.propertyChange:jobtitle")
    for start in (101, 201, 301):
        inputs = [
            {"id": str(number), "properties": {"jobtitle": "Chief"}} for number in range(start, min(start + 100, 351))
        ]
        client.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert hooks.wait(10)
    assert sorted(event["objectId"] for event in receiver.events) == list(range(101, 351))
    assert max(len(json.loads(body)) for _, body in receiver.deliveries) <= 100


@pytest.mark.parametrize(
    ("event_type", "rest"),
    [
        ("contact.vanished", {}),
        ("contact.propertyChange", {}),
        ("contact.creation", {"name": "email"}),
        ("object.creation", {}),
    ],
)
def test_a_subscription_that_hubspot_does_not_have_is_refused(event_type: str, rest: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"webhooks|property|object type"):
        Webhooks(1, 2, SECRET).subscribe(event_type, **rest)


def test_a_locked_type_is_423_for_two_seconds_and_can_be_read(account: Account, clock: Clock) -> None:
    client, store = account(contact(101), company(201))
    store.lock("contacts")
    body = {"inputs": [{"id": "101", "properties": {"jobtitle": "Chief"}}]}
    answer = client.post(f"{CONTACTS}/batch/update", json=body)
    assert (answer.status_code, answer.json()["status"]) == (423, "error")
    assert client.get(f"{CONTACTS}/101").status_code == 200
    assert client.patch("/crm/objects/2026-09/companies/201", json={"properties": {"name": "B"}}).status_code == 200
    clock.advance(1)
    assert client.post(f"{CONTACTS}/batch/update", json=body).status_code == 200


def test_an_app_sets_up_its_webhooks_itself(account: Account, receiver: Receiver) -> None:
    client, store = account(contact(101))
    path = f"/app-webhooks/2026-09/{store.webhooks.app_id}"
    assert client.get(f"{path}/settings").status_code == 404
    settings = {"targetUrl": receiver.url, "throttling": {"maxConcurrentRequests": 5}}
    assert client.put(f"{path}/settings", json=settings).json()["targetUrl"] == receiver.url
    assert client.get(f"/webhooks/v3/{store.webhooks.app_id}/settings").json()["throttling"] == settings["throttling"]
    made = client.post(
        f"{path}/subscriptions",
        json={"eventType": "contact.propertyChange", "propertyName": "jobtitle", "active": False},
    )
    assert (made.status_code, made.json()["active"]) == (201, False)
    one = f"{path}/subscriptions/{made.json()['id']}"
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Unheard"}})
    assert client.patch(one, json={"active": True}).json() == client.get(one).json()
    client.patch(f"{CONTACTS}/101", json={"properties": {"jobtitle": "Heard"}})
    assert store.webhooks.wait(10)
    assert [event["propertyValue"] for event in receiver.events] == ["Heard"]
    batch = client.post(
        f"{path}/subscriptions/batch/update", json={"inputs": [{"id": made.json()["id"], "active": False}]}
    )
    assert [one["active"] for one in batch.json()["results"]] == [False]
    assert client.delete(one).status_code == 204
    assert client.get(f"{path}/subscriptions").json() == {"results": []}
    assert client.delete(f"{path}/settings").status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "settings", {}, 400),
        ("PUT", "settings", {"targetUrl": "http://x.example", "throttling": {"maxConcurrentRequests": 5}}, 400),
        ("PUT", "settings", {"targetUrl": "https://x.example", "throttling": {"maxConcurrentRequests": 0}}, 400),
        ("POST", "subscriptions", {}, 400),
        ("POST", "subscriptions", {"eventType": "contact.vanished", "active": True}, 400),
        ("GET", "subscriptions/9", None, 404),
    ],
)
def test_a_set_up_that_makes_no_sense_is_refused(
    account: Account, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    client, store = account()
    assert client.request(method, f"/webhooks/v3/{store.webhooks.app_id}/{path}", json=body).status_code == status
    assert client.request(method, f"/webhooks/v3/1/{path}", json=body).status_code == 404
