"""Associations, version 4 and dated, through real HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.hubspot_account import Account, company, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

PAIR = "/crm/associations/2026-09/contacts/companies"
CONTACTS = "/crm/objects/2026-09/contacts"
RECORDS = (*(contact(number, f"p{number}@x.example") for number in (101, 102, 103)), company(201), company(202))
UNLABELLED = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}
PRIMARY = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}


def spec(type_id: int, category: str = "HUBSPOT_DEFINED") -> dict[str, object]:
    return {"associationCategory": category, "associationTypeId": type_id}


def associate(client: httpx.Client, one: int | str, to: int | str, *types: dict[str, object]) -> httpx.Response:
    item = {"from": {"id": one}, "to": {"id": to}, "types": types}
    return client.post(f"{PAIR}/batch/create", json={"inputs": [item]})


def read(client: httpx.Client, *numbers: int, path: str = PAIR) -> httpx.Response:
    return client.post(f"{path}/batch/read", json={"inputs": [{"id": str(number)} for number in numbers]})


def listed(client: httpx.Client, number: int, *, path: str = CONTACTS, other: str = "companies") -> dict[int, Any]:
    answer = client.get(f"{path}/{number}/associations/{other}")
    assert answer.status_code == 200, answer.text
    return {one["toObjectId"]: one["associationTypes"] for one in answer.json()["results"]}


def test_a_read_is_207_as_soon_as_one_record_has_none(account: Account) -> None:
    client, _ = account(*RECORDS)
    associate(client, 101, 201, spec(1))
    answer = read(client, 101)
    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {"from": {"id": "101"}, "to": [{"toObjectId": 201, "associationTypes": [UNLABELLED, PRIMARY]}]}
    ]
    answer = read(client, 101, 102)
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)
    assert answer.json()["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": "No company is associated with contact 102.",
            "context": {"fromObjectId": ["102"], "fromObjectType": ["contact"], "toObjectType": ["company"]},
        }
    ]


def test_an_association_is_seen_from_both_sides(account: Account) -> None:
    client, _ = account(*RECORDS)
    answer = associate(client, 101, 201, spec(279))
    assert answer.status_code == 201
    assert answer.json()["results"] == [
        {
            "fromObjectTypeId": "0-1",
            "fromObjectId": 101,
            "toObjectTypeId": "0-2",
            "toObjectId": 201,
            "labels": [],
        }
    ]
    back = listed(client, 201, path="/crm/v4/objects/Company", other="Contact")
    assert back == {101: [{"category": "HUBSPOT_DEFINED", "typeId": 280, "label": None}]}


def test_what_is_wrong_with_one_input_is_told_in_a_207(account: Account) -> None:
    client, _ = account(*RECORDS)
    inputs = [
        {"from": {"id": "101"}, "to": {"id": to}, "types": [spec(type_id)]}
        for to, type_id in (("201", 279), ("abc", 279), ("999", 279), ("202", 4))
    ]
    answer = client.post("/crm/v4/associations/contact/company/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert [one["toObjectId"] for one in answer.json()["results"]] == [201]
    errors = answer.json()["errors"]
    assert errors[0]["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
    assert (errors[0]["message"], errors[0]["context"]) == ("abc is not a valid ID", {"id": ["abc"]})
    assert errors[1] == {"status": "error", "category": "VALIDATION_ERROR", "message": "COMPANY=999 is not valid"}
    itself = client.post(
        "/crm/associations/2026-09/0-1/0-1/batch/create",
        json={"inputs": [{"from": {"id": 101}, "to": {"id": 101}, "types": [spec(449)]}]},
    )
    assert itself.json()["errors"][0]["message"] == "Object 101 cannot be associated to itself (101)"


def test_labels_replace_labels_and_a_contact_has_one_primary_company(account: Account) -> None:
    client, _ = account(*RECORDS)
    own = client.post(f"{PAIR}/labels", json={"label": "Partner", "name": "partner", "inverseLabel": "Partner of"})
    forth, back = own.json()["results"]
    associate(client, 101, 201, spec(1), spec(forth["typeId"], "USER_DEFINED"))
    assert listed(client, 101)[201] == [UNLABELLED, forth, PRIMARY]
    assert back in listed(client, 201, path="/crm/objects/2026-09/companies", other="contacts")[101]
    associate(client, 101, 201, spec(forth["typeId"], "USER_DEFINED"))
    assert listed(client, 101)[201] == [UNLABELLED, forth]
    associate(client, 101, 201, spec(1))
    client.put(f"{CONTACTS}/101/associations/companies/202", json=[spec(1)])
    assert listed(client, 101) == {201: [UNLABELLED], 202: [UNLABELLED, PRIMARY]}
    # The same from the company's side.
    client.put("/crm/objects/2026-09/companies/201/associations/contacts/101", json=[spec(2)])
    assert listed(client, 101) == {201: [UNLABELLED, PRIMARY], 202: [UNLABELLED]}


def test_a_default_association_keeps_the_labels(account: Account) -> None:
    client, _ = account(*RECORDS)
    associate(client, 101, 201, spec(1))
    answer = client.post(
        f"{PAIR}/batch/associate/default", json={"inputs": [{"from": {"id": "101"}, "to": {"id": "201"}}]}
    )
    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {"from": {"id": "101"}, "to": {"id": "201"}, "associationSpec": spec(279)},
        {"from": {"id": "201"}, "to": {"id": "101"}, "associationSpec": spec(280)},
    ]
    assert listed(client, 101)[201] == [UNLABELLED, PRIMARY]
    single = client.put(f"{CONTACTS}/102/associations/default/companies/202")
    assert (single.status_code, listed(client, 102)) == (200, {202: [UNLABELLED]})


def test_archiving_labels_leaves_the_association_unless_it_is_the_plain_one(account: Account) -> None:
    client, _ = account(*RECORDS)
    associate(client, 101, 201, spec(1))

    def archive(type_id: int) -> httpx.Response:
        item = {"from": {"id": "101"}, "to": {"id": "201"}, "types": [spec(type_id)]}
        return client.post(f"{PAIR}/batch/labels/archive", json={"inputs": [item]})

    assert archive(1).status_code == 200
    assert listed(client, 101) == {201: [UNLABELLED]}
    associate(client, 101, 201, spec(1))
    archive(279)
    assert listed(client, 101) == {}


@pytest.mark.parametrize(("version", "status"), [("v4", 204), ("2026-09", 200)])
def test_a_batch_ends_associations(account: Account, version: str, status: int) -> None:
    client, _ = account(*RECORDS)
    associate(client, 101, 201, spec(1))
    associate(client, 101, 202, spec(279))
    path = f"/crm/{version}/associations" if version == "v4" else f"/crm/associations/{version}"
    body = {"inputs": [{"from": {"id": 101}, "to": [{"id": 201}, {"id": 999}]}]}
    assert client.post(f"{path}/contacts/companies/batch/archive", json=body).status_code == status
    assert list(listed(client, 101)) == [202]
    assert client.delete(f"{CONTACTS}/101/associations/companies/202").status_code == 204
    assert listed(client, 101) == {}


def test_records_are_made_with_their_associations_and_show_them_when_asked(account: Account) -> None:
    client, _ = account(*RECORDS)
    body = {
        "properties": {"email": "new@x.example"},
        "associations": [{"to": {"id": 201}, "types": [spec(1)]}, {"to": {"id": 101}, "types": [spec(449)]}],
    }
    number = client.post(CONTACTS, json=body).json()["id"]
    shown = client.get(f"{CONTACTS}/{number}", params={"associations": "companies,contacts,deals"}).json()
    assert shown["associations"] == {
        "companies": {
            "results": [
                {"id": "201", "type": "contact_to_company_unlabeled"},
                {"id": "201", "type": "contact_to_company"},
            ]
        },
        "contacts": {"results": [{"id": "101", "type": "contact_to_contact"}]},
    }
    page = client.get(CONTACTS, params={"associations": "companies"}).json()["results"]
    assert ["associations" in one for one in page] == [False, False, False, True]
    wrong = client.post(
        f"{CONTACTS}/batch/create",
        json={
            "inputs": [
                {
                    **body,
                    "properties": {"email": "b@x.example"},
                    "associations": [{"to": {"id": 999}, "types": [spec(1)]}],
                }
            ]
        },
    )
    assert (wrong.status_code, wrong.json()["message"]) == (400, "COMPANY=999 is not valid")


def test_search_finds_by_association(account: Account) -> None:
    client, _ = account(*RECORDS)
    associate(client, 102, 201, spec(279))
    rule = {"propertyName": "associations.company", "operator": "EQ", "value": "201"}
    body = {"filterGroups": [{"filters": [rule]}]}
    assert [one["id"] for one in client.post(f"{CONTACTS}/search", json=body).json()["results"]] == ["102"]
    client.delete(f"{CONTACTS}/102/associations/companies/201")
    assert client.post(f"{CONTACTS}/search", json=body).json()["total"] == 0


def test_a_merge_takes_the_associations_along_and_an_archive_ends_them(account: Account) -> None:
    client, store = account(*RECORDS)
    associate(client, 101, 201, spec(1))
    associate(client, 102, 202, spec(1))
    associate(client, 103, 202, spec(279))
    survivor = int(store.merge("contacts", "101", "102"))
    assert listed(client, survivor) == {201: [UNLABELLED, PRIMARY], 202: [UNLABELLED]}
    store.delete("contacts", "103")
    assert list(listed(client, 202, path="/crm/objects/2026-09/companies", other="contacts")) == [survivor]


def test_a_pair_has_ten_labels_at_most_and_they_can_be_changed(account: Account) -> None:
    client, _ = account(*RECORDS)
    made = [client.post(f"{PAIR}/labels", json={"label": f"L{n}", "name": f"l{n}"}) for n in range(11)]
    assert [one.status_code for one in made] == [200] * 10 + [437]
    type_id = made[0].json()["results"][0]["typeId"]
    assert client.put(f"{PAIR}/labels", json={"associationTypeId": type_id, "label": "Boss"}).status_code == 204
    associate(client, 101, 201, spec(type_id, "USER_DEFINED"))
    assert listed(client, 101)[201][1]["label"] == "Boss"
    assert client.delete(f"{PAIR}/labels/{type_id}").status_code == 204
    assert listed(client, 101)[201] == [UNLABELLED]
    labels = client.get(f"{PAIR}/labels").json()["results"]
    assert (PRIMARY in labels, type_id in {one["typeId"] for one in labels}) == (True, False)
    assert client.delete(f"{PAIR}/labels/1").status_code == 404


@pytest.mark.parametrize(
    ("path", "most"),
    [("batch/read", 1000), ("batch/create", 2000), ("batch/associate/default", 2000), ("batch/archive", 100)],
)
def test_a_batch_of_associations_has_its_own_size(account: Account, path: str, most: int) -> None:
    client, _ = account(*RECORDS)
    item = {"id": "101", "from": {"id": "101"}, "to": {"id": "201"}, "types": [spec(279)]}
    if path == "batch/archive":
        item["to"] = [{"id": "201"}]
    assert client.post(f"{PAIR}/{path}", json={"inputs": [item] * most}).status_code in {200, 201, 207}
    assert client.post(f"{PAIR}/{path}", json={"inputs": [item] * (most + 1)}).status_code == 400


def test_a_page_of_associations_says_where_the_next_begins(account: Account) -> None:
    client, _ = account(*(contact(number) for number in range(101, 105)), company(201))
    for number in range(101, 105):
        associate(client, number, 201, spec(279))
    path = "/crm/objects/2026-09/companies/201/associations/contacts"
    page = client.get(path, params={"limit": 3}).json()
    rest = client.get(path, params={"limit": 3, "after": page["paging"]["next"]["after"]}).json()
    assert [one["toObjectId"] for one in page["results"] + rest["results"]] == [101, 102, 103, 104]
    assert "paging" not in rest


def test_types_that_cannot_be_associated_are_refused(account: Account) -> None:
    client, _ = account(*RECORDS)
    assert read(client, 1, path="/crm/associations/2026-09/tasks/tasks").status_code == 400
    assert client.get(f"{CONTACTS}/999/associations/companies").status_code == 404


OLD = "/crm/v3/associations/contacts/companies"


def old(client: httpx.Client, verb: str, *items: tuple[int | str, int | str, str]) -> httpx.Response:
    inputs = [{"from": {"id": one}, "to": {"id": to}, "type": kind} for one, to, kind in items]
    return client.post(f"{OLD}/batch/{verb}", json={"inputs": inputs})


def test_version_3_calls_associations_by_name(account: Account) -> None:
    client, _ = account(*RECORDS)
    made = old(client, "create", (101, 201, "contact_to_company"), (101, 202, "279"))
    assert made.status_code == 201
    assert made.json()["results"] == [
        {"from": {"id": "101"}, "to": {"id": "201"}, "type": "contact_to_company"},
        {"from": {"id": "101"}, "to": {"id": "202"}, "type": "contact_to_company_unlabeled"},
    ]
    old(client, "create", (101, 201, "279"))  # adds nothing, and takes no label away
    answer = read(client, 101, 102, path=OLD)
    assert (answer.status_code, answer.json()["errors"][0]["subCategory"]) == (
        207,
        "crm.associations.NO_ASSOCIATIONS_FOUND",
    )
    assert answer.json()["results"] == [
        {
            "from": {"id": "101"},
            "to": [
                {"id": "201", "type": "contact_to_company_unlabeled"},
                {"id": "201", "type": "contact_to_company"},
                {"id": "202", "type": "contact_to_company_unlabeled"},
            ],
        }
    ]
    assert listed(client, 101) == {201: [UNLABELLED, PRIMARY], 202: [UNLABELLED]}


def test_version_3_takes_one_type_or_the_whole_association_away(account: Account) -> None:
    client, _ = account(*RECORDS)
    old(client, "create", (101, 201, "contact_to_company"), (102, 201, "contact_to_company"))
    assert old(client, "archive", (101, 201, "contact_to_company")).status_code == 204
    assert old(client, "archive", (102, 201, "contact_to_company_unlabeled")).status_code == 204
    assert (listed(client, 101), listed(client, 102)) == ({201: [UNLABELLED]}, {})


def test_version_3_lists_its_types_and_refuses_others(account: Account) -> None:
    client, _ = account(*RECORDS)
    assert {"id": "1", "name": "contact_to_company"} in client.get(f"{OLD}/types").json()["results"]
    refused = old(client, "create", (101, 201, "contact_to_deal"), (101, 999, "contact_to_company"), (102, 201, "1"))
    assert (refused.status_code, refused.json()["numErrors"], len(refused.json()["results"])) == (207, 2, 1)
    assert listed(client, 101) == {}
    assert old(client, "archive", (101, 201, "")).status_code == 400
