"""The HubSpot sandbox, through real HTTP, against what HubSpot is known to answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.hubspot import Limits
from tests.sandbox.hubspot_account import BORN, TOKEN, Account, company, contact

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]
CONTACTS = "/crm/objects/2026-09/contacts"
COMPANIES = "/crm/objects/2026-09/companies"
PROPERTIES = "/crm/properties/2026-09/contacts"


def update(client: httpx.Client, *inputs: tuple[int | str, dict[str, object]], path: str = CONTACTS) -> httpx.Response:
    body = {"inputs": [{"id": str(number), "properties": properties} for number, properties in inputs]}
    return client.post(f"{path}/batch/update", json=body)


def create(client: httpx.Client, *properties: dict[str, object], traced: bool = False) -> httpx.Response:
    inputs = [
        {"properties": each, **({"objectWriteTraceId": str(n)} if traced else {})} for n, each in enumerate(properties)
    ]
    return client.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})


def values(client: httpx.Client, number: int | str, *names: str, path: str = CONTACTS) -> dict[str, str | None]:
    answer = client.get(f"{path}/{number}", params={"properties": ",".join(names)})
    assert answer.status_code == 200, answer.text
    shown = answer.json()["properties"]
    return {name: shown[name] for name in names}


def find(client: httpx.Client, *filters: Mapping[str, object], **rest: object) -> dict[str, Any]:
    body = {"filterGroups": [{"filters": filters}] if filters else [], **rest}
    answer = client.post(f"{CONTACTS}/search", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(body: dict[str, Any]) -> list[str]:
    return [record["id"] for record in body["results"]]


def define(client: httpx.Client, name: str, kind: str, field_type: str, **rest: object) -> None:
    body = {
        "name": name,
        "label": name,
        "type": kind,
        "fieldType": field_type,
        "groupName": "contactinformation",
        **rest,
    }
    answer = client.post(PROPERTIES, json=body)
    assert answer.status_code == 201, answer.text


def codes(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


# Getting in, and every answer's shape.


@pytest.mark.parametrize("header", ["Bearer wrong", "", TOKEN])
def test_a_wrong_token_is_refused_with_401(account: Account, header: str) -> None:
    client, _ = account()
    answer = client.get(CONTACTS, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"
    assert answer.json()["correlationId"] == answer.headers["X-HubSpot-Correlation-Id"]


def test_a_missing_scope_is_refused_with_403_and_named(account: Account) -> None:
    client, _ = account(scopes=["crm.objects.contacts.read"])
    assert client.get(CONTACTS).status_code == 200
    answer = client.get(COMPANIES)
    assert answer.status_code == 403
    assert answer.json()["category"] == "MISSING_SCOPES"
    assert answer.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.companies.read"]


def test_every_answer_has_a_correlation_id_and_the_sandbox_date(account: Account, clock: Clock) -> None:
    client, _ = account()
    clock.advance(40)
    for path in (CONTACTS, f"{CONTACTS}/999", "/no/such/path", "/crm/objects/2026-09/butterflies"):
        answer = client.get(path)
        assert answer.headers["X-HubSpot-Correlation-Id"]
        said = parsedate_to_datetime(answer.headers["Date"])
        assert abs(said - clock.now()) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "path",
    [
        "/crm/objects/2026-03/contacts",
        "/crm/objects/2027-09/contacts",
        "/crm/v3/objects/contacts",
        "/crm/objects/2026-09/CONTACT",
        "/crm/objects/2026-09/0-1",
    ],
)
def test_versions_and_type_names_are_aliases(account: Account, path: str) -> None:
    client, _ = account(contact(51))
    assert ids(client.get(path).json()) == ["51"]


@pytest.mark.parametrize("path", ["/crm/objects/2026-04/contacts", "/crm/objects/v9/contacts", "/crm/v2/contacts"])
def test_a_version_that_never_was_is_not_found(account: Account, path: str) -> None:
    client, _ = account()
    assert client.get(path).status_code == 404


def test_an_unknown_type_is_refused_without_a_category(account: Account) -> None:
    client, _ = account()
    answer = client.get("/crm/objects/2026-09/butterflies")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Unable to infer object type from: butterflies"
    assert "category" not in answer.json()


def test_a_body_that_is_not_json_is_refused(account: Account) -> None:
    client, _ = account()
    answer = client.post(f"{CONTACTS}/batch/update", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid input JSON on line 1, column 1")


def test_a_missing_record_is_an_html_page_unless_json_is_asked_for(account: Account) -> None:
    client, _ = account()
    as_json = client.get(f"{CONTACTS}/999")
    assert (as_json.status_code, as_json.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    page = client.get(f"{CONTACTS}/999", headers={"accept": "*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html;charset=iso-8859-1")
    assert client.get("/crm/v3/nothing").json() == {"status": "error", "message": "resource not found"}


def test_too_long_an_address_is_refused_with_414(account: Account) -> None:
    client, _ = account()
    answer = client.get(CONTACTS, params={"properties": "x" * 16_001})
    assert answer.status_code == 414


# Reading.


def test_a_record_has_the_recorded_shape(account: Account) -> None:
    client, store = account(contact(51, "a@example.com", lastname="Last"))
    assert client.get(CONTACTS).json() == {
        "results": [
            {
                "id": "51",
                "properties": {
                    "createdate": "2026-01-05T09:00:00Z",
                    "email": "a@example.com",
                    "firstname": "First51",
                    "hs_object_id": "51",
                    "lastmodifieddate": "2026-01-05T09:51:00Z",
                    "lastname": "Last",
                },
                "createdAt": "2026-01-05T09:00:00Z",
                "updatedAt": "2026-01-05T09:51:00Z",
                "archived": False,
                "url": f"https://app.hubspot.com/contacts/{store.portal_id}/record/0-1/51",
            }
        ]
    }


def test_unknown_properties_are_left_out_and_unset_ones_are_null(account: Account) -> None:
    client, _ = account(contact(51))
    answer = client.get(CONTACTS, params={"properties": "jobtitle,nonsense"})
    shown = answer.json()["results"][0]["properties"]
    assert shown["jobtitle"] is None
    assert set(shown) == {"jobtitle", "createdate", "hs_object_id", "lastmodifieddate"}


def test_the_list_pages_by_id_to_its_end(account: Account) -> None:
    client, _ = account(*(contact(number) for number in range(5, 0, -1)))
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(CONTACTS, params={"limit": 2, **after}).json()
        seen += ids(page)
        if "paging" not in page:
            break
        after = {"after": page["paging"]["next"]["after"]}
    assert seen == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("params", [{"limit": 101}, {"limit": 51, "propertiesWithHistory": "email"}, {"after": "x"}])
def test_a_page_that_is_too_large_is_refused(account: Account, params: dict[str, str]) -> None:
    client, _ = account()
    assert client.get(CONTACTS, params=params).status_code == 400


def test_archived_records_are_listed_apart(account: Account) -> None:
    client, store = account(contact(1), contact(2, archived=True), contact(3))
    store.delete("contacts", "3")
    assert ids(client.get(CONTACTS).json()) == ["1"]
    archived = client.get(CONTACTS, params={"archived": "true"}).json()
    assert ids(archived) == ["2", "3"]
    assert archived["results"][0]["archived"] is True
    assert archived["results"][0]["archivedAt"] == "2026-01-05T09:02:00Z"
    assert client.get(f"{CONTACTS}/3").status_code == 404
    assert client.get(f"{CONTACTS}/3", params={"archived": "true"}).status_code == 200


def test_batch_read_names_the_ids_it_did_not_find(account: Account) -> None:
    client, _ = account(contact(1), contact(2))
    body = {"properties": ["firstname"], "inputs": [{"id": "2"}, {"id": "9"}, {"id": "x"}, {"id": "1"}]}
    answer = client.post(f"{CONTACTS}/batch/read", json=body)
    assert answer.status_code == 207
    assert sorted(ids(answer.json())) == ["1", "2"]
    assert answer.json()["numErrors"] == 1
    assert answer.json()["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": "Could not get some CONTACT objects, they may be deleted or not exist. "
            "Check that ids are valid.",
            "context": {"ids": ["9", "x"]},
        }
    ]


def test_batch_read_finds_by_a_unique_property_only(account: Account) -> None:
    client, _ = account(contact(1, "a@example.com", hs_additional_emails="b@example.com"))
    for address in ("a@example.com", "B@Example.com"):
        body: dict[str, object] = {"idProperty": "email", "inputs": [{"id": address}]}
        assert ids(client.post(f"{CONTACTS}/batch/read", json=body).json()) == ["1"]
    answer = client.post(f"{CONTACTS}/batch/read", json={"idProperty": "lastname", "inputs": [{"id": "x"}]})
    assert answer.status_code == 400
    assert "non-unique 0-1 property lastname" in answer.json()["message"]


# Writing.


def test_batch_update_stores_strings_and_shows_what_it_wrote(account: Account) -> None:
    client, _ = account(company(21), company(22))
    answer = update(client, (21, {"numberofemployees": 12, "annualrevenue": "1200.50"}), path=COMPANIES)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "COMPLETE"
    shown = body["results"][0]["properties"]
    assert (shown["numberofemployees"], shown["annualrevenue"]) == ("12", "1200.5")
    assert "name" not in shown
    assert shown["hs_lastmodifieddate"] == body["results"][0]["updatedAt"] > "2026-11-20"


def test_results_do_not_come_in_the_order_of_the_inputs(account: Account) -> None:
    client, _ = account(contact(1), contact(2))
    answer = update(client, (1, {"jobtitle": "a"}), (2, {"jobtitle": "b"}))
    assert ids(answer.json()) == ["2", "1"]


def test_a_write_that_changes_nothing_still_counts_as_a_modification(account: Account) -> None:
    client, _ = account(contact(1, jobtitle="CEO"))
    before = client.get(f"{CONTACTS}/1").json()["updatedAt"]
    update(client, (1, {"jobtitle": "CEO"}))
    assert client.get(f"{CONTACTS}/1").json()["updatedAt"] > before


def test_a_cleared_property_reads_as_empty_and_a_never_set_one_as_null(account: Account) -> None:
    client, _ = account(contact(1, jobtitle="CEO"))
    update(client, (1, {"jobtitle": "", "city": ""}))
    assert values(client, 1, "jobtitle", "city") == {"jobtitle": "", "city": None}


def test_batch_update_answers_207_for_unknown_ids_and_writes_the_rest(account: Account) -> None:
    client, _ = account(contact(1))
    answer = update(client, (1, {"jobtitle": "CEO"}), (99, {"jobtitle": "CTO"}))
    assert answer.status_code == 207
    assert ids(answer.json()) == ["1"]
    assert answer.json()["errors"][0]["context"]["ids"] == ["99"]
    assert values(client, 1, "jobtitle") == {"jobtitle": "CEO"}


def test_one_unknown_property_refuses_the_whole_batch(account: Account) -> None:
    client, _ = account(contact(1), contact(2))
    answer = update(client, (1, {"jobtitle": "CEO"}), (2, {"nonsense": "x"}))
    assert answer.status_code == 400
    body = answer.json()
    prefix, _, results = body["message"].partition("Property values were not valid: ")
    assert prefix == ""
    assert json.loads(results) == [
        {
            "isValid": False,
            "message": 'Property "nonsense" does not exist',
            "error": "PROPERTY_DOESNT_EXIST",
            "name": "nonsense",
        }
    ]
    assert body["errors"] == [
        {
            "message": 'Property "nonsense" does not exist',
            "code": "PROPERTY_DOESNT_EXIST",
            "context": {"propertyName": ["nonsense"]},
        }
    ]
    assert body["category"] == "VALIDATION_ERROR"
    assert values(client, 1, "jobtitle") == {"jobtitle": None}


def test_trace_ids_isolate_a_bad_update_only_if_the_account_allows_it(account: Account) -> None:
    inputs = [
        {"id": "1", "properties": {"jobtitle": "CEO"}, "objectWriteTraceId": "a"},
        {"id": "2", "properties": {"nonsense": "x"}, "objectWriteTraceId": "b"},
    ]
    client, _ = account(contact(1), contact(2))
    assert client.post(f"{CONTACTS}/batch/update", json={"inputs": inputs}).status_code == 400
    client, _ = account(contact(1), contact(2), partial_updates=True)
    answer = client.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})
    assert answer.status_code == 207
    assert [r["objectWriteTraceId"] for r in answer.json()["results"]] == ["a"]
    assert answer.json()["errors"][0]["context"]["objectWriteTraceId"] == ["b"]


def test_repeated_ids_refuse_the_batch(account: Account) -> None:
    client, _ = account(contact(1))
    answer = update(client, (1, {}), (1, {}))
    assert answer.status_code == 400
    assert answer.json()["message"] == "Duplicate IDs found in batch input: [1]. IDs must be unique"
    assert answer.json()["context"] == {"ids": ["1"]}


def test_a_batch_holds_at_most_a_hundred_inputs(account: Account) -> None:
    client, _ = account()
    answer = update(client, *((number, {}) for number in range(1, 102)))
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "The maximum number of inputs supported in a batch is 100. Please reduce the number of items and try again"
    )
    assert client.post(f"{CONTACTS}/batch/update", json={"inputs": []}).status_code == 400


def test_batch_create_is_all_or_nothing_without_trace_ids(account: Account) -> None:
    client, store = account(contact(1, "taken@example.com"))
    answer = create(client, {"email": "new@example.com"}, {"email": "Taken@example.com "})
    assert answer.status_code == 409
    assert answer.json()["message"] == "Contact already exists"
    assert answer.json()["category"] == "CONFLICT"
    assert len(store.records("contacts")) == 1


def test_batch_create_with_trace_ids_answers_207_and_creates_the_rest(account: Account) -> None:
    client, store = account(contact(1, "taken@example.com"))
    fresh: dict[str, object] = {"email": "new@example.com", "firstname": "New"}
    answer = create(client, fresh, {"email": "taken@example.com"}, {"nonsense": "x"}, fresh, traced=True)
    assert answer.status_code == 207
    body = answer.json()
    (created,) = body["results"]
    assert created["objectWriteTraceId"] == "0"
    assert created["properties"]["hs_email_domain"] == "example.com"
    assert created["properties"]["hs_object_source"] == "INTEGRATION"
    errors = {error["context"]["objectWriteTraceId"][0]: error for error in body["errors"]}
    assert set(errors) == {"1", "2", "3"}
    assert errors["1"]["message"] == "Contact already exists. Existing ID: 1"
    assert errors["1"]["context"]["existingId"] == ["1"]
    assert errors["2"]["category"] == "VALIDATION_ERROR"
    assert errors["3"]["context"]["existingId"] == [created["id"]]
    assert len(store.records("contacts")) == 2


def test_a_new_record_needs_one_of_its_types_names(account: Account) -> None:
    client, _ = account()
    answer = client.post(CONTACTS, json={"properties": {"jobtitle": "CEO"}})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Error creating CONTACT. Some required properties were not set."


def test_one_record_is_created_changed_and_archived(account: Account) -> None:
    client, _ = account()
    made = client.post(COMPANIES, json={"properties": {"domain": "acme.example"}})
    assert made.status_code == 201
    number = made.json()["id"]
    assert made.headers["Location"].endswith(f"/companies/{number}")
    assert made.json()["properties"]["website"] == "acme.example"
    changed = client.patch(f"{COMPANIES}/{number}", json={"properties": {"name": "Acme"}})
    assert (changed.status_code, changed.json()["properties"]["name"]) == (200, "Acme")
    assert client.delete(f"{COMPANIES}/{number}").status_code == 204
    assert client.get(f"{COMPANIES}/{number}").status_code == 404
    assert client.patch(f"{COMPANIES}/{number}", json={"properties": {}}).status_code == 404
    assert client.delete(f"{COMPANIES}/{number}").status_code == 204


def test_batch_archive_is_204_also_for_unknown_ids(account: Account) -> None:
    client, _ = account(contact(1), contact(2))
    answer = client.post(f"{CONTACTS}/batch/archive", json={"inputs": [{"id": "1"}, {"id": "99"}]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert ids(client.get(CONTACTS).json()) == ["2"]


def test_upsert_by_a_unique_property_says_what_is_new(account: Account) -> None:
    client, _ = account(contact(1))
    define(client, "external_id", "string", "text", hasUniqueValue=True)
    update(client, (1, {"external_id": "u-1"}))
    inputs = [{"id": each, "idProperty": "external_id", "properties": {"firstname": each}} for each in ("u-1", "u-2")]
    answer = client.post(f"{CONTACTS}/batch/upsert", json={"inputs": inputs})
    assert answer.status_code == 200
    assert {r["properties"]["firstname"]: r["new"] for r in answer.json()["results"]} == {"u-1": False, "u-2": True}
    assert values(client, 1, "firstname", "external_id") == {"firstname": "u-1", "external_id": "u-1"}


def test_company_domain_is_no_key(account: Account) -> None:
    client, _ = account(company(1, domain="acme.example"), company(2, domain="acme.example"))
    inputs = [{"id": "acme.example", "idProperty": "domain", "properties": {}}]
    answer = client.post(f"{COMPANIES}/batch/upsert", json={"inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Unable to perform update/upsert by non-unique 0-2 property domain"


# Unique values.


def test_an_email_of_another_contact_is_refused_additional_ones_too(account: Account) -> None:
    client, store = account(contact(1, "a@example.com", hs_additional_emails="b@example.com"), contact(2))
    for address in ("a@example.com", "B@example.com"):
        clash = update(client, (2, {"email": address}))
        assert clash.status_code == 400
        assert clash.json()["message"] == (
            f"Cannot set PropertyValueCoordinates{{portalId={store.portal_id}, "
            "objectTypeId=ObjectTypeId{legacyObjectType=CONTACT}, propertyName=email, "
            f"value={address.lower()}}} on 2. 1 already has that value."
        )
        single = client.post(CONTACTS, json={"properties": {"email": address}})
        assert (single.status_code, single.json()["message"]) == (409, "Contact already exists. Existing ID: 1")
    assert update(client, (1, {"email": "c@example.com"})).status_code == 200
    assert update(client, (2, {"email": "a@example.com"})).status_code == 200


def test_two_inputs_of_a_batch_cannot_claim_the_same_unique_value(account: Account) -> None:
    client, _ = account(contact(1), contact(2))
    define(client, "external_id", "string", "text", hasUniqueValue=True)
    answer = update(client, (1, {"external_id": "u-1"}), (2, {"external_id": "u-1"}))
    assert answer.status_code == 400
    assert "propertyName=external_id" in answer.json()["message"]
    assert values(client, 1, "external_id") == {"external_id": None}


def test_an_archived_contacts_email_is_free_again(account: Account) -> None:
    client, _ = account(contact(1, "a@example.com"))
    client.delete(f"{CONTACTS}/1")
    assert client.post(CONTACTS, json={"properties": {"email": "a@example.com"}}).status_code == 201


# Values.


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("score", "many", "INVALID_INTEGER"),
        ("score", "nan", "INVALID_INTEGER"),
        ("seen_at", "yesterday", "INVALID_LONG"),
        ("seen_at", "2026-11-01T10:00:00", "INVALID_LONG"),
        ("seen_on", "1/11/2026", "INVALID_DATE"),
        ("lifecyclestage", "Lead", "INVALID_OPTION"),
        ("colours", "red;pink", "INVALID_OPTION"),
        ("is_active", "yes", "INVALID_OPTION"),
        ("hubspot_owner_id", "7", "INVALID_OWNER_ID"),
        ("email", "000", "INVALID_EMAIL"),
        ("hs_object_id", "12", "READ_ONLY_VALUE"),
        ("hs_email_domain", "x", "READ_ONLY_VALUE"),
        ("jobtitle", "x" * 65_537, "VALUE_TOO_LONG"),
        ("jobtitle", ["x"], "INVALID_TYPE"),
        ("jobtitle", None, "INVALID_TYPE"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(account: Account, name: str, value: object, code: str) -> None:
    client, _ = account(contact(1))
    _define_all(client)
    answer = update(client, (1, {name: value}))
    assert answer.status_code == 400
    assert codes(answer) == [code]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("score", 0, "0"),
        ("score", "12.0", "12"),
        ("score", "-3.50", "-3.5"),
        ("score", "1e3", "1000"),
        ("seen_at", "2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00Z"),
        ("seen_at", "1793520000123", "2026-11-01T08:00:00.123Z"),
        ("seen_at", 1793520000000, "2026-11-01T08:00:00Z"),
        ("seen_on", "2026-11-01", "2026-11-01"),
        ("seen_on", "1793491200000", "2026-11-01"),
        ("is_active", True, "true"),
        ("is_active", "FALSE", "false"),
        ("colours", "red;green", "red;green"),
        ("colours", ";green;red", "blue;green;red"),
        ("hubspot_owner_id", "71", "71"),
        ("email", " New@Example.COM", "new@example.com"),
        ("jobtitle", "Größe 🚀 日本", "Größe 🚀 日本"),
    ],
)
def test_a_value_that_fits_is_stored_in_one_spelling(account: Account, name: str, value: object, stored: str) -> None:
    client, _ = account(contact(1))
    _define_all(client)
    update(client, (1, {"colours": "blue"}))
    answer = update(client, (1, {name: value}))
    assert answer.status_code == 200, answer.text
    assert values(client, 1, name) == {name: stored}
    assert "warnings" not in answer.json()["results"][0]


def _define_all(client: httpx.Client) -> None:
    define(client, "score", "number", "number")
    define(client, "seen_at", "datetime", "date")
    define(client, "seen_on", "date", "date")
    define(client, "is_active", "bool", "booleancheckbox", options=_options("true", "false"))
    define(client, "colours", "enumeration", "checkbox", options=_options("red", "green", "blue"))


def _options(*names: str) -> list[dict[str, object]]:
    return [{"label": name, "value": name, "displayOrder": order} for order, name in enumerate(names)]


def test_a_date_off_midnight_is_cut_with_a_warning_since_2026_09_and_refused_before(account: Account) -> None:
    client, _ = account(contact(1))
    define(client, "seen_on", "date", "date")
    for older in ("/crm/objects/2026-03/contacts", "/crm/v3/objects/contacts"):
        refused = update(client, (1, {"seen_on": "1793520000000"}), path=older)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["message"] == "1793520000000 is at 08:00:00 UTC, not midnight!"
    answer = update(client, (1, {"seen_on": "1793520000000"}))
    assert answer.status_code == 200
    (warning,) = answer.json()["results"][0]["warnings"]
    assert warning["category"] == "PROPERTY_VALUE_NORMALIZED"
    assert warning["context"] == {
        "propertyName": ["seen_on"],
        "rawValue": ["1793520000000"],
        "normalizedValue": ["2026-11-01"],
    }
    assert values(client, 1, "seen_on") == {"seen_on": "2026-11-01"}


def test_the_lifecycle_stage_moves_only_forward_unless_cleared_first(account: Account) -> None:
    client, store = account(contact(1, lifecyclestage="customer"))
    assert update(client, (1, {"lifecyclestage": "lead"})).status_code == 200
    assert values(client, 1, "lifecyclestage") == {"lifecyclestage": "customer"}
    update(client, (1, {"lifecyclestage": ""}))
    update(client, (1, {"lifecyclestage": "lead"}))
    assert values(client, 1, "lifecyclestage") == {"lifecyclestage": "lead"}
    store.edit("contacts", "1", {"lifecyclestage": "subscriber"})
    assert values(client, 1, "lifecyclestage") == {"lifecyclestage": "subscriber"}


def test_history_tells_our_writes_from_a_persons(account: Account) -> None:
    client, store = account(contact(1, jobtitle="CEO"))
    update(client, (1, {"jobtitle": "CTO"}))
    update(client, (1, {"jobtitle": "CTO"}))
    store.edit("contacts", "1", {"jobtitle": "CFO"})
    read = {"propertiesWithHistory": ["jobtitle", "city"], "inputs": [{"id": "1"}]}
    for shown in (
        client.get(f"{CONTACTS}/1", params={"propertiesWithHistory": "jobtitle,city"}).json(),
        client.get(CONTACTS, params={"propertiesWithHistory": "jobtitle,city"}).json()["results"][0],
        client.post(f"{CONTACTS}/batch/read", json=read).json()["results"][0],
    ):
        history = shown["propertiesWithHistory"]
        assert [(each["value"], each["sourceType"]) for each in history["jobtitle"]] == [
            ("CFO", "CRM_UI"),
            ("CTO", "INTEGRATION"),
            ("CEO", "IMPORT"),
        ]
        assert history["jobtitle"][0]["updatedByUserId"] == int(history["jobtitle"][0]["sourceId"].split(":")[1])
        assert history["city"] == []


# Search.


def test_search_finds_what_was_modified_since_and_pages(account: Account) -> None:
    client, _ = account(*(contact(number) for number in range(1, 8)))
    since = str(int((BORN + timedelta(minutes=3)).timestamp() * 1000))
    rules = (
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": since},
        {"propertyName": "hs_object_id", "operator": "GTE", "value": "4"},
    )
    sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    first = find(client, *rules, sorts=sorts, limit="3")
    assert (first["total"], ids(first), first["paging"]) == (4, ["4", "5", "6"], {"next": {"after": "3"}})
    second = find(client, *rules, sorts=sorts, limit=3, after="3")
    assert (ids(second), "paging" in second) == (["7"], False)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"propertyName": "email", "operator": "EQ", "value": "A@EXAMPLE.COM"}, ["1"]),
        ({"propertyName": "email", "operator": "NEQ", "value": "a@example.com"}, ["2"]),
        ({"propertyName": "email", "operator": "IN", "values": ["a@example.com", "b@other.example"]}, ["1", "2"]),
        ({"propertyName": "email", "operator": "IN", "values": ["A@example.com"]}, []),
        ({"propertyName": "email", "operator": "NOT_IN", "values": ["a@example.com"]}, ["2"]),
        ({"propertyName": "email", "operator": "HAS_PROPERTY"}, ["1", "2"]),
        ({"propertyName": "email", "operator": "NOT_HAS_PROPERTY"}, ["3"]),
        ({"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "*@other.example"}, ["2"]),
        ({"propertyName": "jobtitle", "operator": "CONTAINS_TOKEN", "value": "Sales"}, ["2"]),
        ({"propertyName": "jobtitle", "operator": "NOT_CONTAINS_TOKEN", "value": "sales"}, ["1"]),
        ({"propertyName": "lifecyclestage", "operator": "EQ", "value": "customer"}, ["2"]),
        ({"propertyName": "lifecyclestage", "operator": "EQ", "value": "Customer"}, []),
        ({"propertyName": "createdate", "operator": "LT", "value": "2026-01-05T09:00:01Z"}, ["1", "2", "3"]),
        ({"propertyName": "hs_object_id", "operator": "BETWEEN", "value": 2, "highValue": 3}, ["2", "3"]),
        ({"propertyName": "hs_object_id", "operator": "GT", "value": "2"}, ["3"]),
        ({"propertyName": "hs_object_id", "operator": "LTE", "value": "2"}, ["1", "2"]),
    ],
)
def test_each_operator_finds_what_it_should(account: Account, rule: dict[str, object], expected: list[str]) -> None:
    client, _ = account(
        contact(1, "a@example.com", jobtitle="Buyer"),
        contact(2, "b@other.example", jobtitle="VP Sales", lifecyclestage="customer"),
        contact(3),
    )
    assert ids(find(client, rule)) == expected


def test_search_sorts_with_empty_values_last_and_looks_in_text(account: Account) -> None:
    client, _ = account(contact(1, "b@example.com"), contact(2), contact(3, "a@example.com"))
    assert ids(find(client, sorts=[{"propertyName": "email", "direction": "DESCENDING"}])) == ["1", "3", "2"]
    assert ids(find(client, sorts=["email"])) == ["3", "1", "2"]
    assert ids(find(client, query="first3 exam")) == ["3"]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "x"},
        {"after": "9801", "limit": 200},
        {"query": "x" * 3000},
        {"sorts": [{"propertyName": "email"}, {"propertyName": "firstname"}]},
        {"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "HAS_PROPERTY"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "LIKE", "value": "x"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": "x"}]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 7}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 5}] * 4},
    ],
)
def test_search_refuses_what_hubspot_refuses(account: Account, body: dict[str, object]) -> None:
    client, _ = account(contact(1))
    answer = client.post(f"{CONTACTS}/search", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_search_ends_at_ten_thousand_results_and_says_how_many_there_are(account: Account) -> None:
    client, _ = account(*(contact(number) for number in range(1, 10_202)))
    last = find(client, limit=200, after="9800")
    assert (last["total"], last["paging"]) == (10_201, {"next": {"after": "10000"}})
    assert client.post(f"{CONTACTS}/search", json={"limit": 200, "after": "10000"}).status_code == 400


def test_search_lags_in_matching_but_shows_todays_values(account: Account, clock: Clock) -> None:
    client, _ = account(contact(1, "old@example.com"), contact(2), index_lag=3600)
    update(client, (1, {"email": "new@example.com"}))
    create(client, {"email": "third@example.com"})
    client.delete(f"{CONTACTS}/2")

    def by_email(address: str) -> dict[str, Any]:
        rule = {"propertyName": "email", "operator": "EQ", "value": address}
        return find(client, rule, properties=["email"])

    assert by_email("old@example.com")["results"][0]["properties"]["email"] == "new@example.com"
    assert by_email("new@example.com")["total"] == 0
    assert by_email("third@example.com")["total"] == 0
    archived = find(client, {"propertyName": "hs_object_id", "operator": "EQ", "value": "2"})
    assert (archived["total"], archived["results"]) == (1, [])
    clock.advance(1)
    assert by_email("old@example.com")["total"] == 0
    assert ids(by_email("new@example.com")) == ["1"]
    assert by_email("third@example.com")["total"] == 1
    assert find(client, {"propertyName": "hs_object_id", "operator": "EQ", "value": "2"})["total"] == 0


# Merges.


def test_a_merge_makes_a_new_record_that_both_old_ids_lead_to(account: Account) -> None:
    client, _ = account(
        contact(1, "a@example.com", lifecyclestage="lead"),
        contact(2, "b@example.com", hs_additional_emails="c@example.com", jobtitle="CEO", lifecyclestage="customer"),
    )
    merged = client.post(f"{CONTACTS}/merge", json={"primaryObjectId": "1", "objectIdToMerge": "2"})
    assert merged.status_code == 200
    new = merged.json()["id"]
    assert new not in {"1", "2"}
    for old in ("1", "2"):
        shown = client.get(f"{CONTACTS}/{old}", params={"properties": "hs_merged_object_ids"}).json()
        assert (shown["id"], shown["properties"]["hs_merged_object_ids"]) == (new, "1;2")
    assert values(client, new, "email", "hs_additional_emails", "firstname", "jobtitle", "lifecyclestage") == {
        "email": "a@example.com",
        "hs_additional_emails": "b@example.com;c@example.com",
        "firstname": "First1",
        "jobtitle": "CEO",
        "lifecyclestage": "customer",
    }
    assert ids(client.get(CONTACTS).json()) == [new]
    assert client.get(CONTACTS, params={"archived": "true"}).json()["results"] == []
    assert ids(find(client)) == [new]


def test_a_merged_id_works_for_one_record_and_not_in_a_batch(account: Account) -> None:
    client, store = account(contact(1), contact(2), contact(3))
    first = store.merge("contacts", "1", "2")
    new = store.merge("contacts", "3", first)
    assert client.patch(f"{CONTACTS}/1", json={"properties": {"jobtitle": "CEO"}}).json()["id"] == new
    assert values(client, new, "hs_merged_object_ids") == {"hs_merged_object_ids": f"3;1;2;{first}"}
    answer = update(client, (1, {"jobtitle": "x"}))
    assert (answer.status_code, answer.json()["errors"][0]["context"]["ids"]) == (207, ["1"])
    again = client.post(f"{CONTACTS}/merge", json={"primaryObjectId": new, "objectIdToMerge": "1"})
    assert again.status_code == 400


def test_a_person_can_edit_merge_and_delete_and_gets_a_key_error_for_the_unknown(account: Account) -> None:
    _, store = account(contact(1), contact(2))
    for call in (
        lambda: store.edit("contacts", "9", {}),
        lambda: store.merge("contacts", "1", "9"),
        lambda: store.delete("butterflies", "1"),
        lambda: store.records("butterflies"),
    ):
        with pytest.raises(KeyError):
            call()
    with pytest.raises(ValueError, match="does not exist"):
        store.edit("contacts", "1", {"nonsense": "x"})
    with pytest.raises(ValueError, match="itself"):
        store.merge("contacts", "1", "1")
    store.edit("contacts", "1", {"jobtitle": "CEO", "firstname": None})
    store.delete("contacts", "2")
    first, second = store.records("contacts")
    assert isinstance(first["properties"], dict)
    assert (first["properties"]["jobtitle"], first["properties"]["firstname"]) == ("CEO", "")
    assert (first["archived"], second["archived"]) == (False, True)


def test_gdpr_delete_leaves_nothing(account: Account) -> None:
    client, store = account(contact(1, "a@example.com"))
    body = {"objectId": "a@example.com", "idProperty": "email"}
    assert client.post(f"{CONTACTS}/gdpr-delete", json=body).status_code == 204
    assert store.records("contacts") == []


# Definitions.


def test_a_property_has_the_recorded_shape(account: Account) -> None:
    client, _ = account()
    body = {
        "name": "usage_active_days_30d",
        "label": "Active days (30d)",
        "type": "number",
        "fieldType": "number",
        "groupName": "contactinformation",
        "description": "Days",
        "numberDisplayHint": "formatted",
    }
    made = client.post(PROPERTIES, json=body)
    assert made.status_code == 201
    assert made.headers["Location"].endswith("/contacts/usage_active_days_30d")
    shown = made.json()
    assert {key: shown[key] for key in body} == body
    assert shown["modificationMetadata"] == {
        "archivable": True,
        "readOnlyDefinition": False,
        "readOnlyValue": False,
    }
    assert (shown["hasUniqueValue"], shown["calculated"], shown["options"]) == (False, False, [])
    assert client.get(f"{PROPERTIES}/usage_active_days_30d").json() == shown
    assert shown in client.get(PROPERTIES).json()["results"]


def test_the_account_has_hubspots_own_properties_and_the_worlds(account: Account) -> None:
    client, _ = account()
    contacts = {p["name"]: p for p in client.get(PROPERTIES).json()["results"]}
    assert {"email", "hs_additional_emails", "hs_email_domain", "createdate", "hs_merged_object_ids"} <= set(contacts)
    assert contacts["lastmodifieddate"]["modificationMetadata"]["readOnlyValue"] is True
    assert contacts["hubspot_owner_id"]["referencedObjectType"] == "OWNER"
    companies = client.get("/crm/properties/2026-09/companies").json()["results"]
    (custom,) = [p for p in companies if p["name"] == "product_account_id"]
    assert (custom["type"], "hubspotDefined" in custom) == ("string", False)


def test_batch_create_of_properties_names_those_that_exist(account: Account) -> None:
    client, _ = account()
    new = {"label": "X", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    body = {"inputs": [{**new, "name": "x"}, {**new, "name": "email"}]}
    answer = client.post(f"{PROPERTIES}/batch/create", json=body)
    assert answer.status_code == 207
    assert [p["name"] for p in answer.json()["results"]] == ["x"]
    assert answer.json()["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_ALREADY_EXISTS",
            "subCategory": "Properties.PROPERTY_WITH_NAME_EXISTS",
            "message": "A property named 'email' already exists.",
            "context": {"name": ["email"]},
        }
    ]
    assert client.post(PROPERTIES, json={**new, "name": "x"}).status_code == 409
    again = client.post(f"{PROPERTIES}/batch/create", json={"inputs": [{**new, "name": "y"}]})
    assert again.status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Usage"},
        {"name": "1st"},
        {"groupName": "nowhere"},
        {"type": "integer"},
        {"fieldType": "date"},
        {"label": ""},
        {"type": "enumeration", "fieldType": "select"},
        {"type": "bool", "fieldType": "booleancheckbox"},
        {"type": "enumeration", "fieldType": "select", "options": [{"label": "A", "value": "a"}]},
    ],
)
def test_a_definition_that_does_not_fit_is_refused(account: Account, wrong: dict[str, object]) -> None:
    client, _ = account()
    good = {"name": "x", "label": "X", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
    answer = client.post(PROPERTIES, json={**good, **wrong})
    assert answer.status_code == 400
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_an_archived_property_comes_back_with_its_values(account: Account) -> None:
    client, _ = account(contact(1))
    define(client, "score", "number", "number")
    update(client, (1, {"score": "5"}))
    assert client.delete(f"{PROPERTIES}/score").status_code == 204
    assert client.delete(f"{PROPERTIES}/score").status_code == 404
    assert client.get(f"{PROPERTIES}/score").status_code == 404
    assert client.get(f"{PROPERTIES}/score", params={"archived": "true"}).status_code == 200
    assert codes(update(client, (1, {"score": "6"}))) == ["PROPERTY_DOESNT_EXIST"]
    define(client, "score", "number", "number")
    assert values(client, 1, "score") == {"score": "5"}


def test_a_definition_changes_but_not_its_name_nor_uniqueness(account: Account) -> None:
    client, _ = account()
    define(client, "colour", "enumeration", "select", options=_options("red"))
    answer = client.patch(
        f"{PROPERTIES}/colour",
        json={"label": "Colour", "name": "other", "hasUniqueValue": True, "options": _options("blue")},
    )
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["name"], shown["label"], shown["hasUniqueValue"]) == ("colour", "Colour", False)
    assert [option["value"] for option in shown["options"]] == ["blue"]
    assert client.patch(f"{PROPERTIES}/email", json={"label": "x"}).status_code == 400


def test_groups_are_made_once_and_kept_while_in_use(account: Account) -> None:
    client, _ = account()
    made = client.post(f"{PROPERTIES}/groups", json={"name": "usage", "label": "Usage"})
    assert made.status_code == 201
    assert made.json() == {"name": "usage", "label": "Usage", "displayOrder": 3, "archived": False}
    again = client.post(f"{PROPERTIES}/groups", json={"name": "usage", "label": "Usage"})
    assert (again.status_code, again.json()["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert made.json() in client.get(f"{PROPERTIES}/groups").json()["results"]
    define(client, "score", "number", "number", groupName="usage")
    kept = client.delete(f"{PROPERTIES}/groups/usage")
    assert kept.json()["subCategory"] == "PropertyGroupError.GROUP_WITH_ACTIVE_PROPERTIES"
    client.delete(f"{PROPERTIES}/score")
    assert client.delete(f"{PROPERTIES}/groups/usage").status_code == 204
    assert client.get(f"{PROPERTIES}/groups/usage").status_code == 404


# The account.


NAMES = [
    *("inputs", "id", "properties", "idProperty", "objectWriteTraceId", "filterGroups", "filters", "sorts"),
    *("propertyName", "operator", "value", "values", "highValue", "direction", "limit", "after", "query", "name"),
    *("label", "type", "fieldType", "groupName", "options", "displayOrder", "primaryObjectId", "objectIdToMerge"),
    *("objectId", "email", "jobtitle", "hs_object_id", "lifecyclestage", "propertiesWithHistory"),
]
WORDS = [
    "1",
    "2",
    "email",
    "EQ",
    "IN",
    "GTE",
    "BETWEEN",
    "CONTAINS_TOKEN",
    "contactinformation",
    "number",
    "enumeration",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "path",
    [
        *(CONTACTS, f"{CONTACTS}/search", f"{CONTACTS}/merge", f"{CONTACTS}/gdpr-delete"),
        *(f"{CONTACTS}/batch/{verb}" for verb in ("read", "create", "update", "upsert", "archive")),
        *(PROPERTIES, f"{PROPERTIES}/groups", f"{PROPERTIES}/batch/create", f"{PROPERTIES}/batch/archive"),
    ],
)
def test_no_body_makes_the_sandbox_fail(account: Account, path: str) -> None:
    client, _ = account(*(contact(number, f"{number}@example.com") for number in range(1, 4)))

    @settings(max_examples=25, derandomize=True, deadline=None)
    @given(body=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
    def answered(body: dict[str, object]) -> None:
        answer = client.post(path, json=body)
        assert answer.status_code < 500

    answered()


def test_owners_are_listed_active_and_deactivated_apart(account: Account) -> None:
    client, _ = account()
    active = client.get("/crm/owners/2026-09").json()
    assert ids(active) == ["71", "72"]
    assert active["results"][0] == {
        "id": "71",
        "email": "rep71@seller.example",
        "type": "PERSON",
        "firstName": "Rep",
        "lastName": "71",
        "userId": 7,
        "userIdIncludingInactive": 7,
        "createdAt": "2026-01-05T09:00:00Z",
        "updatedAt": "2026-01-05T09:00:00Z",
        "archived": False,
    }
    (gone,) = client.get("/crm/owners/2026-09", params={"archived": "true"}).json()["results"]
    assert (gone["id"], gone["userId"], gone["userIdIncludingInactive"]) == ("73", None, 7)
    assert ids(client.get("/crm/v3/owners", params={"email": "rep72@seller.example"}).json()) == ["72"]
    page = client.get("/crm/owners/2026-09", params={"limit": 1}).json()
    assert ids(client.get("/crm/owners/2026-09", params=page["paging"]["next"]).json()) == ["72"]


def test_the_account_tells_its_time_zone_and_its_usage(account: Account) -> None:
    client, store = account()
    details = client.get("/account-info/2026-09/details").json()
    assert (details["portalId"], details["timeZone"]) == (store.portal_id, "America/New_York")
    assert (details["utcOffset"], details["utcOffsetMilliseconds"]) == ("-05:00", -18_000_000)
    (usage,) = client.get("/account-info/2026-09/api-usage/daily/private-apps").json()["results"]
    assert usage["name"] == "private-apps-api-calls-daily"
    assert (usage["usageLimit"], usage["currentUsage"]) == (1_000_000, 2)
    assert usage["resetsAt"] == "2026-11-21T05:00:00Z"


# Limits.


def test_more_than_the_burst_is_refused_and_says_so_in_headers(account: Account, clock: Clock) -> None:
    client, _ = account(limits=Limits(burst=2))
    first = client.get(CONTACTS)
    assert {name: first.headers[f"X-HubSpot-RateLimit-{name}"] for name in ("Daily", "Daily-Remaining", "Max")} == {
        "Daily": "1000000",
        "Daily-Remaining": "999999",
        "Max": "2",
    }
    assert first.headers["X-HubSpot-RateLimit-Remaining"] == "1"
    assert first.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    client.get(CONTACTS)
    refused = client.get(CONTACTS)
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert refused.json()["message"] == "You have reached your ten_secondly_rolling limit."
    assert (refused.json()["errorType"], refused.json()["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    clock.advance(1)
    assert client.get(CONTACTS).status_code == 200


def test_search_has_its_own_limit_and_only_the_daily_headers(account: Account) -> None:
    client, _ = account(limits=Limits(burst=1, search=1))
    client.get(CONTACTS)
    answers = [client.post(f"{CONTACTS}/search", json={}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    for answer in answers:
        limits = {name for name in answer.headers if "ratelimit" in name}
        assert limits == {"x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"}
    body = answers[1].json()
    assert (body["message"], body["category"]) == ("You have reached your secondly limit.", "RATE_LIMITS")
    assert set(body) == {"status", "message", "category", "correlationId"}


def test_the_daily_limit_lasts_until_midnight_of_the_account(account: Account, clock: Clock) -> None:
    client, _ = account(limits=Limits(daily=1))
    client.get(CONTACTS)
    refused = client.get(CONTACTS)
    assert refused.status_code == 429
    assert refused.json()["message"] == "You have reached your daily limit."
    assert (refused.json()["errorType"], refused.json()["policyName"]) == ("RATE_LIMIT", "DAILY")
    clock.advance(1)
    assert client.get(CONTACTS).status_code == 200


def test_what_an_admin_wants_filled_is_enforced_since_2026_09(account: Account) -> None:
    client, store = account(contact(101, "a@x.example", lifecyclestage="lead"))
    store.require("contacts", "jobtitle")
    store.require("contacts", "phone", condition="lifecyclestage", value="customer")
    refused = client.post(CONTACTS, json={"properties": {"firstname": "New"}})
    assert refused.json()["message"] == "The property values provided are invalid"
    assert refused.json()["errors"] == [
        {
            "message": "A value for jobtitle must be provided",
            "code": "MISSING_REQUIRED_PROPERTY",
            "context": {"propertyName": ["jobtitle"]},
        }
    ]
    assert update(client, (101, {"firstname": "A"})).status_code == 200
    conditional = update(client, (101, {"lifecyclestage": "customer"}))
    assert codes(conditional) == ["MISSING_CONDITIONAL_REQUIRED_PROPERTY"]
    assert conditional.json()["errors"][0]["message"] == (
        "phone is required because of a conditional property rule based on [lifecyclestage]"
    )
    assert update(client, (101, {"lifecyclestage": "customer", "phone": "1"})).status_code == 200
    old = client.post("/crm/v3/objects/contacts", json={"properties": {"firstname": "New"}})
    assert old.status_code == 201
    with pytest.raises(KeyError, match="no property nope"):
        store.require("contacts", "nope")


def test_two_hundred_calls_at_once_lose_nothing(account: Account) -> None:
    client, store = account(*(contact(number) for number in range(101, 201)))
    headers = dict(client.headers)

    async def drive() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=client.base_url, headers=headers, timeout=60) as at_once:
            made = [
                at_once.post(CONTACTS, json={"properties": {"email": f"new{number}@x.example"}})
                for number in range(100)
            ]
            same = [at_once.post(CONTACTS, json={"properties": {"email": "one@x.example"}}) for _ in range(10)]
            changed = [
                at_once.patch(f"{CONTACTS}/{number}", json={"properties": {"jobtitle": str(number)}})
                for number in range(101, 191)
            ]
            return await asyncio.gather(*made, *same, *changed)

    answers = asyncio.run(drive())
    assert Counter(answer.status_code for answer in answers) == {201: 101, 409: 9, 200: 90}
    kept: dict[str, Any] = {str(record["id"]): record["properties"] for record in store.records("contacts")}
    assert len(kept) == 201
    assert [kept[str(number)]["jobtitle"] for number in range(101, 191)] == [str(n) for n in range(101, 191)]


def test_a_record_is_restored_with_its_values_unless_somebody_has_them_now(account: Account) -> None:
    client, store = account(contact(1, "a@example.com", city="Ulm"), contact(2, "b@example.com"))
    store.delete("contacts", "1")
    store.restore("contacts", "1")
    shown = client.get(f"{CONTACTS}/1", params={"properties": "city,email"}).json()
    assert (shown["archived"], shown["properties"]["city"]) == (False, "Ulm")
    assert [one["id"] for one in client.get(CONTACTS).json()["results"]] == ["1", "2"]
    store.delete("contacts", "1")
    assert update(client, (2, {"email": "a@example.com"})).status_code == 200
    before = store.records("contacts")
    with pytest.raises(ValueError, match=r"contact 2 has a@example\.com now"):
        store.restore("contacts", "1")
    with pytest.raises(KeyError):
        store.restore("contacts", "2")
    assert store.records("contacts") == before


def test_a_refused_batch_leaves_nothing_half_done(account: Account) -> None:
    client, store = account(contact(1, "a@example.com"), contact(2, "b@example.com"), contact(3, "c@example.com"))
    before = store.records("contacts")
    refused = update(client, (1, {"email": "new@example.com", "city": "Ulm"}), (2, {"hs_lead_status": "NO_SUCH"}))
    assert refused.status_code == 400
    clashing = update(client, (1, {"email": "x@example.com"}), (2, {"email": "c@example.com"}))
    assert clashing.status_code == 400
    inputs = [{"properties": {"email": email}} for email in ("fresh@example.com", "c@example.com")]
    assert client.post(f"{CONTACTS}/batch/create", json={"inputs": inputs}).status_code == 409
    assert store.records("contacts") == before
    history = client.get(f"{CONTACTS}/1", params={"propertiesWithHistory": "email"}).json()["propertiesWithHistory"]
    assert [one["value"] for one in history["email"]] == ["a@example.com"]
    # What the refused batches claimed is free.
    assert update(client, (3, {"email": "fresh@example.com"}), (2, {"email": "new@example.com"})).status_code == 200
