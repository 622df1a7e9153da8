"""Whatever stands in a body where something else should, the sandbox answers; it never fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.hubspot_account import Account, company, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

SPEC = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
PAIR = {"from": {"id": "101"}, "to": {"id": "201"}, "types": [SPEC]}
ASSOCIATIONS = "/crm/associations/2026-09/contacts/companies"
STAGE = {"label": "First", "displayOrder": 0, "metadata": {"probability": "0.5"}, "stageId": "first"}
PROPERTY = {
    "name": "plan",
    "label": "Plan",
    "type": "enumeration",
    "fieldType": "select",
    "options": [{"label": "A", "value": "a"}],
}
EVENT = {
    "eventName": "pe24601001_signed_in",
    "objectId": "101",
    "email": "a@x.example",
    "uuid": "u",
    "occurredAt": "2026-11-19T10:00:00Z",
    "properties": {"plan": "a"},
}
STATUS = {
    "subscriberIdString": "a@x.example",
    "subscriptionId": 310001,
    "statusState": "SUBSCRIBED",
    "channel": "EMAIL",
    "legalBasis": "NON_GDPR",
    "legalBasisExplanation": "Asked",
}
BODIES: tuple[tuple[str, str, object], ...] = (
    (
        "POST",
        "/crm/objects/2026-09/contacts",
        {"properties": {}, "associations": [{"to": {"id": 201}, "types": [SPEC]}]},
    ),
    ("POST", f"{ASSOCIATIONS}/batch/read", {"inputs": [{"id": "101", "after": "0"}]}),
    ("POST", f"{ASSOCIATIONS}/batch/create", {"inputs": [PAIR]}),
    ("POST", f"{ASSOCIATIONS}/batch/associate/default", {"inputs": [PAIR]}),
    ("POST", f"{ASSOCIATIONS}/batch/labels/archive", {"inputs": [PAIR]}),
    ("POST", f"{ASSOCIATIONS}/batch/archive", {"inputs": [{"from": {"id": "101"}, "to": [{"id": "201"}]}]}),
    ("POST", f"{ASSOCIATIONS}/labels", {"label": "Boss", "name": "boss", "inverseLabel": "Boss of"}),
    ("PUT", f"{ASSOCIATIONS}/labels", {"label": "Boss", "associationTypeId": 101, "inverseLabel": "Boss of"}),
    ("PUT", "/crm/objects/2026-09/contacts/101/associations/companies/201", [SPEC]),
    ("POST", "/crm/pipelines/2026-09/deals", {"label": "Other", "displayOrder": 1, "stages": [STAGE]}),
    ("PUT", "/crm/pipelines/2026-09/deals/default", {"label": "Other", "displayOrder": 1, "stages": [STAGE]}),
    ("PATCH", "/crm/pipelines/2026-09/deals/default/stages/closedwon", STAGE),
    (
        "POST",
        "/crm-object-schemas/2026-09/schemas",
        {
            "name": "rental",
            "labels": {"singular": "Rental", "plural": "Rentals"},
            "primaryDisplayProperty": "plan",
            "requiredProperties": ["plan"],
            "searchableProperties": ["plan"],
            "properties": [PROPERTY],
            "associatedObjects": ["contacts"],
        },
    ),
    (
        "POST",
        "/events/2026-09/event-definitions",
        {
            "label": "Left",
            "name": "left",
            "primaryObject": "CONTACT",
            "propertyDefinitions": [PROPERTY],
            "customMatchingId": {"primaryObjectRule": {"eventPropertyName": "a", "targetObjectPropertyName": "b"}},
        },
    ),
    ("POST", "/events/2026-09/event-definitions/signed_in/property", PROPERTY),
    ("POST", "/events/2026-09/send", EVENT),
    ("POST", "/events/2026-09/send/batch", {"inputs": [EVENT]}),
    ("POST", "/communication-preferences/2026-09/statuses/a@x.example", STATUS),
    ("POST", "/communication-preferences/2026-09/statuses/batch/write", {"inputs": [STATUS]}),
    ("POST", "/communication-preferences/2026-09/statuses/batch/read?channel=EMAIL", {"inputs": ["a@x.example"]}),
    ("POST", "/communication-preferences/v3/subscribe", {"emailAddress": "a@x.example", "subscriptionId": "310001"}),
    ("POST", "/webhooks/v3/19083857/subscriptions", {"eventType": "contact.creation", "active": True}),
    ("POST", "/webhooks/v3/19083857/subscriptions/batch/update", {"inputs": [{"id": 1, "active": True}]}),
    ("PUT", "/webhooks/v3/19083857/settings", {"targetUrl": "https://x", "throttling": {"maxConcurrentRequests": 1}}),
)
MISFITS: tuple[object, ...] = (None, True, 7, -1.5, 10**30, "x", "", [], {}, [None], {"a": None})


def with_misfits(body: object) -> Iterator[object]:
    """Give the body with each of its parts replaced by each of the misfits."""
    yield from MISFITS
    if isinstance(body, dict):
        for name, part in body.items():
            yield {other: value for other, value in body.items() if other != name}
            yield from ({**body, name: wrong} for wrong in with_misfits(part))
    if isinstance(body, list):
        for at, part in enumerate(body):
            yield from ([*body[:at], wrong, *body[at + 1 :]] for wrong in with_misfits(part))


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=[f"{method} {path}" for method, path, _ in BODIES])
def test_a_body_with_something_else_in_it_is_answered(account: Account, method: str, path: str, body: object) -> None:
    client, _ = account(contact(101, "a@x.example"), company(201))
    definition = {"label": "Signed in", "name": "signed_in", "propertyDefinitions": [PROPERTY]}
    assert client.post("/events/2026-09/event-definitions", json=definition).status_code == 201
    for wrong in (*with_misfits(body), body):
        answer = client.request(method, path, json=wrong)
        assert answer.status_code < 500, (wrong, answer.text)
