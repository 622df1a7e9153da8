"""Deals, tickets, tasks, the account's own types, and pipelines, through real HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.hubspot_account import Account, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

DEALS, TICKETS, TASKS = (f"/crm/objects/2026-09/{name}" for name in ("deals", "tickets", "tasks"))
PIPELINES = "/crm/pipelines/2026-09/deals"
SCHEMAS = "/crm-object-schemas/2026-09/schemas"
RENTAL = {
    "name": "rental",
    "labels": {"singular": "Rental", "plural": "Rentals"},
    "primaryDisplayProperty": "address",
    "requiredProperties": ["address"],
    "searchableProperties": ["address"],
    "secondaryDisplayProperties": [],
    "properties": [
        {"name": "address", "label": "Address", "type": "string", "fieldType": "text"},
        {"name": "unit", "label": "Unit", "type": "string", "fieldType": "text", "hasUniqueValue": True},
    ],
    "associatedObjects": ["CONTACT"],
}


def made(client: httpx.Client, path: str, **properties: object) -> dict[str, Any]:
    answer = client.post(path, json={"properties": properties})
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def deal(client: httpx.Client, **properties: object) -> dict[str, Any]:
    return made(client, DEALS, **{"dealname": "Big", "pipeline": "default", "dealstage": "contractsent"} | properties)


def test_a_deal_needs_its_name_pipeline_and_stage(account: Account) -> None:
    client, _ = account()
    answer = client.post(DEALS, json={"properties": {"amount": "12"}})
    assert answer.status_code == 400
    assert answer.json()["context"] == {"properties": ["dealname", "dealstage", "pipeline"]}


@pytest.mark.parametrize(
    ("stage", "closed", "won", "probability"),
    [
        ("contractsent", "false", "false", "0.9"),
        ("closedwon", "true", "true", "1.0"),
        ("closedlost", "true", "false", "0.0"),
    ],
)
def test_a_deals_stage_says_whether_it_is_closed(
    account: Account, stage: str, closed: str, won: str, probability: str
) -> None:
    client, _ = account()
    shown = deal(client, dealstage=stage)["properties"]
    assert (shown["hs_is_closed"], shown["hs_is_closed_won"], shown["hs_deal_stage_probability"]) == (
        closed,
        won,
        probability,
    )


def test_deals_go_by_their_type_id_too(account: Account) -> None:
    client, _ = account()
    number = deal(client, amount="12.50")["id"]
    for path in ("/crm/objects/2026-03/0-3", "/crm/v3/objects/deals", "/crm/v3/objects/deal"):
        assert client.get(f"{path}/{number}").json()["properties"]["amount"] == "12.5"
    found = client.post(
        f"{DEALS}/search",
        json={"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": "12"}]}]},
    )
    assert [one["id"] for one in found.json()["results"]] == [number]


def test_a_stage_must_be_one_of_its_pipeline(account: Account) -> None:
    client, _ = account()
    stages = [{"label": "Only", "displayOrder": 0, "metadata": {"probability": "0.5"}, "stageId": "only"}]
    other = client.post(PIPELINES, json={"label": "Other", "displayOrder": 1, "stages": stages}).json()
    number = deal(client)["id"]
    unknown = client.patch(f"{DEALS}/{number}", json={"properties": {"dealstage": "nonsense"}})
    assert unknown.json()["errors"][0]["code"] == "INVALID_OPTION"
    foreign = client.patch(f"{DEALS}/{number}", json={"properties": {"dealstage": "only"}})
    assert (foreign.status_code, foreign.json()["category"]) == (400, "VALIDATION_ERROR")
    assert foreign.json()["errors"][0]["context"] == {"propertyName": ["dealstage"]}
    batch = client.post(
        f"{DEALS}/batch/update", json={"inputs": [{"id": number, "properties": {"pipeline": other["id"]}}]}
    )
    assert batch.status_code == 400
    both = client.patch(f"{DEALS}/{number}", json={"properties": {"dealstage": "only", "pipeline": other["id"]}})
    assert both.status_code == 200


def test_tickets_have_their_own_pipeline(account: Account) -> None:
    client, _ = account()
    shown = made(client, TICKETS, subject="Help", hs_pipeline="0", hs_pipeline_stage="4")
    assert shown["properties"]["hs_ticket_id"] == shown["id"]
    assert shown["properties"]["hs_is_closed"] == "true"
    changed = client.patch(f"{TICKETS}/{shown['id']}", json={"properties": {"subject": "Help!"}}).json()["properties"]
    assert (changed["hs_pipeline"], changed["hs_pipeline_stage"]) == ("0", "4")


def test_a_task_begins_with_hubspots_values_and_its_own_create_date(account: Account) -> None:
    client, _ = account()
    shown = made(client, TASKS, hs_timestamp="1732111731855", hs_task_subject="Call", hs_task_body="Soon")
    values = shown["properties"]
    assert (values["hs_task_status"], values["hs_task_priority"], values["hs_task_type"]) == (
        "NOT_STARTED",
        "NONE",
        "TODO",
    )
    assert values["hs_timestamp"] == "2024-11-20T14:08:51.855Z"
    assert (values["hs_createdate"], values["hs_body_preview"]) == (shown["createdAt"], "Soon")
    assert "createdate" not in values
    done = client.patch(f"{TASKS}/{shown['id']}", json={"properties": {"hs_task_status": "COMPLETED"}})
    assert done.json()["properties"]["hs_task_is_completed"] == "1"
    assert client.post(TASKS, json={"properties": {"hs_task_subject": "No time"}}).status_code == 400


def test_pipelines_have_the_recorded_shape(account: Account) -> None:
    client, _ = account()
    (row,) = client.get("/crm/v3/pipelines/deals").json()["results"]
    assert (row["id"], row["label"], row["archived"]) == ("default", "Sales Pipeline", False)
    assert row["stages"][0] == {
        "label": "Appointment Scheduled",
        "displayOrder": 0,
        "metadata": {"isClosed": "false", "probability": "0.2"},
        "id": "appointmentscheduled",
        "createdAt": "1970-01-01T00:00:00Z",
        "updatedAt": "1970-01-01T00:00:00Z",
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "archived": False,
    }
    assert client.get("/crm/pipelines/2026-09/tasks").status_code == 400


def test_the_lifecycle_is_shown_as_a_pipeline_that_cannot_be_changed(account: Account) -> None:
    client, _ = account()
    path = "/crm/pipelines/2026-09/contacts"
    (row,) = client.get(path).json()["results"]
    assert (row["id"], row["stages"][1]["id"]) == ("contacts-lifecycle-pipeline", "lead")
    assert row["stages"][1]["metadata"] == {"isClosed": "false", "state": "OPEN"}
    assert client.patch(f"{path}/{row['id']}", json={"label": "Life"}).status_code == 400
    assert client.delete(f"{path}/{row['id']}").status_code == 400


def test_a_pipeline_is_made_changed_and_deleted(account: Account) -> None:
    client, _ = account()
    stage = {"label": "First", "displayOrder": 0, "metadata": {"probability": "0.5"}}
    body = {"label": "Renewals", "displayOrder": 1, "stages": [stage]}
    made = client.post(PIPELINES, json=body)
    assert made.status_code == 201
    path = f"{PIPELINES}/{made.json()['id']}"
    assert client.post(PIPELINES, json=body).status_code == 409
    assert client.patch(path, json={"label": "Renewal"}).json()["label"] == "Renewal"
    added = client.post(f"{path}/stages", json={"label": "Won", "displayOrder": 1, "metadata": {"probability": "1.0"}})
    assert added.json()["metadata"] == {"probability": "1.0", "isClosed": "true"}
    moved = client.patch(f"{path}/stages/{added.json()['id']}", json={"metadata": {"probability": "0.9"}})
    assert moved.json()["metadata"] == {"probability": "0.9", "isClosed": "false"}
    assert client.get(f"{path}/stages/{added.json()['id']}").json() == moved.json()
    assert [one["label"] for one in client.get(f"{path}/stages").json()["results"]] == ["First", "Won"]
    renamed = client.put(f"{path}/stages/{added.json()['id']}", json={**stage, "label": "Signed", "displayOrder": 2})
    assert renamed.json()["label"] == "Signed"
    assert client.put(path, json=body).json()["label"] == "Renewals"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get(f"{PIPELINES}/default/stages/nope").status_code == 404


@pytest.mark.parametrize(
    "stage",
    [
        {"label": "x", "displayOrder": 0},
        {"label": "x", "displayOrder": 0, "metadata": {}},
        {"label": "x", "displayOrder": 0, "metadata": {"probability": "7"}},
        {"label": "Closed Won", "displayOrder": 0, "metadata": {"probability": "1.0"}},
        {"label": "x", "displayOrder": 0, "metadata": {"probability": "1.0"}, "stageId": "UPPER"},
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(account: Account, stage: dict[str, object]) -> None:
    client, _ = account()
    assert client.post(f"{PIPELINES}/default/stages", json=stage).status_code in {400, 409}


def test_a_stage_in_use_stays_since_2026_09_and_before_only_if_asked(account: Account) -> None:
    client, _ = account()
    number = deal(client, dealstage="closedwon")["id"]
    refused = client.delete(f"{PIPELINES}/default/stages/closedwon")
    assert (refused.status_code, refused.json()["subCategory"]) == (400, "PipelineError.STAGE_ID_IN_USE")
    assert refused.json()["context"] == {"stageIds": ["closedwon"], "objectIds": [number]}
    old = "/crm/v3/pipelines/deals/default/stages/closedwon"
    assert client.delete(old, params={"validateReferencesBeforeDelete": "true"}).status_code == 400
    assert client.delete(old).status_code == 204
    assert client.delete(PIPELINES + "/default").status_code == 400


def test_an_own_type_takes_records_under_its_three_names(account: Account) -> None:
    client, store = account(contact(101, "a@x.example"))
    schema = client.post(SCHEMAS, json=RENTAL)
    assert schema.status_code == 201
    type_id, full_name = schema.json()["objectTypeId"], f"p{store.portal_id}_rental"
    assert schema.json()["fullyQualifiedName"] == full_name
    assert schema.json()["associations"][0]["toObjectTypeId"] == "0-1"
    number = made(client, f"/crm/objects/2026-09/{type_id}", address="1 Main St", unit="u1")["id"]
    for name in (type_id, full_name, "p_rental"):
        shown = client.get(f"/crm/objects/2026-09/{name}/{number}", params={"properties": "address"}).json()
        assert shown["properties"]["address"] == "1 Main St"
    upserted = client.post(
        f"/crm/objects/2026-09/{type_id}/batch/upsert",
        json={"inputs": [{"id": "u1", "idProperty": "unit", "properties": {"address": "2 Main St"}}]},
    )
    assert upserted.json()["results"][0]["new"] is False
    assert client.post(f"/crm/objects/2026-09/{type_id}", json={"properties": {"unit": "u2"}}).status_code == 400
    assert "unit" in {one["name"] for one in client.get(f"/crm/properties/2026-09/{type_id}").json()["results"]}


def test_own_types_are_listed_changed_and_deleted_when_empty(account: Account) -> None:
    client, _ = account()
    type_id = client.post(SCHEMAS, json=RENTAL).json()["objectTypeId"]
    assert client.post(SCHEMAS, json=RENTAL).status_code == 409
    assert [one["name"] for one in client.get("/crm/v3/schemas").json()["results"]] == ["rental"]
    assert client.get(f"{SCHEMAS}/contacts").json()["objectTypeId"] == "0-1"
    changed = client.patch(f"{SCHEMAS}/{type_id}", json={"requiredProperties": ["unit"]})
    assert changed.json()["requiredProperties"] == ["unit"]
    number = made(client, f"/crm/objects/2026-09/{type_id}", unit="u1")["id"]
    assert client.delete(f"{SCHEMAS}/{type_id}").status_code == 400
    client.delete(f"/crm/objects/2026-09/{type_id}/{number}")
    assert client.delete(f"{SCHEMAS}/{type_id}").status_code == 204
    assert client.get(f"/crm/objects/2026-09/{type_id}").status_code == 400
    assert client.delete(f"{SCHEMAS}/contacts").status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "1st"},
        {"labels": {"singular": "Rental"}},
        {"requiredProperties": ["nope"]},
        {"properties": [{"name": "address"}]},
        {"associatedObjects": ["BUTTERFLY"]},
    ],
)
def test_an_own_type_that_makes_no_sense_is_refused(account: Account, wrong: dict[str, object]) -> None:
    client, _ = account()
    assert client.post(SCHEMAS, json=RENTAL | wrong).status_code == 400
    assert client.get(SCHEMAS).json() == {"results": []}


def test_the_scope_of_an_own_type_is_custom(account: Account) -> None:
    client, _ = account(scopes=["crm.schemas.custom.write", "crm.schemas.custom.read"])
    type_id = client.post(SCHEMAS, json=RENTAL).json()["objectTypeId"]
    refused = client.get(f"/crm/objects/2026-09/{type_id}")
    assert refused.json()["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.custom.read"]}
