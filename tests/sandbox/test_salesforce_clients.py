"""simple-salesforce, unmodified, over TLS against the Salesforce of the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from simple_salesforce.api import Salesforce as Client
from simple_salesforce.exceptions import (
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceOperationError,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from sandbox.salesforce import salesforce_app
from sandbox.tls import Front, tls_front
from tests.sandbox.conftest import ACME, ANA, BEN, DATA, GLOBEX, OLD, SELLER, Salesforce, Server, log_in


@pytest.fixture(scope="module")
def front(salesforce_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    port = urlsplit(salesforce_server.base_url).port or 0
    with tls_front(port, tmp_path_factory.mktemp("tls")) as opened:
        yield opened


@pytest.fixture
def client(salesforce: Salesforce, front: Front) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False  # a certificate bundle of the environment would go first
        session.verify = str(front.authority)
        token = log_in(salesforce.stranger)["access_token"]
        yield Client(session_id=token, instance_url=front.url, version="66.0", session=session)


def _code(error: SalesforceError) -> str:
    content: Any = error.content
    first: dict[str, str] = content[0]
    return first["errorCode"]


def test_a_stranger_to_the_certificate_is_refused(front: Front) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{front.url}/services/data", timeout=9)


def test_queries_of_every_kind(client: Any) -> None:
    found = client.query("SELECT Id, Account.Name FROM Contact WHERE LastName = 'O\\'Neil'")
    assert (found["totalSize"], found["done"]) == (1, True)
    assert found["records"][0]["Account"]["Name"] == "Acme"
    assert client.query_all("SELECT Id FROM Contact", include_deleted=True)["totalSize"] == 3
    assert {one["Id"] for one in client.query_all_iter("SELECT Id FROM Contact")} == {ANA, BEN}


def test_pages_of_a_query(client: Any) -> None:
    for start in (0, 1_000, 2_000):
        rows = [{"attributes": {"type": "Contact"}, "LastName": f"P{start + n}"} for n in range(200)]
        client.restful("composite/sobjects", method="POST", json={"records": rows})
    client.headers["Sforce-Query-Options"] = "batchSize=250"
    first = client.query("SELECT Id FROM Contact WHERE LastName LIKE 'P%'")
    assert (len(first["records"]), first["totalSize"], first["done"]) == (250, 600, False)
    second = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    third = client.query_more(second["nextRecordsUrl"].rpartition("/")[2])
    assert (len(second["records"]), len(third["records"]), third["done"]) == (250, 100, True)


def test_descriptions(client: Any) -> None:
    assert "Contact" in {one["name"] for one in client.describe()["sobjects"]}
    described = client.Contact.describe()
    assert {"LastName", "Email"} <= {field["name"] for field in described["fields"]}
    assert client.Contact.metadata()["objectDescribe"]["keyPrefix"] == "003"
    assert client.is_sandbox() is True


def test_one_record_is_made_read_changed_and_deleted(client: Any) -> None:
    made = client.Contact.create({"LastName": "New", "AccountId": ACME})
    assert made["success"] is True
    assert client.Contact.get(made["id"])["LastName"] == "New"
    assert client.Contact.update(made["id"], {"Title": "CEO"}) == 204
    assert client.Contact.get(made["id"])["Title"] == "CEO"
    assert client.Contact.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as gone:
        client.Contact.get(made["id"])
    assert _code(gone.value) == "NOT_FOUND"


def test_upserts_by_external_id(client: Any) -> None:
    path = "Product_Account_Id__c/new-1"
    assert client.Account.upsert(path, {"Name": "New"}) == 201
    assert client.Account.upsert(path, {"Name": "Renamed"}) == 200
    assert client.Account.get_by_custom_id("Product_Account_Id__c", "new-1")["Name"] == "Renamed"
    client.Account.create({"Name": "Twin", "Product_Account_Id__c": "NEW-1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Account.upsert(path, {"Name": "Which"})


def test_what_changed_and_what_was_deleted(client: Any, salesforce: Salesforce) -> None:
    client.Contact.update(ANA, {"Title": "CEO"})
    client.Contact.delete(BEN)
    now = salesforce.clock.now()
    end, start = now + timedelta(minutes=5), now - timedelta(days=1)
    assert client.Contact.updated(start, end)["ids"] == []  # the running minute is not covered yet
    salesforce.clock.advance(1)
    token = log_in(salesforce.stranger)["access_token"]
    later: Any = Client(session_id=token, instance_url=f"https://{client.sf_instance}", session=client.session)
    end += timedelta(days=1)
    assert later.Contact.updated(start, end)["ids"] == [ANA]
    assert [one["id"] for one in later.Contact.deleted(start, end)["deletedRecords"]] == [BEN]


def test_limits_and_what_a_call_costs(client: Any) -> None:
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000
    counted = client.restful("limits/recordCount", {"sObjects": "Account,Contact"})
    assert {one["name"]: one["count"] for one in counted["sObjects"]} == {"Account": 2, "Contact": 2}


def test_collections_through_restful(client: Any) -> None:
    rows = [{"attributes": {"type": "Contact"}, "id": one, "Title": "CTO"} for one in (ANA, OLD)]
    body = {"allOrNone": False, "records": rows}
    good, bad = client.restful("composite/sobjects", method="PATCH", json=body)
    assert good == {"id": ANA, "success": True, "errors": []}
    assert bad["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"
    body = {"ids": [ANA, OLD], "fields": ["Title"]}
    found = client.restful("composite/sobjects/Contact", method="POST", json=body)
    assert [None if one is None else one["Title"] for one in found] == ["CTO", None]


def test_custom_fields_through_tooling(client: Any) -> None:
    body = {"FullName": "Contact.Days__c", "Metadata": {"label": "Days", "type": "Number", "precision": 5, "scale": 0}}
    made = client.toolingexecute("sobjects/CustomField", method="POST", data=body)
    assert made["success"] is True
    found = client.toolingexecute("query?q=SELECT+Id+FROM+CustomField+WHERE+DeveloperName='Days'")
    assert found["records"][0]["Id"] == made["id"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"FirstName": "No"}, "REQUIRED_FIELD_MISSING"),
        ({"LastName": "A", "Nothing": 1}, "INVALID_FIELD"),
        ({"LastName": "A" * 81}, "STRING_TOO_LONG"),
        ({"LastName": "A", "Email": "no"}, "INVALID_EMAIL_ADDRESS"),
        ({"LastName": "A", "DoNotCall": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_refusals_carry_the_vendors_codes(client: Any, values: dict[str, object], code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Contact.create(values)
    assert (refused.value.status, _code(refused.value)) == (400, code)


def test_an_expired_session_and_a_spent_quota_are_told_apart(client: Any, salesforce: Salesforce) -> None:
    salesforce.store.daily_requests = 0
    with pytest.raises(SalesforceRefusedRequest) as spent:
        client.query("SELECT Id FROM Contact")
    assert _code(spent.value) == "REQUEST_LIMIT_EXCEEDED"
    salesforce.clock.advance(1)
    with pytest.raises(SalesforceExpiredSession) as expired:
        client.query("SELECT Id FROM Contact")
    assert _code(expired.value) == "INVALID_SESSION_ID"


def test_a_bulk_job_writes_and_tells_what_failed(client: Any) -> None:
    records = [{"Id": ANA, "Title": "CFO"}, {"Id": GLOBEX, "Title": "x"}]
    (told,) = client.bulk2.Contact.update(records=records, wait=0.01)
    assert (told["numberRecordsTotal"], told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (2, 2, 1)
    assert ANA in client.bulk2.Contact.get_successful_records(told["job_id"])
    assert "MALFORMED_ID" in client.bulk2.Contact.get_failed_records(told["job_id"])
    everything = client.bulk2.Contact.get_all_ingest_records(told["job_id"])
    assert everything["unprocessedRecords"] == []
    assert client.Contact.get(ANA)["Title"] == "CFO"


def test_bulk_jobs_insert_upsert_and_delete(client: Any, tmp_path: Path) -> None:
    bulk = client.bulk2.Account
    file = tmp_path / "accounts.csv"
    file.write_text("Name,Product_Account_Id__c\nOne,one\nTwo,two\n", encoding="utf-8")
    assert bulk.insert(str(file), wait=0.01)[0]["numberRecordsFailed"] == 0
    changed = bulk.upsert(
        records=[{"Name": "Uno", "Product_Account_Id__c": "one"}, {"Name": "Tres", "Product_Account_Id__c": "three"}],
        external_id_field="Product_Account_Id__c",
        wait=0.01,
    )
    assert changed[0]["numberRecordsFailed"] == 0
    names = client.query("SELECT Id, Name FROM Account WHERE Product_Account_Id__c IN ('one', 'two', 'three')")
    assert {one["Name"] for one in names["records"]} == {"Uno", "Two", "Tres"}
    gone = bulk.delete(records=[{"Id": one["Id"]} for one in names["records"]], wait=0.01)
    assert gone[0]["numberRecordsProcessed"] == 3


def test_a_failed_bulk_job_is_an_error_of_the_client(client: Any) -> None:
    with pytest.raises(SalesforceOperationError, match="InvalidBatch : Field name not found : Nothing"):
        client.bulk2.Contact.insert(records=[{"LastName": "A", "Nothing": "1"}], wait=0.01)


def test_a_bulk_query_gives_pages_of_csv(client: Any, tmp_path: Path) -> None:
    pages = list(client.bulk2.Contact.query("SELECT Id, LastName FROM Contact ORDER BY Id", max_records=1, wait=0.01))
    assert pages == [f'"Id","LastName"\n"{ANA}","Ångström"\n', f'"Id","LastName"\n"{BEN}","O\'Neil"\n']
    (saved,) = client.bulk2.Contact.download("SELECT Id FROM Contact", path=str(tmp_path), wait=0.01)
    assert Path(saved["file"]).read_text(encoding="utf-8").count("\n") == 3
    with pytest.raises(SalesforceMalformedRequest) as refused:
        list(client.bulk2.Contact.query("SELECT COUNT(Id) FROM Contact", wait=0.01))
    assert _code(refused.value) == "API_ERROR"


def test_a_composite_request(client: Any) -> None:
    body = {
        "compositeRequest": [
            {
                "method": "POST",
                "url": "/services/data/v66.0/sobjects/Account",
                "referenceId": "a",
                "body": {"Name": "N"},
            },
            {
                "method": "POST",
                "url": f"{DATA}/sobjects/Contact",
                "referenceId": "c",
                "body": {"LastName": "L", "AccountId": "@{a.id}"},
            },
        ]
    }
    answers = client.restful("composite", method="POST", data=json.dumps(body))["compositeResponse"]
    assert [one["httpStatusCode"] for one in answers] == [201, 201]
    assert client.Contact.get(answers[1]["body"]["id"])["AccountId"] == answers[0]["body"]["id"]


# --- logging in with a signed assertion -------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def logged_in(salesforce: Salesforce, salesforce_server: Server, key: RSAPrivateKey) -> Salesforce:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    base_url = salesforce_server.base_url
    salesforce_server.switch.app = salesforce_app(salesforce.store, "client", "s3cret", base_url, certificate=public)
    return salesforce


def _assert(salesforce: Salesforce, key: RSAPrivateKey, **changes: object) -> requests.Response:
    end = salesforce.clock.now() + timedelta(minutes=2)
    claims = {"iss": "client", "sub": "SEL@x.example", "aud": "https://login.salesforce.com", "exp": end.timestamp()}
    claims |= {name: value for name, value in changes.items() if name != "exp_in"}
    if "exp_in" in changes:
        claims["exp"] = (salesforce.clock.now() + timedelta(seconds=float(str(changes["exp_in"])))).timestamp()
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, key, algorithm="RS256"),
    }
    return requests.post(f"{salesforce.stranger.base_url}/services/oauth2/token", data=form, timeout=9)


def test_an_assertion_logs_in_the_user_that_it_names(logged_in: Salesforce, key: RSAPrivateKey) -> None:
    token = _assert(logged_in, key).json()
    assert "refresh_token" not in token
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert logged_in.stranger.get("/services/oauth2/userinfo", headers=headers).json()["user_id"] == SELLER


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iss": "other"}, "invalid_client_id"),
        ({"sub": "nobody@x.example"}, "invalid_grant"),
        ({"sub": "left@x.example"}, "invalid_grant"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"exp_in": -1}, "invalid_grant"),
        ({"exp_in": 200}, "invalid_grant"),
    ],
)
def test_a_wrong_assertion_is_refused(
    logged_in: Salesforce, key: RSAPrivateKey, changes: dict[str, object], error: str
) -> None:
    answer = _assert(logged_in, key, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_assertion_signed_by_another_key_is_refused(logged_in: Salesforce) -> None:
    answer = _assert(logged_in, generate_private_key(public_exponent=65537, key_size=2048))
    assert answer.json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


def test_no_assertion_is_taken_where_no_certificate_is_known(salesforce: Salesforce, key: RSAPrivateKey) -> None:
    assert _assert(salesforce, key).json()["error_description"] == "user hasn't approved this consumer"
