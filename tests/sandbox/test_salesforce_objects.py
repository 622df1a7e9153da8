"""Opportunities, tasks, assets, custom objects, person accounts, converted leads and admins' rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.records import SeedRecord
from sandbox.salesforce import DuplicateRule, Field, FlowFailed, SalesforceStore, ValidationRule
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.schema import Row
from tests.sandbox.conftest import ACME, ANA, BEN, CREATED, DATA, SELLER, UPDATED, Salesforce

PEOPLE = pytest.mark.parametrize("salesforce", [{"person_accounts": True}], indirect=True)


def _opportunity(salesforce: Salesforce, **values: object) -> str:
    base = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-07-31", "AccountId": ACME}
    return salesforce.create("Opportunity", **(base | values))


def _one(salesforce: Salesforce, text: str, *ids: str) -> dict[str, Any]:
    (found,) = salesforce.query(text, *ids)["records"]
    one: dict[str, Any] = found
    return one


# --- opportunities and their contact roles ----------------------------------------------------


def test_a_stage_decides_about_an_opportunity(salesforce: Salesforce) -> None:
    sure = _opportunity(salesforce, ForecastCategoryName="Commit")
    assert salesforce.read("Opportunity", sure)["ForecastCategoryName"] == "Commit"
    deal = _opportunity(salesforce, Amount=1_000)
    made = salesforce.read("Opportunity", deal)
    assert (made["Probability"], made["ExpectedRevenue"], made["IsClosed"]) == (10.0, 100.0, False)
    assert (made["FiscalYear"], made["FiscalQuarter"], made["Fiscal"]) == (2026, 3, "2026 3")
    salesforce.client.patch(f"{DATA}/sobjects/Opportunity/{deal}", json={"Probability": 30})
    salesforce.client.patch(f"{DATA}/sobjects/Opportunity/{deal}", json={"Amount": 2_000})
    assert salesforce.read("Opportunity", deal)["ExpectedRevenue"] == 600.0
    salesforce.client.patch(f"{DATA}/sobjects/Opportunity/{deal}", json={"StageName": "Closed Won"})
    won = salesforce.read("Opportunity", deal)
    assert (won["Probability"], won["IsClosed"], won["IsWon"], won["ForecastCategory"]) == (100.0, True, True, "Closed")


def test_an_opportunitys_contact_becomes_its_primary_role(salesforce: Salesforce) -> None:
    deal = _opportunity(salesforce, ContactId=ANA)
    role = _one(salesforce, "SELECT Id, ContactId, IsPrimary, Contact.Email FROM OpportunityContactRole")
    assert (role["ContactId"], role["IsPrimary"], role["Contact"]["Email"]) == (ANA, True, "Ana@Acme.example")
    status, error = 400, "INVALID_FIELD_FOR_INSERT_UPDATE"
    answer = salesforce.client.patch(f"{DATA}/sobjects/Opportunity/{deal}", json={"ContactId": BEN})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, error)
    salesforce.create("OpportunityContactRole", OpportunityId=deal, ContactId=BEN, Role="Evaluator", IsPrimary=True)
    primary = _one(salesforce, "SELECT ContactId FROM OpportunityContactRole WHERE IsPrimary = TRUE")
    assert primary["ContactId"] == BEN
    family = _one(salesforce, "SELECT Id, (SELECT Role FROM OpportunityContactRoles) FROM Opportunity")
    assert family["OpportunityContactRoles"]["totalSize"] == 2
    salesforce.client.delete(f"{DATA}/sobjects/Opportunity/{deal}")
    assert salesforce.query("SELECT Id FROM OpportunityContactRole")["totalSize"] == 0


def test_planted_opportunities_have_what_follows_from_their_stage(salesforce: Salesforce) -> None:
    values: dict[str, str | float] = {
        "Name": "Old",
        "StageName": "Closed Won",
        "CloseDate": "2026-05-01",
        "Amount": 10.0,
    }
    seed = SeedRecord("Opportunity", make_id("006", 1), values, CREATED, UPDATED)
    (deal,) = SalesforceStore([seed], salesforce.clock).records("Opportunity")
    assert (deal["IsWon"], deal["Probability"], deal["ExpectedRevenue"]) == (True, 100.0, 10.0)
    assert deal["SystemModstamp"] == "2026-01-05T08:30:15.000+0000"


def test_opportunities_are_found_by_name(salesforce: Salesforce) -> None:
    body = {"StageName": "Prospecting", "CloseDate": "2026-07-31"}
    made = salesforce.client.patch(f"{DATA}/sobjects/Opportunity/Name/Big%20deal", json=body)
    again = salesforce.client.patch(f"{DATA}/sobjects/Opportunity/Name/big%20deal", json=body)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["id"] == again.json()["id"]


# --- tasks and assets -------------------------------------------------------------------------


def test_a_task_points_at_people_and_at_things(salesforce: Salesforce) -> None:
    deal = _opportunity(salesforce)
    task = salesforce.create("Task", WhoId=ANA, WhatId=deal, Subject="Call", Priority="High")
    read = salesforce.read("Task", task)
    assert (read["Status"], read["IsHighPriority"], read["IsClosed"], read["AccountId"]) == (
        "Not Started",
        True,
        False,
        ACME,
    )
    found = _one(salesforce, "SELECT Who.Name, What.Name FROM Task WHERE WhoId = '{}'", ANA)
    assert (found["Who"]["Name"], found["What"]["Name"]) == ("Ana Ångström", "Deal")
    assert (found["Who"]["attributes"]["type"], found["What"]["attributes"]["type"]) == ("Contact", "Opportunity")
    salesforce.client.patch(f"{DATA}/sobjects/Task/{task}", json={"Status": "Completed"})
    assert salesforce.read("Task", task)["IsClosed"] is True
    status, error = salesforce.refusal("Task", WhatId=ANA)
    assert (status, error["errorCode"], error["fields"]) == (400, "MALFORMED_ID", ["WhatId"])
    assert error["message"] == f"Related To ID: id value of incorrect type: {ANA}"


def test_archived_tasks_come_only_with_query_all(salesforce: Salesforce) -> None:
    salesforce.store.archive_task(salesforce.create("Task", Subject="Old", WhoId=ANA))
    assert salesforce.query("SELECT Id FROM Task")["totalSize"] == 0
    assert salesforce.query("SELECT Id FROM Task WHERE IsArchived = TRUE", resource="queryAll")["totalSize"] == 1


def test_an_asset_needs_an_account_or_a_contact(salesforce: Salesforce) -> None:
    salesforce.create("Asset", Name="Seat", ContactId=ANA)
    asset = salesforce.create("Asset", Name="Seat", AccountId=ACME, Price=12.5, Quantity=1.005)
    read = salesforce.read("Asset", asset)
    assert (read["Price"], read["Quantity"]) == (13.0, 1.01)
    status, error = salesforce.refusal("Asset", Name="Seat")
    assert (status, error["errorCode"]) == (400, "FIELD_INTEGRITY_EXCEPTION")


# --- custom objects and record types ----------------------------------------------------------


def test_a_custom_object_works_like_any_other(salesforce: Salesforce) -> None:
    salesforce.store.add_object("Seat__c", "Seat", "Seats")
    lookup = {"type": "Lookup", "referenceTo": "Account", "relationshipName": "Seats"}
    assert salesforce.custom_field("Seat__c.Account__c", label="Account", **lookup).status_code == 201
    key = {"type": "Text", "length": 20, "externalId": True, "unique": True}
    assert salesforce.custom_field("Seat__c.Key__c", label="Key", **key).status_code == 201
    salesforce.grant("Seat__c.Account__c", "Seat__c.Key__c")
    made = salesforce.client.patch(f"{DATA}/sobjects/Seat__c/Key__c/a", json={"Account__c": ACME})
    seat = made.json()["id"]
    assert seat.startswith("a00")
    assert salesforce.read("Seat__c", seat)["Name"] == seat
    found = _one(salesforce, "SELECT Account__r.Name FROM Seat__c")
    assert found["Account__r"]["Name"] == "Acme"
    family = _one(salesforce, "SELECT Id, (SELECT Key__c FROM Seats__r) FROM Account WHERE Id = '{}'", ACME)
    assert family["Seats__r"]["records"][0]["Key__c"] == "a"
    described = salesforce.client.get(f"{DATA}/sobjects/Seat__c/describe").json()
    assert (described["custom"], described["keyPrefix"]) == (True, "a00")


def test_record_types_belong_to_their_object(salesforce: Salesforce) -> None:
    assert "RecordTypeId" not in salesforce.fields("Account")
    partner = salesforce.store.add_record_type("Account", "Partner", "Partner")
    salesforce.store.add_record_type("Contact", "Worker", "Worker")
    account = salesforce.create("Account", Name="P", RecordTypeId=partner)
    found = _one(salesforce, "SELECT RecordType.DeveloperName FROM Account WHERE Id = '{}'", account)
    assert found["RecordType"]["DeveloperName"] == "Partner"
    infos = salesforce.client.get(f"{DATA}/sobjects/Account/describe").json()["recordTypeInfos"]
    assert [(one["developerName"], one["defaultRecordTypeMapping"]) for one in infos] == [
        ("Partner", True),
        ("Master", False),
    ]
    status, error = salesforce.refusal("Contact", LastName="A", RecordTypeId=partner)
    assert (status, error["errorCode"]) == (400, "INVALID_CROSS_REFERENCE_KEY")


# --- person accounts --------------------------------------------------------------------------


def test_without_person_accounts_the_field_does_not_exist(salesforce: Salesforce) -> None:
    answer = salesforce.client.get(f"{DATA}/query", params={"q": "SELECT IsPersonAccount FROM Account"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD"


@PEOPLE
def test_a_person_is_an_account_with_a_twin(salesforce: Salesforce) -> None:
    person = salesforce.create("Account", FirstName="Pia", LastName="Person", PersonEmail="pia@home.example")
    account = salesforce.read("Account", person)
    assert (account["Name"], account["IsPersonAccount"]) == ("Pia Person", True)
    twin = salesforce.read("Contact", account["PersonContactId"])
    assert (twin["Name"], twin["Email"], twin["AccountId"], twin["IsPersonAccount"]) == (
        "Pia Person",
        "pia@home.example",
        person,
        True,
    )
    salesforce.client.patch(f"{DATA}/sobjects/Account/{person}", json={"LastName": "New", "PersonTitle": "CEO"})
    assert salesforce.read("Account", person)["Name"] == "Pia New"
    found = _one(salesforce, "SELECT Name, Title FROM Contact WHERE Account.IsPersonAccount = TRUE")
    assert (found["Name"], found["Title"]) == ("Pia New", "CEO")
    assert salesforce.query("SELECT Id FROM Contact WHERE IsPersonAccount = FALSE")["totalSize"] == 2
    salesforce.client.delete(f"{DATA}/sobjects/Account/{person}")
    assert salesforce.client.get(f"{DATA}/sobjects/Contact/{twin['Id']}").status_code == 404


@PEOPLE
def test_a_persons_name_is_written_in_parts_and_the_twin_not_at_all(salesforce: Salesforce) -> None:
    person = salesforce.create("Account", LastName="Person")
    twin = salesforce.read("Account", person)["PersonContactId"]

    def refusal(method: str, path: str, **values: object) -> str:
        answer = salesforce.client.request(method, f"{DATA}/sobjects/{path}", json=values)
        assert answer.status_code == 400
        return str(answer.json()[0]["errorCode"])

    not_writable, wrong = "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_PERSON_ACCOUNT_OPERATION"
    assert refusal("PATCH", f"Account/{person}", Name="Whole") == not_writable
    assert refusal("PATCH", f"Account/{ACME}", LastName="No person") == not_writable
    assert refusal("PATCH", f"Account/{ACME}", PersonEmail="a@b.example") == not_writable
    assert refusal("POST", "Account", Site="nameless") == "REQUIRED_FIELD_MISSING"
    assert refusal("PATCH", f"Contact/{twin}", Title="CEO") == wrong
    assert refusal("DELETE", f"Contact/{twin}") == wrong
    assert refusal("POST", "Contact", LastName="A", AccountId=person) == wrong


@PEOPLE
def test_a_record_type_makes_a_person_and_none_changes_one(salesforce: Salesforce) -> None:
    person_type = _one(salesforce, "SELECT Id FROM RecordType WHERE IsPersonType = TRUE")["Id"]
    partner = salesforce.store.add_record_type("Account", "Partner", "Partner")
    person = salesforce.create("Account", LastName="Person", RecordTypeId=person_type)
    assert salesforce.read("Account", salesforce.create("Account", LastName="P"))["RecordTypeId"] == person_type
    assert salesforce.refusal("Account", Name="N", RecordTypeId=person_type)[1]["errorCode"] == (
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    )
    for record_id, record_type in ((person, partner), (ACME, person_type)):
        answer = salesforce.client.patch(f"{DATA}/sobjects/Account/{record_id}", json={"RecordTypeId": record_type})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_PERSON_ACCOUNT_OPERATION")


@PEOPLE
def test_custom_fields_of_contacts_show_on_people(salesforce: Salesforce) -> None:
    salesforce.custom_field("Contact.Days__c", label="Days", type="Number", precision=5, scale=0)
    assert "Days__pc" not in salesforce.fields("Account")
    salesforce.grant("Contact.Days__c")
    assert salesforce.fields("Account")["Days__pc"]["updateable"] is True
    person = salesforce.create("Account", LastName="Person", Days__pc=5)
    account = salesforce.read("Account", person)
    assert account["Days__pc"] == 5.0
    assert salesforce.read("Contact", account["PersonContactId"])["Days__c"] == 5.0


@PEOPLE
def test_people_can_be_planted(salesforce: Salesforce) -> None:
    seed = SeedRecord(
        "Account", make_id("001", 9), {"LastName": "Seed", "PersonEmail": "s@x.example"}, CREATED, UPDATED
    )
    store = SalesforceStore([seed], salesforce.clock, person_accounts=True)
    (twin,) = store.records("Contact")
    assert (twin["Name"], twin["Email"], twin["SystemModstamp"]) == (
        "Seed",
        "s@x.example",
        "2026-01-05T08:30:15.000+0000",
    )


@PEOPLE
def test_people_are_not_merged_here(salesforce: Salesforce) -> None:
    person = salesforce.create("Account", LastName="Person")
    with pytest.raises(KeyError, match="cannot be merged here"):
        salesforce.store.merge("Account", ACME, person)


# --- converted leads --------------------------------------------------------------------------


def test_a_converted_lead_leads_to_its_contact_and_is_read_only(salesforce: Salesforce) -> None:
    lead = salesforce.create("Lead", LastName="Lee", FirstName="Al", Company="Lee Ltd", Email="al@lee.example")
    made = salesforce.store.convert_lead(lead, opportunity=True)
    read = salesforce.read("Lead", lead)
    assert (read["IsConverted"], read["Status"], read["ConvertedDate"]) == (True, "Closed - Converted", "2026-06-01")
    assert (read["ConvertedAccountId"], read["ConvertedContactId"], read["ConvertedOpportunityId"]) == (
        made.account_id,
        made.contact_id,
        made.opportunity_id,
    )
    contact = _one(salesforce, "SELECT Name, Email, Account.Name FROM Contact WHERE Id = '{}'", made.contact_id)
    assert (contact["Name"], contact["Email"], contact["Account"]["Name"]) == ("Al Lee", "al@lee.example", "Lee Ltd")
    role = _one(salesforce, "SELECT ContactId FROM OpportunityContactRole")
    assert role["ContactId"] == made.contact_id
    (answer,) = salesforce.patch_rows({"attributes": {"type": "Lead"}, "id": lead, "Title": "CEO"}).json()
    assert answer == {
        "success": False,
        "errors": [
            {"statusCode": "CANNOT_UPDATE_CONVERTED_LEAD", "message": "cannot reference converted lead", "fields": []}
        ],
    }
    with pytest.raises(KeyError, match="converted already"):
        salesforce.store.convert_lead(lead)


def test_a_lead_may_be_converted_into_records_that_exist(salesforce: Salesforce) -> None:
    lead = salesforce.create("Lead", LastName="Lee", Company="Acme")
    made = salesforce.store.convert_lead(lead, account_id=ACME, contact_id=ANA)
    assert (made.account_id, made.contact_id, made.opportunity_id) == (ACME, ANA, None)


def test_a_conversion_takes_an_alert_as_read_and_heeds_a_block(salesforce: Salesforce) -> None:
    salesforce.store.add_duplicate_rule(DuplicateRule("Account", "Same_Name", ("Name",)))
    lead = salesforce.create("Lead", LastName="Lee", Company="Acme", Email="ana@acme.example")
    salesforce.store.add_duplicate_rule(DuplicateRule("Contact", "Same_Email", ("Email",), "block"))
    with pytest.raises(ValueError, match="DUPLICATES_DETECTED"):
        salesforce.store.convert_lead(lead)
    assert salesforce.query("SELECT Id FROM Account WHERE Name = 'Acme'")["totalSize"] == 1
    assert salesforce.store.convert_lead(lead, contact_id=ANA).account_id != ACME


# --- what administrators set up ---------------------------------------------------------------


def test_a_formula_changes_without_a_trace(salesforce: Salesforce) -> None:
    def age(row: Row) -> object:
        return float((salesforce.clock.now().date() - CREATED.date()).days) + len(str(row["LastName"]))

    field = Field("Age__c", "Age", "double", precision=18, scale=0)
    salesforce.store.add_formula("Contact", field, age)
    described = salesforce.fields("Contact")["Age__c"]
    assert (described["calculated"], described["createable"], described["updateable"]) == (True, False, False)
    first = salesforce.read("Contact", ANA)
    salesforce.clock.advance(3)
    salesforce.log_in_again()
    second = salesforce.read("Contact", ANA)
    assert second["Age__c"] == first["Age__c"] + 3
    assert second["SystemModstamp"] == first["SystemModstamp"]
    found = salesforce.query(f"SELECT Age__c FROM Contact WHERE Age__c = {second['Age__c']:.0f}")
    assert found["records"][0]["Age__c"] == second["Age__c"]
    answer = salesforce.client.patch(f"{DATA}/sobjects/Contact/{ANA}", json={"Age__c": 1})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_validation_rule_speaks_in_its_authors_words(salesforce: Salesforce) -> None:
    def promoted(row: Row, before: Row | None) -> bool:
        return row.get("Title") == "CEO" and before is not None and before.get("Title") != "CFO"

    salesforce.store.add_validation_rule(ValidationRule("Contact", "A CEO was a CFO before", promoted, "Title"))
    address = f"{DATA}/sobjects/Contact/{ANA}"
    answer = salesforce.client.patch(address, json={"Title": "CEO"})
    assert (answer.status_code, answer.json()) == (
        400,
        [
            {
                "message": "A CEO was a CFO before",
                "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "fields": ["Title"],
            }
        ],
    )
    assert salesforce.read("Contact", ANA)["Title"] is None
    for title in ("CFO", "CEO"):
        assert salesforce.client.patch(address, json={"Title": title}).status_code == 204


def test_a_duplicate_rule_tells_what_it_found(salesforce: Salesforce) -> None:
    salesforce.store.add_duplicate_rule(DuplicateRule("Contact", "Same_Email", ("Email",)))
    status, error = salesforce.refusal("Contact", LastName="Twin", Email="ana@acme.example")
    assert (status, error["errorCode"], error["message"]) == (400, "DUPLICATES_DETECTED", "Use one of these records?")
    found: Any = error["duplicateResult"]
    assert (found["allowSave"], found["duplicateRule"], found["duplicateRuleEntityType"]) == (
        True,
        "Same_Email",
        "Contact",
    )
    (match,) = found["matchResults"]
    assert match["size"] == 1
    assert match["matchRecords"][0]["record"]["Id"] == ANA
    assert "LastName" not in match["matchRecords"][0]["record"]


def test_an_alert_can_be_taken_as_read_and_a_block_cannot(salesforce: Salesforce) -> None:
    salesforce.store.add_duplicate_rule(DuplicateRule("Contact", "Same_Email", ("Email",)))
    salesforce.store.add_duplicate_rule(DuplicateRule("Lead", "Same_Name", ("LastName", "Company"), "block"))
    salesforce.store.add_duplicate_rule(DuplicateRule("Account", "Same_Name", ("Name",), "allow"))
    headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=true"}

    def status(object_type: str, **values: str) -> int:
        return salesforce.client.post(f"{DATA}/sobjects/{object_type}", json=values, headers=headers).status_code

    assert status("Contact", LastName="Twin", Email="ANA@acme.example") == 201
    assert status("Account", Name="Acme") == 201
    assert status("Lead", LastName="Lee", Company="L") == 201
    answer = salesforce.client.post(
        f"{DATA}/sobjects/Lead", json={"LastName": "Lee", "Company": "l"}, headers=headers
    ).json()
    found = answer[0]["duplicateResult"]
    assert found["allowSave"] is False
    assert found["matchResults"][0]["matchRecords"][0]["record"]["LastName"] == "Lee"


def test_duplicates_in_collections_fail_their_row_and_do_not_stop_other_changes(salesforce: Salesforce) -> None:
    salesforce.store.add_duplicate_rule(DuplicateRule("Contact", "Same_Email", ("Email",)))
    row: dict[str, object] = {"attributes": {"type": "Contact"}, "id": BEN, "Email": "ana@acme.example"}
    (answer,) = salesforce.patch_rows(row).json()
    assert answer["errors"] == [
        {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []}
    ]
    headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    address = f"{DATA}/sobjects/Contact/{BEN}"
    assert salesforce.client.patch(address, json={"Email": "ana@acme.example"}, headers=headers).status_code == 204
    assert salesforce.client.patch(address, json={"Title": "x"}).status_code == 204  # as much a duplicate as before
    for one in (ANA, BEN):
        salesforce.client.delete(f"{DATA}/sobjects/Contact/{one}")
    salesforce.create("Contact", LastName="New", Email="ana@acme.example")


def test_a_flow_runs_on_every_save_and_may_change_or_stop_it(salesforce: Salesforce) -> None:
    runs: list[str] = []

    def flow(row: Row, before: Row | None) -> Mapping[str, object] | None:
        runs.append("made" if before is None else "changed")
        if row.get("Title") == "stop":
            raise FlowFailed("The flow says no")
        return {"Department": str(row["LastName"]).upper()}

    salesforce.store.add_flow("Contact", flow)
    made = salesforce.create("Contact", LastName="Flo")
    address = f"{DATA}/sobjects/Contact/{made}"
    for _ in range(2):
        salesforce.client.patch(address, json={"LastName": "Flo"})  # changes nothing, and still runs it
    assert runs == ["made", "changed", "changed"]
    assert salesforce.read("Contact", made)["Department"] == "FLO"
    answer = salesforce.client.patch(address, json={"Title": "stop"})
    assert (answer.status_code, answer.json()) == (
        400,
        [{"message": "The flow says no", "errorCode": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "fields": []}],
    )


def test_history_tells_who_changed_a_field_and_from_what(salesforce: Salesforce) -> None:
    salesforce.store.track_history("Contact", "Title", "Email")
    me = salesforce.client.get("/services/oauth2/userinfo").json()["user_id"]
    for title in ("CEO", "CEO", "CFO"):
        salesforce.client.patch(f"{DATA}/sobjects/Contact/{ANA}", json={"Title": title})
    salesforce.store.edit("Contact", ANA, {"Title": "CTO", "Phone": "1"})
    text = "SELECT ContactId, Field, OldValue, NewValue, CreatedById FROM ContactHistory WHERE ContactId = '{}'"
    found = [
        (one["Field"], one["OldValue"], one["NewValue"], one["CreatedById"])
        for one in salesforce.query(text, ANA)["records"]
    ]
    assert found == [("Title", None, "CEO", me), ("Title", "CEO", "CFO", me), ("Title", "CFO", "CTO", SELLER)]
    made = salesforce.create("Contact", LastName="New")
    assert _one(salesforce, text, made)["Field"] == "created"
    assert salesforce.refusal("ContactHistory", Field="Title")[0] == 400
    with pytest.raises(ValueError, match="20 fields at most"):
        salesforce.store.track_history("Account", "Nothing")


def test_parents_are_named_by_external_id(salesforce: Salesforce) -> None:
    made = salesforce.create("Contact", LastName="A", Account={"Product_Account_Id__c": "ACME-0001"})
    assert salesforce.read("Contact", made)["AccountId"] == ACME
    salesforce.create("Account", Name="Twin", Product_Account_Id__c="acme-0001")
    for key, word in (("acme-0001", "matches more than one record"), ("nowhere", "not found")):
        status, error = salesforce.refusal("Contact", LastName="A", Account={"Product_Account_Id__c": key})
        assert (status, error["errorCode"]) == (400, "INVALID_FIELD")
        assert error["message"] == (
            f"Foreign key external ID: {key} {word} for field Product_Account_Id__c in entity Account"
        )
    assert salesforce.refusal("Contact", LastName="A", Account={"Name": "Acme"})[0] == 404
    assert salesforce.refusal("Contact", LastName="A", Nothing={"Name": "Acme"})[1]["errorCode"] == "INVALID_FIELD"
