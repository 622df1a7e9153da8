"""Bulk API 2.0 of the Salesforce sandbox, through real HTTP."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from sandbox.salesforce import jobs
from sandbox.salesforce.ids import make_id
from tests.sandbox.conftest import ACME, ANA, BEN, DATA, GLOBEX, Salesforce

INGEST, QUERY = f"{DATA}/jobs/ingest", f"{DATA}/jobs/query"


def _make(salesforce: Salesforce, **spec: object) -> dict[str, Any]:
    answer = salesforce.client.post(INGEST, json={"object": "Contact", "contentType": "CSV", **spec})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _upload(salesforce: Salesforce, job_id: str, data: str) -> None:
    headers = {"Content-Type": "text/csv"}
    assert salesforce.client.put(f"{INGEST}/{job_id}/batches", content=data, headers=headers).status_code == 201
    closed = salesforce.client.patch(f"{INGEST}/{job_id}", json={"state": "UploadComplete"})
    assert closed.json()["state"] == "UploadComplete"


def _wait(salesforce: Salesforce, job_id: str) -> dict[str, Any]:
    for _ in range(9):
        info: dict[str, Any] = salesforce.client.get(f"{INGEST}/{job_id}").json()
        if info["state"] in ("JobComplete", "Failed", "Aborted"):
            return info
    raise AssertionError(info)


def _run(salesforce: Salesforce, data: str, **spec: object) -> dict[str, Any]:
    job_id = _make(salesforce, **spec)["id"]
    _upload(salesforce, job_id, data)
    return _wait(salesforce, job_id)


def _results(salesforce: Salesforce, job_id: str, kind: str) -> list[dict[str, str]]:
    answer = salesforce.client.get(f"{INGEST}/{job_id}/{kind}/")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def _errors(salesforce: Salesforce, job_id: str) -> list[str]:
    return [row["sf__Error"] for row in _results(salesforce, job_id, "failedResults")]


# --- the life of a job ------------------------------------------------------------------------


def test_a_job_goes_from_open_to_complete_and_tells_what_the_vendor_tells(salesforce: Salesforce) -> None:
    made = _make(salesforce, operation="insert")
    assert made["contentUrl"] == f"services/data/v66.0/jobs/ingest/{made['id']}/batches"
    assert list(made) == [
        "id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state", "concurrencyMode",
        "contentType", "apiVersion", "contentUrl", "lineEnding", "columnDelimiter",
    ]  # fmt: skip
    assert (made["state"], made["apiVersion"], made["lineEnding"]) == ("Open", 66.0, "LF")
    _upload(salesforce, made["id"], "LastName\nZoë\n")
    address = f"{INGEST}/{made['id']}"
    first, second = (salesforce.client.get(address).json() for _ in range(2))
    assert (first["state"], first["numberRecordsProcessed"]) == ("InProgress", 0)
    assert (second["state"], second["numberRecordsProcessed"]) == ("JobComplete", 1)
    assert second["jobType"] == "V2Ingest"
    (done,) = _results(salesforce, made["id"], "successfulResults")
    assert done["sf__Created"] == "true"
    assert salesforce.read("Contact", done["sf__Id"])["LastName"] == "Zoë"
    assert salesforce.client.delete(address).status_code == 204
    assert salesforce.client.get(address).status_code == 404


def test_jobs_are_listed_and_kept_for_seven_days(salesforce: Salesforce) -> None:
    made = _make(salesforce, operation="insert")
    assert [one["id"] for one in salesforce.client.get(INGEST).json()["records"]] == [made["id"]]
    salesforce.clock.advance(7)
    salesforce.log_in_again()
    assert salesforce.client.get(f"{INGEST}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("spec", "status", "code"),
    [
        ({"operation": "hardDelete"}, 400, "FEATURENOTENABLED"),
        ({"operation": "merge"}, 400, "INVALIDOPERATION"),
        ({"operation": "insert", "object": "Nothing"}, 400, "INVALIDENTITY"),
        ({"operation": "upsert"}, 400, "INVALIDJOB"),
        ({"operation": "upsert", "externalIdFieldName": "Title"}, 404, "NOT_FOUND"),
        ({"operation": "insert", "columnDelimiter": "SPACE"}, 400, "INVALIDJOB"),
        ({"operation": "insert", "contentType": "JSON"}, 400, "INVALIDJOB"),
    ],
)
def test_a_job_that_cannot_be_is_refused(
    salesforce: Salesforce, spec: dict[str, object], status: int, code: str
) -> None:
    answer = salesforce.client.post(INGEST, json={"object": "Contact", **spec})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)


def test_each_step_is_refused_out_of_turn(salesforce: Salesforce) -> None:
    address = f"{INGEST}/{_make(salesforce, operation='insert')['id']}"
    client, csv_type = salesforce.client, {"Content-Type": "text/csv"}

    def refusal(method: str, path: str = "", **how: Any) -> tuple[int, str]:
        answer = client.request(method, address + path, **how)
        return answer.status_code, answer.json()[0]["errorCode"]

    wrong = (400, "INVALIDJOBSTATE")
    close: Any = {"json": {"state": "UploadComplete"}}
    assert refusal("PATCH", **close) == wrong  # nothing uploaded
    assert refusal("DELETE") == wrong
    assert refusal("GET", "/failedResults") == wrong
    assert refusal("PUT", "/batches", json={}) == (415, "INVALIDCONTENTTYPE")
    assert client.put(f"{address}/batches", content="LastName\nA\n", headers=csv_type).status_code == 201
    assert refusal("PUT", "/batches", content="LastName\nA\n", headers=csv_type) == wrong  # only once
    assert client.patch(address, **close).status_code == 200
    assert refusal("PATCH", **close) == wrong
    assert refusal("PUT", "/batches", content="LastName\nA\n", headers=csv_type) == wrong
    assert client.get(f"{INGEST}/750000000000000AAA").status_code == 404
    assert client.get(f"{address}/otherResults").status_code == 404


def test_an_aborted_job_lists_all_rows_as_not_tried(salesforce: Salesforce) -> None:
    job_id = _make(salesforce, operation="insert")["id"]
    _upload(salesforce, job_id, "LastName\nA\nB\n")
    aborted = salesforce.client.patch(f"{INGEST}/{job_id}", json={"state": "Aborted"}).json()
    assert aborted["state"] == "Aborted"
    assert {row["LastName"] for row in _results(salesforce, job_id, "unprocessedrecords")} == {"A", "B"}
    assert _results(salesforce, job_id, "successfulResults") == []
    assert salesforce.query("SELECT Id FROM Contact WHERE LastName IN ('A', 'B')")["totalSize"] == 0


def test_a_job_that_fails_midway_keeps_what_it_wrote(salesforce: Salesforce) -> None:
    salesforce.store.fail_bulk_job(after=250)
    data = "LastName\n" + "".join(f"Row {number}\n" for number in range(600))
    info = _run(salesforce, data, operation="insert")
    assert info["state"] == "Failed"
    assert info["errorMessage"].startswith("InternalServerError")
    assert info["numberRecordsProcessed"] == 250
    assert len(_results(salesforce, info["id"], "successfulResults")) == 250
    left = {row["LastName"] for row in _results(salesforce, info["id"], "unprocessedRecords")}
    assert left == {f"Row {number}" for number in range(250, 600)}
    assert salesforce.query("SELECT Id FROM Contact WHERE LastName LIKE 'Row %'")["totalSize"] == 250


def test_a_large_job_is_done_batch_by_batch(salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 400)
    job_id = _make(salesforce, operation="insert")["id"]
    _upload(salesforce, job_id, "LastName\n" + "R\n" * 900)
    looks = [salesforce.client.get(f"{INGEST}/{job_id}").json() for _ in range(4)]
    assert [look["numberRecordsProcessed"] for look in looks] == [0, 400, 800, 900]
    assert looks[2]["state"] == "InProgress"


def test_a_job_that_nobody_asks_for_ends_by_itself(salesforce: Salesforce) -> None:
    _upload(salesforce, _make(salesforce, operation="insert")["id"], "LastName\nAlone\n")
    salesforce.clock.advance(1)
    salesforce.log_in_again()
    assert salesforce.query("SELECT Id FROM Contact WHERE LastName = 'Alone'")["totalSize"] == 1


# --- rows -------------------------------------------------------------------------------------


def test_an_empty_cell_leaves_a_field_alone_and_n_a_clears_it(salesforce: Salesforce) -> None:
    info = _run(
        salesforce,
        f"Id,FirstName,Email,AccountId\n{ANA},,#N/A,{GLOBEX}\n{BEN},Ben,,#N/A\n",
        operation="update",
    )
    assert (info["state"], info["numberRecordsFailed"]) == ("JobComplete", 0)
    ana, ben = salesforce.read("Contact", ANA), salesforce.read("Contact", BEN)
    assert (ana["FirstName"], ana["Email"], ana["AccountId"]) == ("Ana", None, GLOBEX)
    assert (ben["FirstName"], ben["AccountId"]) == ("Ben", None)


def test_each_row_fails_alone_in_the_vendors_words(salesforce: Salesforce) -> None:
    salesforce.store.lock("Contact", BEN)
    missing = make_id("003", 999)
    rows = f"{ANA},,not-an-email,2000-02-30\n{BEN},x,,\n{missing},x,,\n,x,,\n"
    info = _run(salesforce, f"Id,LastName,Email,Birthdate\n{rows}", operation="update")
    assert (info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]) == ("JobComplete", 4, 4)
    failed = {row["sf__Id"]: row["sf__Error"] for row in _results(salesforce, info["id"], "failedResults")}
    assert failed[ANA] == (
        "INVALID_FIELD:Failed to deserialize field at col 3. Due to, '2000-02-30' is not a valid value for the type "
        "xsd:date:Birthdate --"
    )
    assert failed[BEN] == (
        f"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: {BEN}:--"
    )
    assert failed[missing] == "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
    assert failed[""].startswith("MISSING_ARGUMENT:")


def test_failed_results_look_like_the_recorded_ones(salesforce: Salesforce) -> None:
    info = _run(salesforce, "Title,Birthdate\nCEO,2003-04-98\n", operation="insert")
    text = salesforce.client.get(f"{INGEST}/{info['id']}/failedResults").text
    header, row = text.splitlines()
    assert header == '"sf__Id","sf__Error",Title,Birthdate'
    assert row == (
        '"","INVALID_FIELD:Failed to deserialize field at col 1. Due to, \'2003-04-98\' is not a valid value for the '
        'type xsd:date:Birthdate --","CEO","2003-04-98"'
    )
    required = _run(salesforce, "Title\nCEO\n", operation="insert")
    assert _errors(salesforce, required["id"]) == [
        "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
    ]


def test_results_come_in_another_order(salesforce: Salesforce) -> None:
    names = [f"N{number:03}" for number in range(100)]
    info = _run(salesforce, "LastName\n" + "\n".join(names), operation="insert")
    got = [row["LastName"] for row in _results(salesforce, info["id"], "successfulResults")]
    assert got != names
    assert sorted(got) == names


def test_upsert_makes_changes_and_finds_parents_by_external_id(salesforce: Salesforce) -> None:
    salesforce.custom_field("Contact.Key__c", label="Key", type="Text", length=20, externalId=True)
    salesforce.grant("Contact.Key__c")
    salesforce.client.patch(f"{DATA}/sobjects/Contact/{ANA}", json={"Key__c": "a"})
    rows = "A,ana,acme-0001\nb,Bea,acme-0001\nb,Bis,#N/A\n,None,\nd,Dee,nowhere\n"
    info = _run(
        salesforce,
        f"Key__c,LastName,Account.Product_Account_Id__c\n{rows}",
        operation="upsert",
        externalIdFieldName="Key__c",
    )
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (5, 4)
    (done,) = _results(salesforce, info["id"], "successfulResults")
    assert (done["sf__Id"], done["sf__Created"]) == (ANA, "false")
    assert salesforce.read("Contact", ANA)["AccountId"] == ACME
    codes = sorted(error.split(":")[0] for error in _errors(salesforce, info["id"]))
    assert codes == ["DUPLICATE_VALUE", "DUPLICATE_VALUE", "INVALID_FIELD", "MISSING_ARGUMENT"]


def test_delete_takes_ids_alone(salesforce: Salesforce) -> None:
    info = _run(salesforce, f"Id\n{BEN}\n{BEN[:15]}x\n", operation="delete")
    assert (info["state"], info["numberRecordsFailed"]) == ("JobComplete", 1)
    assert salesforce.client.get(f"{DATA}/sobjects/Contact/{BEN}").status_code == 404
    assert _run(salesforce, f"Id,LastName\n{ANA},x\n", operation="delete")["state"] == "Failed"


@pytest.mark.parametrize(
    ("data", "spec", "message"),
    [
        ("LastName,Nothing__c\nA,1\n", {}, "InvalidBatch : Field name not found : Nothing__c"),
        ("LastName,DoNotCall\nA,true\n", {}, "InvalidBatch : Field name not found : DoNotCall"),
        ("LastName,lastname\nA,B\n", {}, "InvalidBatch : Field name not found : LastName"),
        ("LastName,Account.Nothing\nA,1\n", {}, "InvalidBatch : Field name not found : Account.Nothing"),
        ("LastName\nA\n", {"operation": "update"}, "InvalidBatch : Field name not found : Id"),
        (
            "LastName\r\nA\r\n",
            {},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            "LastName\nA\n",
            {"lineEnding": "CRLF"},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF",
        ),
        ("LastName,Title\nA\n", {}, "ClientInputError : row 1 has 1 cells, the header has 2"),
        ('LastName\n"A\n', {}, "ClientInputError : the data cannot be read as CSV: unexpected end of data"),
        ("\n", {}, "ClientInputError : the data has no header row"),
        (f"{'a,' * 13}a\n{'x' * 32_000}{(',' + 'x' * 32_000) * 13}\n", {}, "ClientInputError : row 1 is too long"),
        (f"LastName,Description\nA,{'x' * 32_001}\n", {}, "ClientInputError : row 1 is too long"),
    ],
)
def test_a_job_with_unfit_data_fails_before_any_row(
    salesforce: Salesforce, data: str, spec: dict[str, str], message: str
) -> None:
    info = _run(salesforce, data, **({"operation": "insert"} | spec))
    assert (info["state"], info["errorMessage"]) == ("Failed", message)
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (0, 0)
    assert salesforce.query("SELECT Id FROM Contact WHERE LastName = 'A'")["totalSize"] == 0


def test_other_delimiters_and_line_endings_hold_for_results_too(salesforce: Salesforce) -> None:
    data = 'LastName;Description\r\nA;"one\nline; and more"\r\n'
    info = _run(salesforce, data, operation="insert", columnDelimiter="SEMICOLON", lineEnding="CRLF")
    text = salesforce.client.get(f"{INGEST}/{info['id']}/successfulResults").text
    assert text.startswith('"sf__Id";"sf__Created";LastName;Description\r\n')
    assert text.endswith(';"true";"A";"one\nline; and more"\r\n')


def test_truths_numbers_and_moments_are_read_from_text(salesforce: Salesforce) -> None:
    salesforce.grant("Contact.DoNotCall", "Contact.HasOptedOutOfEmail")
    for kind in ("Number", "DateTime"):
        shape = {"precision": 5, "scale": 1} if kind == "Number" else {}
        salesforce.custom_field(f"Contact.{kind}__c", label=kind, type=kind, **shape)
    salesforce.grant("Contact.Number__c", "Contact.DateTime__c", "Contact.Title")
    rows = f"{ANA},TRUE,1,12.34,2026-01-01T10:00:00+02:00\n{BEN},0,maybe, 1,2026-01-01\n"
    info = _run(salesforce, f"Id,DoNotCall,HasOptedOutOfEmail,Number__c,DateTime__c\n{rows}", operation="update")
    ana = salesforce.read("Contact", ANA)
    assert (ana["DoNotCall"], ana["HasOptedOutOfEmail"], ana["Number__c"]) == (True, True, 12.3)
    assert ana["DateTime__c"] == "2026-01-01T08:00:00.000+0000"
    (error,) = _errors(salesforce, info["id"])
    assert error.endswith("'maybe' is not a valid value for the type xsd:boolean:HasOptedOutOfEmail --")


def test_blanks_around_a_number_or_date_fail_the_row(salesforce: Salesforce) -> None:
    info = _run(salesforce, "LastName,Birthdate\n A , 2000-01-01\n B ,2000-01-01\n", operation="insert")
    (error,) = _errors(salesforce, info["id"])
    assert error.startswith("INVALID_FIELD:Failed to deserialize field at col 1. Due to, ' 2000-01-01'")
    assert salesforce.query("SELECT Id FROM Contact WHERE LastName = 'B'")["totalSize"] == 1


def test_assignment_rules_run_only_where_a_job_names_one(salesforce: Salesforce) -> None:
    data, spec = "LastName,Company\nA,B\n", {"object": "Lead", "operation": "insert"}
    _run(salesforce, data, **spec)
    _run(salesforce, data, **spec, assignmentRuleId="01Q000000000001AAA")
    owners = [row["OwnerId"][:3] for row in salesforce.query("SELECT OwnerId FROM Lead")["records"]]
    assert sorted(owners) == ["005", "00G"]


# --- queries ----------------------------------------------------------------------------------


def _query(salesforce: Salesforce, text: str, **spec: object) -> dict[str, Any]:
    answer = salesforce.client.post(QUERY, json={"operation": "query", "query": text, **spec})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    assert made["state"] == "UploadComplete"
    for _ in range(3):
        made = salesforce.client.get(f"{QUERY}/{made['id']}").json()
    return made


def test_a_query_job_gives_quoted_csv(salesforce: Salesforce) -> None:
    job = _query(salesforce, "SELECT Id, LastName, Account.Name, CreatedDate, IsDeleted FROM Contact ORDER BY Id")
    assert (job["state"], job["jobType"], job["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 2)
    answer = salesforce.client.get(f"{QUERY}/{job['id']}/results")
    assert (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"]) == ("2", "null")
    assert answer.text == (
        '"Id","LastName","Account.Name","CreatedDate","IsDeleted"\n'
        f'"{ANA}","Ångström","Acme","2025-03-01T12:00:00.000Z","false"\n'
        f'"{BEN}","O\'Neil","Acme","2025-03-01T12:00:00.000Z","false"\n'
    )


def test_query_all_finds_deleted_records(salesforce: Salesforce) -> None:
    job = _query(salesforce, "SELECT Id FROM Contact WHERE IsDeleted = TRUE", operation="queryAll")
    assert job["numberRecordsProcessed"] == 1


def test_results_come_in_pages_that_may_be_read_side_by_side(salesforce: Salesforce) -> None:
    _run(salesforce, "LastName\n" + "R\n" * 10, operation="insert")
    address = f"{QUERY}/{_query(salesforce, 'SELECT Id FROM Contact')['id']}"
    seen: list[str] = []
    locator = ""
    while locator != "null":
        page = salesforce.client.get(f"{address}/results", params={"maxRecords": 5, "locator": locator})
        seen += page.text.split()[1:]
        locator = page.headers["Sforce-Locator"]
    assert len(seen) == len(set(seen)) == 12
    first = salesforce.client.get(f"{address}/resultPages", params={"maxRecords": 2}).json()
    assert (len(first["resultPages"]), first["done"]) == (5, False)
    last = salesforce.client.get(first["nextRecordsUrl"]).json()
    assert last["done"] is True
    pages = [one["resultUrl"] for one in first["resultPages"] + last["resultPages"]]
    rows = [row for url in pages for row in salesforce.client.get(url).text.split()[1:]]
    assert rows == seen
    wrong = salesforce.client.get(f"{address}/results", params={"locator": "?"})
    assert wrong.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_results_are_read_with_the_version_of_the_job(salesforce: Salesforce) -> None:
    job = _query(salesforce, "SELECT Id FROM Contact")
    assert salesforce.client.get(f"/services/data/v67.0/jobs/query/{job['id']}/results").status_code == 409


def test_a_query_job_can_be_aborted_and_deleted(salesforce: Salesforce) -> None:
    made = salesforce.client.post(QUERY, json={"operation": "query", "query": "SELECT Id FROM Contact"}).json()
    address = f"{QUERY}/{made['id']}"
    assert salesforce.client.get(f"{address}/results").json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert salesforce.client.patch(address, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert salesforce.client.patch(address, json={"state": "Aborted"}).status_code == 400
    assert [one["id"] for one in salesforce.client.get(QUERY).json()["records"]] == [made["id"]]
    assert salesforce.client.delete(address).status_code == 204
    assert salesforce.client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT COUNT(Id) FROM Contact", "API_ERROR"),
        ("SELECT Id FROM Contact LIMIT 5 OFFSET 1", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR"),
        ("SELECT MailingAddress FROM Contact", "FUNCTIONALITY_NOT_ENABLED"),
        ("SELECT DoNotCall FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE CreatedDate = LAST_N_DAYS:999999", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT", "MALFORMED_QUERY"),
    ],
)
def test_some_queries_cannot_be_jobs(salesforce: Salesforce, text: str, code: str) -> None:
    answer = salesforce.client.post(QUERY, json={"operation": "query", "query": text})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
