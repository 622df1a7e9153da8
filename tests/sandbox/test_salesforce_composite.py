"""Several requests in one: composite and batch of the Salesforce sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import ACME, ANA, DATA, Salesforce


def _part(method: str, path: str, reference: str = "ref", **rest: object) -> dict[str, object]:
    return {"method": method, "url": f"{DATA}{path}", "referenceId": reference, **rest}


def _composite(salesforce: Salesforce, *parts: dict[str, object], all_or_none: bool = False) -> list[dict[str, Any]]:
    body = {"allOrNone": all_or_none, "compositeRequest": parts}
    answer = salesforce.client.post(f"{DATA}/composite", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["compositeResponse"]
    return found


def test_parts_refer_to_what_earlier_ones_answered(salesforce: Salesforce) -> None:
    query = "/query?q=SELECT+Id,Name+FROM+Account+WHERE+Name='New'"
    child = {"LastName": "of @{found.records[0].Name}", "AccountId": "@{account.id}"}
    made, found, contact, changed = _composite(
        salesforce,
        _part("POST", "/sobjects/Account", "account", body={"Name": "New"}),
        _part("GET", query, "found"),
        _part("POST", "/sobjects/Contact", "c", body=child),
        _part("PATCH", "/sobjects/Contact/@{c.id}", "d", body={"Title": "CEO"}),
    )
    account_id = made["body"]["id"]
    assert made == {
        "body": {"id": account_id, "success": True, "errors": []},
        "httpHeaders": {"Location": f"{DATA}/sobjects/Account/{account_id}"},
        "httpStatusCode": 201,
        "referenceId": "account",
    }
    assert found["body"]["records"][0]["Id"] == account_id
    assert (changed["httpStatusCode"], changed["body"]) == (204, None)
    read = salesforce.read("Contact", contact["body"]["id"])
    assert (read["LastName"], read["AccountId"], read["Title"]) == ("of New", account_id, "CEO")


def test_a_composite_is_one_call_and_its_parts_fail_alone(salesforce: Salesforce) -> None:
    first, lost, later, quoted, wrong = _composite(
        salesforce,
        _part("PATCH", f"/sobjects/Contact/{ANA}", "a", body={"Title": "CEO"}),
        _part("GET", "/sobjects/Foo", "b"),
        _part("GET", "/sobjects/Contact/@{b.id}", "c"),
        _part("GET", "/sobjects/@{b[0].errorCode}", "e"),
        _part("PUT", "/limits", "d"),
    )
    assert first["httpStatusCode"] == 204
    assert (lost["httpStatusCode"], lost["body"]) == (
        404,
        [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}],
    )
    assert (later["httpStatusCode"], later["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert (quoted["httpStatusCode"], quoted["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert (wrong["httpStatusCode"], wrong["body"][0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")
    assert salesforce.read("Contact", ANA)["Title"] == "CEO"
    assert salesforce.client.get(f"{DATA}/limits").headers["Sforce-Limit-Info"] == "api-usage=3/100000"


def test_all_or_none_undoes_collections_inside_too(salesforce: Salesforce) -> None:
    rows = {"records": [{"attributes": {"type": "Contact"}, "id": ANA, "Title": "CTO"}]}
    halted, failed = _composite(
        salesforce,
        _part("PATCH", "/composite/sobjects", "a", body=rows),
        _part("POST", "/sobjects/Contact", "b", body={"FirstName": "No"}),
        all_or_none=True,
    )
    assert halted["body"] == [
        {
            "errorCode": "PROCESSING_HALTED",
            "message": "The transaction was rolled back since another operation in the same transaction failed.",
        }
    ]
    assert (halted["httpStatusCode"], failed["body"][0]["errorCode"]) == (400, "REQUIRED_FIELD_MISSING")
    assert salesforce.read("Contact", ANA)["Title"] is None


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "JSON_PARSER_ERROR"),
        ([_part("GET", "/limits", str(n)) for n in range(26)], "LIMIT_EXCEEDED"),
        ([_part("GET", "/query?q=SELECT+Id+FROM+Contact", str(n)) for n in range(6)], "LIMIT_EXCEEDED"),
        ([_part("GET", "/limits", "a"), _part("GET", "/limits", "a")], "INVALID_INPUT"),
        ([_part("GET", "/limits", "a-b")], "INVALID_INPUT"),
    ],
)
def test_a_composite_has_limits(salesforce: Salesforce, parts: list[dict[str, object]], code: str) -> None:
    answer = salesforce.client.post(f"{DATA}/composite", json={"compositeRequest": parts})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_some_resources_are_no_parts(salesforce: Salesforce) -> None:
    (answer,) = _composite(salesforce, _part("GET", "/jobs/ingest"))
    assert answer["httpStatusCode"] == 404


def test_each_part_of_a_batch_counts(salesforce: Salesforce) -> None:
    parts = [
        {"method": "PATCH", "url": f"v66.0/sobjects/Account/{ACME}", "richInput": {"Site": "HQ"}},
        {"method": "GET", "url": f"v66.0/sobjects/Account/{ACME}?fields=Site"},
        {"method": "GET", "url": "v66.0/sobjects/Foo"},
    ]
    body = salesforce.client.post(f"{DATA}/composite/batch", json={"batchRequests": parts}).json()
    assert body["hasErrors"] is True
    assert [one["statusCode"] for one in body["results"]] == [204, 200, 404]
    assert body["results"][1]["result"]["Site"] == "HQ"
    assert salesforce.client.get(f"{DATA}/limits").headers["Sforce-Limit-Info"] == "api-usage=5/100000"


def test_a_batch_may_stop_at_the_first_error(salesforce: Salesforce) -> None:
    parts = [{"method": "GET", "url": f"v66.0/{path}"} for path in ("limits", "sobjects/Foo", "limits")]
    body = {"batchRequests": parts, "haltOnError": True}
    results = salesforce.client.post(f"{DATA}/composite/batch", json=body).json()["results"]
    assert [one["statusCode"] for one in results] == [200, 404, 412]
    assert results[2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
