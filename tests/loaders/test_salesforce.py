"""Salesforce's landing: types, deleted records, fields not granted, and the token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from loaders import LoadError, LoadSettings
from sandbox.server import Sandbox
from tests.loaders.conftest import WANTED, Load, Query

DATA = "/services/data/v66.0"


@pytest.fixture
def salesforce(sandbox: Sandbox) -> httpx.Client:
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.settings["SALESFORCE_CLIENT_ID"],
        "client_secret": sandbox.settings["SALESFORCE_CLIENT_SECRET"],
    }
    token = httpx.post(sandbox.urls["salesforce"] + "/services/oauth2/token", data=form).json()["access_token"]
    return httpx.Client(base_url=sandbox.urls["salesforce"], headers={"Authorization": f"Bearer {token}"})


def stored(control: httpx.Client) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = control.get("/records/salesforce/Contact").json()
    return records


def living(control: httpx.Client) -> str:
    return next(str(record["Id"]) for record in stored(control) if not record["IsDeleted"])


def test_records_are_landed_typed_and_the_deleted_ones_too(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    load_rows("salesforce")
    assert set(query('select "Id", "LastName", "Email", "IsDeleted" from salesforce.contact')) == {
        (record["Id"], record["LastName"], record["Email"], record["IsDeleted"]) for record in stored(control)
    }
    assert query('select distinct typeof("SystemModstamp"), typeof("IsDeleted") from salesforce.contact') == [
        ("TIMESTAMP WITH TIME ZONE", "BOOLEAN")
    ]
    assert query('select distinct "IsDeleted" from salesforce.user') == [(False,)]


def test_the_second_load_lands_only_what_changed(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("salesforce")
    changed = living(control)
    body = {"vendor": "salesforce", "object": "Contact", "id": changed, "properties": {"LastName": "Ōkawa"}}
    control.post("/edit", json=body).raise_for_status()
    assert 1 <= load_rows("salesforce")["contact"] < len(stored(control)) / 2
    assert query('select "LastName" from salesforce.contact where "Id" = ?', changed) == [("Ōkawa",)]
    assert query("select mode from salesforce.reads where object = 'Contact'") == [("incremental",)]
    control.post("/delete", json={"vendor": "salesforce", "object": "Contact", "id": changed}).raise_for_status()
    load_rows("salesforce")
    assert query('select "IsDeleted" from salesforce.contact where "Id" = ?', changed) == [(True,)]


def test_a_field_that_an_activation_writes_is_null_until_provisioned_and_then_has_its_type(
    load_rows: Load, query: Query, salesforce: httpx.Client, control: httpx.Client
) -> None:
    load_rows("salesforce")
    kind = 'select distinct typeof("Usage_Minutes__c") from salesforce.contact'
    assert query(kind) == [("VARCHAR",)]
    field = {"label": "Minutes", "type": "Number", "precision": 18, "scale": 0}
    body = {"FullName": "Contact.Usage_Minutes__c", "Metadata": field}
    salesforce.post(f"{DATA}/tooling/sobjects/CustomField", json=body).raise_for_status()
    user = salesforce.get(f"{DATA}/query", params={"q": "SELECT Id FROM PermissionSet LIMIT 1"}).json()["records"]
    grant = {
        "ParentId": user[0]["Id"] if user else _granted(salesforce),
        "SobjectType": "Contact",
        "Field": "Contact.Usage_Minutes__c",
        "PermissionsRead": True,
        "PermissionsEdit": True,
    }
    salesforce.post(f"{DATA}/sobjects/FieldPermissions", json=grant).raise_for_status()
    contact = living(control)
    update = {"records": [{"attributes": {"type": "Contact"}, "id": contact, "Usage_Minutes__c": 12}]}
    salesforce.patch(f"{DATA}/composite/sobjects", json=update).raise_for_status()
    load_rows("salesforce")
    assert query(kind) == [("DOUBLE",)]
    assert query('select "Id", "Usage_Minutes__c" from salesforce.contact where "Usage_Minutes__c" is not null') == [
        (contact, 12.0)
    ]
    assert query("select count(*) from salesforce.contact") == [(len(stored(control)),)]
    assert load_rows("salesforce")["contact"] < len(stored(control)) / 2


def _granted(salesforce: httpx.Client) -> str:
    """Make a permission set and assign it to the user of the token."""
    made = salesforce.post(f"{DATA}/sobjects/PermissionSet", json={"Name": "Backhaul", "Label": "Backhaul"}).json()
    me = salesforce.get("/services/oauth2/userinfo").json()["user_id"]
    body = {"AssigneeId": me, "PermissionSetId": made["id"]}
    salesforce.post(f"{DATA}/sobjects/PermissionSetAssignment", json=body).raise_for_status()
    return str(made["id"])


def test_a_field_that_models_read_must_be_granted(load_rows: Load, query: Query) -> None:
    load_rows("salesforce")
    reads = query("from salesforce.reads order by object")
    hidden = replace(WANTED, salesforce={"Contact": ("LastName", "Shoe_Size__c")})
    with pytest.raises(LoadError, match=r"Contact\.Shoe_Size__c .* grant read access .*permission set"):
        load_rows("salesforce", wanted=hidden)
    assert query("from salesforce.reads order by object") == reads


def test_descriptions_and_limits_are_landed(load_rows: Load, query: Query) -> None:
    load_rows("salesforce")
    assert query("select type, id_lookup from salesforce.fields where object = 'Contact' and name = 'Email'") == [
        ("email", True)
    ]
    assert query("select max >= remaining from salesforce.limits where name = 'DailyApiRequests'") == [(True,)]


def test_an_expired_token_is_taken_again(load_rows: Load, control: httpx.Client) -> None:
    body = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    fault = {"vendor": "salesforce", "path": "/queryAll", "status": 401, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    assert load_rows("salesforce")["contact"]


def test_another_org_is_not_mixed_into_the_warehouse(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("salesforce")
    before = query("from salesforce.reads order by all")
    user = "https://login.salesforce.com/id/00D000000000002AAA/005000000000002AAA"
    body = {"access_token": "of another org", "instance_url": "https://other.my.salesforce.com", "id": user}
    other = {"vendor": "salesforce", "path": "/services/oauth2/token", "status": 200, "body": body}
    control.post("/faults", json=other).raise_for_status()
    with pytest.raises(LoadError, match=r"holds account Salesforce 00D.* are for Salesforce 00D000000000002"):
        load_rows("salesforce")
    assert query("from salesforce.reads order by all") == before


def test_used_up_requests_are_not_taken_for_a_wrong_password(load_rows: Load, control: httpx.Client) -> None:
    body = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    fault = {"vendor": "salesforce", "path": "/queryAll", "status": 403, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match="last 24 hours are used up"):
        load_rows("salesforce")


def test_a_wrong_secret_is_named(load_rows: Load, settings: LoadSettings) -> None:
    object.__setattr__(settings, "salesforce_client_secret", "not-the-secret")
    with pytest.raises(LoadError, match=r"check .*SALESFORCE_CLIENT_SECRET") as raised:
        load_rows("salesforce")
    assert "not-the-secret" not in str(raised.value)
