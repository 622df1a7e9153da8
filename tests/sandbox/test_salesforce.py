"""The Salesforce of the sandbox, through real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest

from sandbox.salesforce import salesforce_app
from sandbox.salesforce.ids import full_id, make_id
from tests.sandbox.conftest import ACME, ANA, BEN, DATA, GLOBEX, LEFT, OLD, SELLER, Salesforce, Server, log_in

NOT_WRITABLE = (
    "Unable to create/update fields: Name. Please check the security settings of this field and "
    "verify that it is read/write for your profile or permission set."
)


def _error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


# --- login and limits ------------------------------------------------------------------------


def test_a_token_says_where_the_org_is_and_whose_it_is(salesforce: Salesforce) -> None:
    token = log_in(salesforce.stranger)
    assert token["instance_url"] == str(salesforce.stranger.base_url).rstrip("/")
    assert token["token_type"] == "Bearer"
    identity = salesforce.client.get(token["id"]).json()
    assert token["id"].endswith(f"/id/{identity['organization_id']}/{identity['user_id']}")


def test_basic_authentication_gets_a_token_too(salesforce: Salesforce) -> None:
    basic = base64.b64encode(b"client:s3cret").decode()
    answer = salesforce.stranger.post(
        "/services/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {basic}"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "client", "client_secret": "no"}, "invalid_client"),
        ({"client_id": "no", "client_secret": "s3cret"}, "invalid_client_id"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "invalid_grant"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
    ],
)
def test_a_wrong_login_is_refused_with_an_object(salesforce: Salesforce, form: dict[str, str], error: str) -> None:
    answer = salesforce.stranger.post("/services/oauth2/token", data={"grant_type": "client_credentials"} | form)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert "error_description" in answer.json()


def test_a_refresh_token_is_good_once_and_is_followed_by_another(
    salesforce: Salesforce, salesforce_server: Server
) -> None:
    salesforce_server.switch.app = salesforce_app(
        salesforce.store, "client", "s3cret", salesforce_server.base_url, refresh_token="first"
    )
    form = {"grant_type": "refresh_token", "client_id": "client", "client_secret": "s3cret"}

    def refresh(token: str) -> httpx.Response:
        return salesforce.stranger.post("/services/oauth2/token", data={**form, "refresh_token": token})

    first = refresh("first").json()
    headers = {"Authorization": f"Bearer {first['access_token']}"}
    assert salesforce.stranger.get(f"{DATA}/limits", headers=headers).status_code == 200
    spent = refresh("first")
    assert (spent.status_code, spent.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "expired access/refresh token"},
    )
    assert refresh(first["refresh_token"]).json()["refresh_token"] != first["refresh_token"]


def test_a_token_lasts_two_hours(salesforce: Salesforce) -> None:
    salesforce.clock.advance(1)
    answer = salesforce.client.get(f"{DATA}/limits")
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_the_list_of_versions_needs_no_login_and_costs_nothing(salesforce: Salesforce) -> None:
    answer = salesforce.stranger.get("/services/data/")
    assert {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"} in answer.json()
    assert {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"} in answer.json()
    assert "Sforce-Limit-Info" not in answer.headers


def test_every_data_call_tells_the_quota_used_and_the_clock(salesforce: Salesforce) -> None:
    first = salesforce.client.get(f"{DATA}/limits/")
    assert first.headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    assert first.json()["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_999}
    lost = salesforce.client.get(f"{DATA}/sobjects/Nothing/describe")
    assert lost.headers["Sforce-Limit-Info"] == "api-usage=2/100000"
    assert lost.headers["Date"].startswith("Mon, 01 Jun 2026 09:0")
    assert lost.json() == [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]


@pytest.mark.parametrize("salesforce", [{"daily_requests": 2}], indirect=True)
def test_the_daily_quota_ends_and_comes_back_after_a_day(salesforce: Salesforce) -> None:
    assert [salesforce.client.get(f"{DATA}/limits").status_code for _ in range(3)] == [200, 200, 403]
    refused = salesforce.client.get(f"{DATA}/limits")
    assert refused.json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    salesforce.clock.advance(1)
    salesforce.log_in_again()
    assert salesforce.client.get(f"{DATA}/limits").status_code == 200


def test_retired_versions_are_gone_and_long_addresses_are_refused(salesforce: Salesforce) -> None:
    assert salesforce.client.get("/services/data/v30.0/limits").status_code == 410
    assert salesforce.client.get("/services/data/v99.0/limits").status_code == 404
    assert salesforce.client.get(f"{DATA}/query", params={"q": "x" * 17_000}).status_code == 414


# --- describe and permissions ----------------------------------------------------------------


def test_describe_tells_types_lengths_and_flags(salesforce: Salesforce) -> None:
    contact, account = salesforce.fields("contact"), salesforce.fields("Account")
    assert contact["Email"]["type"] == "email"
    assert contact["Email"]["length"] == 80
    assert contact["Email"]["byteLength"] == 240
    assert contact["Name"]["createable"] is False
    assert contact["LastName"]["nillable"] is False
    assert contact["AccountId"]["referenceTo"] == ["Account"]
    assert account["NumberOfEmployees"]["digits"] == 8
    assert account["Product_Account_Id__c"]["externalId"] is True
    assert account["Product_Account_Id__c"]["unique"] is False


def test_describe_answers_304_until_the_schema_changes(salesforce: Salesforce) -> None:
    first = salesforce.client.get(f"{DATA}/sobjects/Contact/describe")
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    address = f"{DATA}/sobjects/Contact/describe"
    assert salesforce.client.get(address, headers=since).status_code == 304
    salesforce.clock.advance(1)
    salesforce.log_in_again()
    salesforce.custom_field("Contact.New__c", label="New", type="Date")
    assert salesforce.client.get(address, headers=since).status_code == 200


def test_global_describe_lists_objects_but_not_tooling_ones(salesforce: Salesforce) -> None:
    body = salesforce.client.get(f"{DATA}/sobjects").json()
    names = [one["name"] for one in body["sobjects"]]
    assert body["maxBatchSize"] == 200
    assert "Contact" in names
    assert "CustomField" not in names
    assert salesforce.client.get(f"{DATA}/sobjects/CustomField/describe").status_code == 404


def test_a_custom_field_stays_hidden_until_a_permission_set_shows_it(salesforce: Salesforce) -> None:
    made = salesforce.custom_field("Contact.Usage_Days__c", label="Usage days", type="Number", precision=5, scale=0)
    assert made.status_code == 201
    assert made.json()["success"] is True
    assert "Usage_Days__c" not in salesforce.fields("Contact")
    blind = salesforce.client.get(f"{DATA}/query", params={"q": "SELECT Usage_Days__c FROM Contact"})
    assert _error(blind) == (400, "INVALID_FIELD")
    status, error = salesforce.refusal("Contact", LastName="A", Usage_Days__c=1)
    assert (status, error["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")

    salesforce.grant("Contact.Usage_Days__c")
    field = salesforce.fields("Contact")["Usage_Days__c"]
    assert (field["type"], field["precision"], field["scale"]) == ("double", 5, 0)
    assert field["updateable"] is True
    made_id = salesforce.create("Contact", LastName="A", Usage_Days__c=12)
    assert salesforce.read("Contact", made_id)["Usage_Days__c"] == 12.0


def test_a_field_that_may_only_be_read_refuses_writes(salesforce: Salesforce) -> None:
    salesforce.grant("Contact.DoNotCall", edit=False)
    assert salesforce.fields("Contact")["DoNotCall"]["updateable"] is False
    status, error = salesforce.refusal("Contact", LastName="A", DoNotCall=True)
    assert (status, error["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert error["fields"] == ["DoNotCall"]


def test_taking_the_permission_set_away_hides_the_field_again(salesforce: Salesforce) -> None:
    held = salesforce.grant("Contact.DoNotCall")
    assert "DoNotCall" in salesforce.fields("Contact")
    gone = salesforce.client.delete(f"{DATA}/sobjects/PermissionSet/{held}")
    assert gone.status_code == 204
    assert "DoNotCall" not in salesforce.fields("Contact")
    assert salesforce.query("SELECT Id FROM FieldPermissions")["totalSize"] == 0


def test_permissions_are_found_with_soql(salesforce: Salesforce) -> None:
    salesforce.grant("Contact.DoNotCall")
    user = salesforce.client.get("/services/oauth2/userinfo").json()["user_id"]
    found = salesforce.query(
        "SELECT Field, PermissionsEdit, Parent.Name FROM FieldPermissions WHERE SobjectType = "
        "'Contact' AND ParentId IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE "
        "AssigneeId = '{}')",
        user,
    )
    assert [(row["Field"], row["PermissionsEdit"], row["Parent"]["Name"]) for row in found["records"]] == [
        ("Contact.DoNotCall", True, "Set_1")
    ]


@pytest.mark.parametrize(
    ("object_type", "values", "code"),
    [
        ("PermissionSet", {"Name": "two__scores", "Label": "x"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("PermissionSet", {"Name": "Plain"}, "REQUIRED_FIELD_MISSING"),
        ("PermissionSetAssignment", {}, "REQUIRED_FIELD_MISSING"),
        (
            "FieldPermissions",
            {"SobjectType": "Contact", "Field": "Contact.None__c", "PermissionsRead": True},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (
            "FieldPermissions",
            {"SobjectType": "Contact", "Field": "Contact.LastName", "PermissionsRead": True},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
        (
            "FieldPermissions",
            {"SobjectType": "Contact", "Field": "Contact.Phone", "PermissionsEdit": True},
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ],
)
def test_permission_objects_have_rules(
    salesforce: Salesforce, object_type: str, values: dict[str, object], code: str
) -> None:
    if object_type == "FieldPermissions":
        values = {**values, "ParentId": salesforce.create("PermissionSet", Name="P", Label="P")}
    assert salesforce.refusal(object_type, **values)[1]["errorCode"] == code


def test_nothing_is_granted_twice(salesforce: Salesforce) -> None:
    held = salesforce.grant("Contact.DoNotCall")
    user = salesforce.client.get("/services/oauth2/userinfo").json()["user_id"]
    status, error = salesforce.refusal("PermissionSetAssignment", AssigneeId=user, PermissionSetId=held)
    assert (status, error["errorCode"]) == (400, "DUPLICATE_VALUE")
    assert error["message"] == (
        f"Duplicate PermissionSetAssignment.  Assignee: {user[:15]}; Permission Set: {held[:15]}"
    )
    assert error["fields"] == ["AssigneeId", "PermissionSetId"]
    permission = {"ParentId": held, "SobjectType": "Contact", "Field": "Contact.DoNotCall"}
    assert salesforce.refusal("FieldPermissions", **permission, PermissionsRead=True)[1]["errorCode"] == (
        "DUPLICATE_VALUE"
    )
    assert salesforce.refusal("PermissionSet", Name="Set_1", Label="x")[1]["errorCode"] == ("DUPLICATE_VALUE")


@pytest.mark.parametrize(
    ("full_name", "metadata", "code"),
    [
        ("Contact.Bad__Name__c", {"label": "x", "type": "Date"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.Bad", {"label": "x", "type": "Date"}, "FIELD_INTEGRITY_EXCEPTION"),
        (f"Contact.{'a' * 41}__c", {"label": "x", "type": "Date"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.X__c", {"type": "Date"}, "REQUIRED_FIELD_MISSING"),
        ("Contact.X__c", {"label": "x" * 41, "type": "Date"}, "STRING_TOO_LONG"),
        ("Contact.X__c", {"label": "x", "type": "Text"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.X__c", {"label": "x", "type": "Text", "length": 256}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.X__c", {"label": "x", "type": "Number", "precision": 19, "scale": 0}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.X__c", {"label": "x", "type": "Checkbox"}, "FIELD_INTEGRITY_EXCEPTION"),
        ("Contact.X__c", {"label": "x", "type": "Long Text Area"}, "JSON_PARSER_ERROR"),
        ("Nothing.X__c", {"label": "x", "type": "Date"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("account.product_account_id__c", {"label": "x", "type": "Date"}, "DUPLICATE_DEVELOPER_NAME"),
    ],
)
def test_a_custom_field_must_be_well_defined(
    salesforce: Salesforce, full_name: str, metadata: dict[str, object], code: str
) -> None:
    assert _error(salesforce.custom_field(full_name, **metadata)) == (400, code)


def test_custom_fields_are_found_and_deleted_through_tooling(salesforce: Salesforce) -> None:
    made = salesforce.custom_field("Contact.Flag__c", label="Flag", type="Checkbox", defaultValue=False)
    field_id = made.json()["id"]
    salesforce.custom_field("Contact.Other__c", label="Other", type="Date")
    text = "SELECT Id, FullName FROM CustomField WHERE TableEnumOrId = 'Contact'"
    several = salesforce.client.get(f"{DATA}/tooling/query", params={"q": text})
    assert _error(several) == (400, "MALFORMED_QUERY")
    one = salesforce.client.get(f"{DATA}/tooling/query", params={"q": f"{text} AND DeveloperName = 'Flag'"}).json()
    assert (one["size"], one["records"][0]["FullName"]) == (1, "Contact.Flag__c")

    salesforce.grant("Contact.Flag__c")
    assert salesforce.read("Contact", ANA)["Flag__c"] is False
    assert salesforce.client.delete(f"{DATA}/tooling/sobjects/CustomField/{field_id}").status_code == 204
    assert "Flag__c" not in salesforce.read("Contact", ANA)


# --- queries over HTTP -----------------------------------------------------------------------


def test_a_query_answers_with_attributes_and_vendor_times(salesforce: Salesforce) -> None:
    found = salesforce.query("select id, systemmodstamp, Owner.Email from Contact where Id = '{}'", ANA[:15])
    assert found == {
        "totalSize": 1,
        "done": True,
        "records": [
            {
                "attributes": {"type": "Contact", "url": f"{DATA}/sobjects/Contact/{ANA}"},
                "Id": ANA,
                "SystemModstamp": "2026-01-05T08:30:15.000+0000",
                "Owner": {
                    "attributes": {"type": "User", "url": f"{DATA}/sobjects/User/{SELLER}"},
                    "Email": "sel@x.example",
                },
            }
        ],
    }


def test_deleted_rows_come_only_with_query_all(salesforce: Salesforce) -> None:
    assert salesforce.query("SELECT COUNT() FROM Contact") == {"totalSize": 2, "done": True, "records": []}
    assert salesforce.query("SELECT COUNT() FROM Contact", resource="queryAll")["totalSize"] == 3


def test_pages_follow_a_locator_and_show_the_rows_of_the_first_moment(salesforce: Salesforce) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": f"N{n:03}"} for n in range(200)]
    for _ in range(2):
        salesforce.client.post(f"{DATA}/composite/sobjects", json={"records": rows})
    first = salesforce.client.get(
        f"{DATA}/query/",
        params={"q": "SELECT Id, Name FROM Account ORDER BY Name, Id"},
        headers={"Sforce-Query-Options": "batchSize=200"},
    ).json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (402, False, 200)
    assert first["nextRecordsUrl"].startswith(f"{DATA}/query/0r8")
    assert first["nextRecordsUrl"].endswith("-200")
    salesforce.create("Account", Name="A late one")
    seen = [row["Id"] for row in first["records"]]
    address = first["nextRecordsUrl"]
    while address:
        page = salesforce.client.get(address).json()
        seen += [row["Id"] for row in page["records"]]
        address = page.get("nextRecordsUrl")
    assert page["done"] is True
    assert len(set(seen)) == len(seen) == 402
    assert _error(salesforce.client.get(f"{DATA}/query/0r8000000000000AAA-200")) == (400, "INVALID_QUERY_LOCATOR")


# --- one record ------------------------------------------------------------------------------


def test_a_record_is_made_read_changed_and_deleted(salesforce: Salesforce) -> None:
    made = salesforce.client.post(f"{DATA}/sobjects/contact/", json={"lastname": " Núñez ", "Title": ""})
    assert made.status_code == 201
    contact = made.json()["id"]
    assert made.json() == {"id": contact, "success": True, "errors": []}
    assert full_id(contact) == contact
    record = salesforce.read("Contact", contact[:15])
    assert (record["Name"], record["Title"], record["MailingAddress"]) == ("Núñez", None, None)
    address = f"{DATA}/sobjects/Contact/{contact}"
    changed = salesforce.client.patch(address, json={"FirstName": "Íñigo", "MailingCity": "Jaén"})
    assert (changed.status_code, changed.content) == (204, b"")
    record = salesforce.read("Contact", contact)
    assert record["Name"] == "Íñigo Núñez"
    assert record["MailingAddress"]["city"] == "Jaén"
    assert salesforce.client.get(address, params={"fields": "Id,firstname"}).json() == {
        "attributes": {"type": "Contact", "url": address},
        "Id": contact,
        "FirstName": "Íñigo",
    }
    assert salesforce.client.delete(address).status_code == 204
    assert _error(salesforce.client.get(address)) == (404, "NOT_FOUND")
    assert salesforce.client.delete(address).json() == [
        {"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}
    ]
    assert _error(salesforce.client.get(f"{DATA}/sobjects/Contact/nonsense")) == (400, "MALFORMED_ID")


@pytest.mark.parametrize(
    ("values", "code", "message", "fields"),
    [
        ({"Nothing": 1}, "INVALID_FIELD", "No such column 'Nothing' on sobject of type Contact", None),
        ({"FirstName": "x"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"]),
        ({"LastName": "x", "Name": "y"}, "INVALID_FIELD_FOR_INSERT_UPDATE", NOT_WRITABLE, ["Name"]),
        (
            {"LastName": "x", "FirstName": "y" * 41},
            "STRING_TOO_LONG",
            f"First Name: data value too large: {'y' * 41} (max length=40)",
            ["FirstName"],
        ),
        (
            {"LastName": "x", "Email": "not an email"},
            "INVALID_EMAIL_ADDRESS",
            "Email: invalid email address: not an email",
            ["Email"],
        ),
        (
            {"LastName": "x", "AccountId": SELLER},
            "MALFORMED_ID",
            f"Account ID: id value of incorrect type: {SELLER}",
            ["AccountId"],
        ),
        (
            {"LastName": "x", "AccountId": make_id("001", 99)},
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
            ["AccountId"],
        ),
        (
            {"LastName": "x", "OwnerId": LEFT},
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{LEFT[:15]}]",
            [],
        ),
        (
            {"LastName": "x", "MailingGeocodeAccuracy": "Moon"},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Mailing Geocode Accuracy: bad value for restricted picklist field: Moon",
            ["MailingGeocodeAccuracy"],
        ),
    ],
)
def test_a_bad_contact_is_refused_in_the_vendors_words(
    salesforce: Salesforce, values: dict[str, object], code: str, message: str, fields: list[str] | None
) -> None:
    status, error = salesforce.refusal("Contact", **values)
    expected: dict[str, object] = {"message": message, "errorCode": code}
    assert (status, error) == (400, expected if fields is None else {**expected, "fields": fields})


@pytest.mark.parametrize(
    "values",
    [
        {"Birthdate": "2026-02-30"},
        {"Birthdate": "2026-01-01T00:00:00Z"},
        {"EmailBouncedDate": "2026-01-01 00:00:00"},
        {"FirstName": 12},
        {"MailingLatitude": "far"},
        {"MailingLatitude": True},
        {"HasOptedOutOfEmail": None},
        {"LeadSource": ["Web"]},
    ],
)
def test_a_value_of_another_json_type_is_a_parser_error(salesforce: Salesforce, values: dict[str, object]) -> None:
    salesforce.grant("Contact.HasOptedOutOfEmail")
    status, error = salesforce.refusal("Contact", LastName="x", **values)
    assert (status, error["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert "Cannot deserialize instance of" in str(error["message"])


def test_a_body_that_is_no_json_object_is_a_parser_error(salesforce: Salesforce) -> None:
    for content in ("{", "[]", ""):
        answer = salesforce.client.post(f"{DATA}/sobjects/Contact", content=content)
        assert _error(answer) == (400, "JSON_PARSER_ERROR")


def test_numbers_are_rounded_to_their_scale_and_kept_in_range(salesforce: Salesforce) -> None:
    salesforce.custom_field("Account.Share__c", label="Share", type="Percent", precision=5, scale=2)
    salesforce.grant("Account.Share__c")
    for sent, stored in ((12.345, 12.35), ("50", 50.0), (-0.001, 0.0), (999.99, 999.99)):
        made = salesforce.create("Account", Name="x", Share__c=sent)
        assert salesforce.read("Account", made)["Share__c"] == stored
    for sent in (1000, 999.996, 1e30):
        status, error = salesforce.refusal("Account", Name="x", Share__c=sent)
        assert (status, error["errorCode"]) == (400, "NUMBER_OUTSIDE_VALID_RANGE")
        assert str(error["message"]).startswith("Share: value outside of valid range on numeric")
    assert salesforce.refusal("Account", Name="x", NumberOfEmployees=10**8)[1]["errorCode"] == (
        "NUMBER_OUTSIDE_VALID_RANGE"
    )
    assert salesforce.refusal("Account", Name="x", NumberOfEmployees=1.5)[1]["errorCode"] == ("JSON_PARSER_ERROR")


def test_times_are_kept_in_utc_to_the_second(salesforce: Salesforce) -> None:
    made = salesforce.create("Contact", LastName="x", EmailBouncedDate="2026-03-29T01:30:59.987+02:00")
    assert salesforce.read("Contact", made)["EmailBouncedDate"] == "2026-03-28T23:30:59.000+0000"


def test_length_counts_a_character_beyond_the_basic_plane_as_two(salesforce: Salesforce) -> None:
    salesforce.create("Contact", LastName="x", FirstName="é" * 40)
    assert salesforce.refusal("Contact", LastName="x", FirstName="🎉" * 21)[1]["errorCode"] == ("STRING_TOO_LONG")


def test_picklists_accept_unknown_values_only_where_they_are_not_restricted(salesforce: Salesforce) -> None:
    values = {"valueSetDefinition": {"value": [{"valueName": "b"}, {"valueName": "a"}]}}
    salesforce.custom_field(
        "Contact.Many__c",
        label="Many",
        type="MultiselectPicklist",
        visibleLines=4,
        valueSet={**values, "restricted": True},
    )
    salesforce.grant("Contact.Many__c")
    made = salesforce.create("Contact", LastName="x", LeadSource="Own list", Many__c="a;b")
    record = salesforce.read("Contact", made)
    assert (record["LeadSource"], record["Many__c"]) == ("Own list", "b;a")
    assert salesforce.refusal("Contact", LastName="x", Many__c="a;c")[1]["errorCode"] == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )


def test_an_unchanged_value_still_bumps_the_stamps(salesforce: Salesforce) -> None:
    before = salesforce.read("Contact", ANA)
    salesforce.client.patch(f"{DATA}/sobjects/Contact/{ANA}", json={"FirstName": "Ana"})
    after = salesforce.read("Contact", ANA)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"LastModifiedDate", "LastModifiedById", "SystemModstamp"}
    assert str(after["SystemModstamp"]).startswith("2026-06-01T09:0")


def test_null_clears_and_required_fields_cannot_be_cleared(salesforce: Salesforce) -> None:
    address = f"{DATA}/sobjects/Contact/{ANA}"
    assert salesforce.client.patch(address, json={"Email": None}).status_code == 204
    assert salesforce.read("Contact", ANA)["Email"] is None
    refused = salesforce.client.patch(address, json={"LastName": None})
    assert _error(refused) == (400, "REQUIRED_FIELD_MISSING")
    assert _error(salesforce.client.patch(address, json={"Id": ANA})) == (400, "INVALID_FIELD")


def test_a_record_changed_since_is_not_overwritten_when_asked(salesforce: Salesforce) -> None:
    address = f"{DATA}/sobjects/Contact/{ANA}"
    since = {"If-Unmodified-Since": "Mon, 05 Jan 2026 08:30:15 GMT"}
    assert salesforce.client.patch(address, json={"Title": "a"}, headers=since).status_code == 204
    assert salesforce.client.patch(address, json={"Title": "b"}, headers=since).status_code == 412


def test_assignment_rules_take_a_lead_unless_told_not_to(salesforce: Salesforce) -> None:
    lead = salesforce.create("Lead", LastName="x", Company="y")
    owner = salesforce.query("SELECT Owner.Name, Status FROM Lead WHERE Id = '{}'", lead)["records"][0]
    assert (owner["Owner"]["Name"], owner["Status"]) == ("Inbound Leads", "Open - Not Contacted")
    made = salesforce.client.post(
        f"{DATA}/sobjects/Lead",
        json={"LastName": "x", "Company": "y", "OwnerId": SELLER},
        headers={"Sforce-Auto-Assign": "FALSE"},
    )
    assert salesforce.read("Lead", made.json()["id"])["OwnerId"] == SELLER


def test_a_wrong_method_is_told_the_right_ones(salesforce: Salesforce) -> None:
    answer = salesforce.client.put(f"{DATA}/composite/sobjects", json={})
    assert _error(answer) == (405, "METHOD_NOT_ALLOWED")


# --- external ids ----------------------------------------------------------------------------


def test_upsert_updates_creates_or_says_that_there_are_several(salesforce: Salesforce) -> None:
    def upsert(key: str, **values: object) -> httpx.Response:
        address = f"{DATA}/sobjects/Account/Product_Account_Id__c/{key}"
        return salesforce.client.patch(address, json=values)

    found = upsert("ACME-0001", Site="here")
    assert (found.status_code, found.json()) == (200, {"id": ACME, "success": True, "errors": [], "created": False})
    assert _error(upsert("new%2F1?updateOnly=true", Name="New")) == (404, "NOT_FOUND")
    made = upsert("new%2F1", Name="New")
    assert (made.status_code, made.json()["created"]) == (201, True)
    assert salesforce.read("Account", made.json()["id"])["Product_Account_Id__c"] == "new/1"
    assert _error(upsert("x", Name="X", Product_Account_Id__c="x")) == (400, "INVALID_FIELD")
    salesforce.create("Account", Name="Twin", Product_Account_Id__c="acme-0001")
    several = upsert("acme-0001", Site="there")
    assert several.status_code == 300
    assert f"{DATA}/sobjects/Account/{ACME}" in several.json()
    lost = salesforce.client.patch(f"{DATA}/sobjects/Account/Site/here", json={"Name": "x"})
    assert lost.json()[0]["message"] == ("Provided external ID field does not exist or is not accessible: Site")


def test_a_unique_external_id_has_one_holder(salesforce: Salesforce) -> None:
    salesforce.custom_field("Contact.Key__c", label="Key", type="Text", length=20, unique=True, externalId=True)
    salesforce.grant("Contact.Key__c")
    first = salesforce.create("Contact", LastName="x", Key__c="K1")
    status, error = salesforce.refusal("Contact", LastName="y", Key__c="k1")
    assert (status, error["errorCode"]) == (400, "DUPLICATE_VALUE")
    assert error["message"] == (f"duplicate value found: Key__c duplicates value on record with id: {first[:15]}")
    salesforce.client.delete(f"{DATA}/sobjects/Contact/{first}")
    salesforce.create("Contact", LastName="y", Key__c="k1")


# --- collections -----------------------------------------------------------------------------


def _contact(record_id: str, **values: object) -> dict[str, object]:
    return {"attributes": {"type": "Contact"}, "id": record_id, **values}


def test_a_collection_answers_each_row_in_order(salesforce: Salesforce) -> None:
    answer = salesforce.patch_rows(
        _contact(ANA, Title="Chief"),
        _contact(BEN, Email="badone"),
        _contact(OLD, Title="x"),
        _contact(make_id("003", 77), Title="x"),
        _contact("nonsense", Title="x"),
        {"attributes": {"type": "Contact"}, "Title": "x"},
        _contact(BEN[:15], None__c=1),
    )
    assert answer.status_code == 200
    good, *bad = answer.json()
    assert good == {"id": ANA, "success": True, "errors": []}
    assert [row["errors"][0]["statusCode"] for row in bad] == [
        "DUPLICATE_VALUE",
        "ENTITY_IS_DELETED",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
    ]
    assert all(set(row) == {"success", "errors"} for row in bad)
    one = salesforce.patch_rows(_contact(BEN, Email="badone")).json()
    assert one == [
        {
            "success": False,
            "errors": [
                {
                    "statusCode": "INVALID_EMAIL_ADDRESS",
                    "message": "Email: invalid email address: badone",
                    "fields": ["Email"],
                }
            ],
        }
    ]


def test_all_or_none_keeps_none_when_one_fails(salesforce: Salesforce) -> None:
    rows = (_contact(ANA, Title="Chief"), _contact(BEN, unknown__c="x"))
    results = salesforce.patch_rows(*rows, all_or_none=True).json()
    assert [row["errors"][0]["statusCode"] for row in results] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_FIELD"]
    assert results[1]["errors"][0]["fields"] == []
    record = salesforce.read("Contact", ANA)
    assert record["Title"] is None
    assert record["SystemModstamp"] == "2026-01-05T08:30:15.000+0000"


def test_a_locked_row_fails_alone_and_only_for_a_while(salesforce: Salesforce) -> None:
    salesforce.store.lock("Contact", BEN)
    rows = (_contact(ANA, Title="a"), _contact(BEN, Title="b"))
    first = salesforce.patch_rows(*rows).json()
    assert [row["success"] for row in first] == [True, False]
    assert first[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert [row["success"] for row in salesforce.patch_rows(*rows).json()] == [True, True]


def test_external_ids_of_fifteen_characters_are_no_record_ids(salesforce: Salesforce) -> None:
    row = {"attributes": {"type": "Account"}, "Name": "x", "Product_Account_Id__c": "abcdefghijklmnO"}
    address = f"{DATA}/composite/sobjects/Account/Product_Account_Id__c"
    twice = salesforce.client.patch(address, json={"records": [row, row]}).json()
    assert [one["errors"][0]["statusCode"] for one in twice] == ["DUPLICATE_VALUE"] * 2
    assert salesforce.client.patch(address, json={"records": [row]}).json()[0]["created"] is True


def test_an_unreadable_value_sinks_the_whole_collection(salesforce: Salesforce) -> None:
    answer = salesforce.patch_rows(_contact(ANA, Title="Chief"), _contact(BEN, Birthdate="soon"))
    assert _error(answer) == (400, "JSON_PARSER_ERROR")
    assert salesforce.read("Contact", ANA)["Title"] is None


def test_a_collection_has_limits(salesforce: Salesforce) -> None:
    many = [{"attributes": {"type": "Account"}, "Name": "x"}] * 201
    address = f"{DATA}/composite/sobjects"
    assert _error(salesforce.client.post(address, json={"records": many})) == (400, "EXCEEDED_ID_LIMIT")
    assert salesforce.client.post(address, json={"records": []}).json() == [
        {"message": "At least 1 record is required", "errorCode": "REQUIRED_FIELD_MISSING"}
    ]
    mixed = [
        {"attributes": {"type": kind}, "Name": "x", "LastName": "x"}
        for _ in range(6)
        for kind in ("Account", "Contact")
    ]
    assert _error(salesforce.client.post(address, json={"records": mixed[:11]})) == (400, "LIMIT_EXCEEDED")


def test_collections_create_upsert_retrieve_and_delete(salesforce: Salesforce) -> None:
    address = f"{DATA}/composite/sobjects"
    made = salesforce.client.post(
        address,
        json={
            "records": [
                {"attributes": {"type": "Account"}, "Name": "One", "Product_Account_Id__c": "one"},
                {"attributes": {"type": "Account"}, "Name": None},
            ]
        },
    ).json()
    assert made[0]["success"] is True
    assert made[1]["errors"][0]["message"] == "Required fields are missing: [Name]"

    def row(key: object, name: str) -> dict[str, object]:
        return {"attributes": {"type": "Account"}, "Product_Account_Id__c": key, "Name": name}

    results = salesforce.client.patch(
        f"{address}/Account/Product_Account_Id__c",
        json={"records": [row("ONE", "a"), row("two", "b"), row("3", "c"), row("3", "d"), row(None, "e")]},
    ).json()
    assert [(one["success"], one.get("created")) for one in results] == [
        (True, False),
        (True, True),
        (False, None),
        (False, None),
        (False, None),
    ]
    assert results[2]["errors"][0]["message"] == "Duplicate external id specified: 3"

    ids = [made[0]["id"], make_id("001", 88), results[1]["id"]]
    got = salesforce.client.post(f"{address}/Account", json={"ids": ids, "fields": ["name"]}).json()
    assert [None if one is None else one["Name"] for one in got] == ["a", None, "b"]
    bad = salesforce.client.get(f"{address}/Account", params={"ids": "x", "fields": "Id"})
    assert bad.json() == [{"message": "malformed id x", "errorCode": "MALFORMED_ID"}]

    gone = salesforce.client.delete(address, params={"ids": ",".join(ids)}).json()
    assert [one["success"] for one in gone] == [True, False, True]


def test_two_hundred_rows_are_one_call(salesforce: Salesforce) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": f"N{n}"} for n in range(200)]
    made = salesforce.client.post(f"{DATA}/composite/sobjects", json={"records": rows}).json()
    changed = salesforce.patch_rows(
        *({"attributes": {"type": "Account"}, "id": one["id"], "Site": "x"} for one in made)
    )
    assert [one["id"] for one in changed.json()] == [one["id"] for one in made]
    assert changed.headers["Sforce-Limit-Info"] == "api-usage=2/100000"


# --- replication -----------------------------------------------------------------------------


def test_updated_and_deleted_list_what_changed(salesforce: Salesforce) -> None:
    period = {"start": "2026-05-30T00:00:00Z", "end": "2026-06-02T00:00:00+00:00"}
    salesforce.client.patch(f"{DATA}/sobjects/Contact/{ANA}", json={"Title": "x"})
    salesforce.store.delete("Contact", BEN)
    salesforce.clock.advance(1)
    salesforce.log_in_again()
    updated = salesforce.client.get(f"{DATA}/sobjects/Contact/updated/", params=period).json()
    assert updated == {"ids": [ANA], "latestDateCovered": "2026-06-02T00:00:00.000+0000"}
    deleted = salesforce.client.get(f"{DATA}/sobjects/Contact/deleted", params=period).json()
    assert [one["id"] for one in deleted["deletedRecords"]] == [BEN]
    early = {"start": "2026-04-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}
    assert _error(salesforce.client.get(f"{DATA}/sobjects/Contact/updated", params=early)) == (
        400,
        "INVALID_REPLICATION_DATE",
    )


# --- what people do --------------------------------------------------------------------------


def test_a_person_edits_under_their_own_name(salesforce: Salesforce) -> None:
    salesforce.store.edit("Contact", ANA, {"Title": "Director", "DoNotCall": True})
    record = salesforce.read("Contact", ANA)
    assert (record["Title"], record["LastModifiedById"]) == ("Director", SELLER)
    with pytest.raises(KeyError, match="no object"):
        salesforce.store.edit("Nothing", ANA, {})
    with pytest.raises(KeyError, match="no Contact"):
        salesforce.store.edit("Contact", OLD, {})
    with pytest.raises(KeyError, match="no field"):
        salesforce.store.edit("Contact", ANA, {"None__c": 1})
    with pytest.raises(ValueError, match="STRING_TOO_LONG"):
        salesforce.store.edit("Contact", ANA, {"Phone": "1" * 41})


def test_the_loser_of_a_merge_names_the_winner(salesforce: Salesforce) -> None:
    assert salesforce.store.merge("Account", GLOBEX, ACME) == GLOBEX
    rows = salesforce.query("SELECT Id, IsDeleted, MasterRecordId FROM Account", resource="queryAll")["records"]
    merged = {row["Id"]: (row["IsDeleted"], row["MasterRecordId"]) for row in rows}
    assert merged == {ACME: (True, GLOBEX), GLOBEX: (False, None)}
    assert salesforce.read("Contact", ANA)["AccountId"] == GLOBEX


def test_deleting_an_account_takes_its_contacts_along(salesforce: Salesforce) -> None:
    salesforce.store.delete("Account", ACME)
    assert salesforce.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
    stored = {row["Id"]: row["IsDeleted"] for row in salesforce.store.records("Contact")}
    assert stored == {ANA: True, BEN: True, OLD: True}


def test_stored_records_are_plain_json_with_every_field(salesforce: Salesforce) -> None:
    records = salesforce.store.records("Contact")
    assert json.loads(json.dumps(records)) == records
    assert {"Email", "DoNotCall", "MailingAddress", "MasterRecordId"} <= set(records[0])
    with pytest.raises(KeyError, match="no object"):
        salesforce.store.records("Nothing")


def test_a_deleted_record_is_found_by_its_email_with_query_all_only(salesforce: Salesforce) -> None:
    salesforce.client.delete(f"{DATA}/sobjects/Contact/{ANA}")
    text = "SELECT Id FROM Contact WHERE Email = 'ana@acme.example'"
    assert salesforce.query(text)["totalSize"] == 0
    assert salesforce.query(text, resource="queryAll")["totalSize"] == 1


def test_a_row_whose_external_id_several_records_have_fails(salesforce: Salesforce) -> None:
    salesforce.create("Account", Name="Twin", Product_Account_Id__c="ACME-0001")
    row = {"attributes": {"type": "Account"}, "Name": "Which", "Product_Account_Id__c": "acme-0001"}
    address = f"{DATA}/composite/sobjects/Account/Product_Account_Id__c"
    (answer,) = salesforce.client.patch(address, json={"records": [row]}).json()
    assert answer["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_a_field_that_becomes_required_is_asked_for_at_once(salesforce: Salesforce) -> None:
    salesforce.create("Contact", LastName="Before")
    salesforce.custom_field("Contact.Code__c", label="Code", type="Text", length=5, required=True)
    status, error = salesforce.refusal("Contact", LastName="After")
    assert (status, error["errorCode"], error["fields"]) == (400, "REQUIRED_FIELD_MISSING", ["Code__c"])


def test_two_hundred_requests_at_once_lose_nothing(salesforce: Salesforce) -> None:
    async def flood() -> list[str]:
        limits = httpx.Limits(max_connections=200)
        headers = {"Authorization": salesforce.client.headers["Authorization"]}
        async with httpx.AsyncClient(
            base_url=salesforce.client.base_url, headers=headers, limits=limits, timeout=60
        ) as client:
            rows = [{"attributes": {"type": "Contact"}, "LastName": "Flood"} for _ in range(3)]
            body = {"allOrNone": True, "records": rows}
            answers = await asyncio.gather(*(client.post(f"{DATA}/composite/sobjects", json=body) for _ in range(200)))
        return [row["id"] for answer in answers for row in answer.json()]

    made = asyncio.run(flood())
    assert len(made) == len(set(made)) == 600
    found = salesforce.query("SELECT Id FROM Contact WHERE LastName = 'Flood'")
    assert {row["Id"] for row in found["records"]} == set(made)
    assert salesforce.client.get(f"{DATA}/limits").headers["Sforce-Limit-Info"] == "api-usage=202/100000"
