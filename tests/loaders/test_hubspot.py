"""HubSpot's landing: what is read, when, and what becomes of records that go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from loaders import LoadError, LoadSettings, load
from sandbox.server import Sandbox
from tests.loaders.conftest import WANTED, Load, Query

# Records that merges have retired, or that were deleted for good, are landed as archived, without a time of it.
IN_HUBSPOT = "not archived or archived_at is not null"


@pytest.fixture
def hubspot(sandbox: Sandbox) -> httpx.Client:
    token = sandbox.settings["HUBSPOT_ACCESS_TOKEN"]
    return httpx.Client(base_url=sandbox.urls["hubspot"], headers={"Authorization": f"Bearer {token}"})


def stored(control: httpx.Client, object_type: str = "contacts") -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = control.get(f"/records/hubspot/{object_type}").json()
    return records


def live(control: httpx.Client) -> list[str]:
    return [record["id"] for record in stored(control) if not record["archived"]]


def edit(control: httpx.Client, record_id: str, **properties: str) -> None:
    body = {"vendor": "hubspot", "object": "contacts", "id": record_id, "properties": properties}
    control.post("/edit", json=body).raise_for_status()


def test_every_record_is_landed_as_it_is(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("hubspot")
    landed = query(f"select id, email, lastname, archived from hubspot.contacts where {IN_HUBSPOT}")
    assert set(landed) == {
        (record["id"], record["properties"].get("email"), record["properties"].get("lastname"), record["archived"])
        for record in stored(control)
    }
    assert query("select count(*) from hubspot.contacts where archived")[0][0]


def test_the_second_load_lands_only_what_changed(load_rows: Load, query: Query, control: httpx.Client) -> None:
    before = {record["id"]: record["updatedAt"] for record in stored(control)}
    load_rows("hubspot")
    assert query(f"select count(*) from hubspot.contacts where {IN_HUBSPOT}") == [(len(before),)]
    changed = live(control)[7]
    edit(control, changed, lastname="Ōkawa")
    # The search index lags behind; the day lets it catch up, and salespeople edit a few contacts more.
    control.post("/advance", json={"days": 1})
    edited = {record["id"] for record in stored(control) if record["updatedAt"] != before[record["id"]]}
    assert 1 <= load_rows("hubspot")["contacts"] <= len(edited)
    assert query("select lastname from hubspot.contacts where id = ?", changed) == [("Ōkawa",)]
    assert query("select mode from hubspot.reads where object = 'contacts'") == [("incremental",)]


def test_a_week_later_everything_is_read_again(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("hubspot")
    control.post("/advance", json={"days": 7})
    # Beside the records that there are, those that went into others: a merge may leave a new record, or one of the two.
    merged = {
        one
        for record in stored(control)
        for one in (record["properties"].get("hs_merged_object_ids") or "").split(";")
        if one
    }
    retired = merged - {record["id"] for record in stored(control)}
    assert retired
    assert load_rows("hubspot")["contacts"] == len(stored(control)) + len(retired)
    assert query("select mode from hubspot.reads where object = 'contacts'") == [("full",)]


def test_a_deleted_record_is_archived(load_rows: Load, query: Query, control: httpx.Client) -> None:
    load_rows("hubspot")
    deleted = live(control)[3]
    control.post("/delete", json={"vendor": "hubspot", "object": "contacts", "id": deleted})
    load_rows("hubspot")
    archived = query("select archived, archived_at is not null from hubspot.contacts where id = ?", deleted)
    assert archived == [(True, True)]


def test_merged_records_leave_the_landing_and_their_heir_enters_it(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    load_rows("hubspot")
    first, second = live(control)[:2]
    body = {"vendor": "hubspot", "object": "contacts", "primary_id": first, "secondary_id": second}
    merged = control.post("/merge", json=body)
    assert merged.is_success, merged.text
    heir = merged.json()["id"]
    control.post("/advance", json={"days": 1})
    load_rows("hubspot")
    landed = dict(query("select id, archived from hubspot.contacts where id in (?, ?, ?)", first, second, heir))
    assert landed == {first: True, second: True, heir: False}


def test_a_property_that_hubspot_lacks_is_all_null_until_it_is_there(
    load_rows: Load, query: Query, hubspot: httpx.Client, control: httpx.Client
) -> None:
    load_rows("hubspot")
    assert query("select count(*), count(usage_minutes) from hubspot.contacts")[0][1] == 0
    hubspot.post(
        "/crm/properties/2026-09/contacts",
        json={
            "groupName": "contactinformation",
            "name": "usage_minutes",
            "label": "Minutes",
            "type": "number",
            "fieldType": "number",
        },
    ).raise_for_status()
    contact = live(control)[0]
    hubspot.post(
        "/crm/objects/2026-09/contacts/batch/update",
        json={"inputs": [{"id": contact, "properties": {"usage_minutes": "12"}}]},
    ).raise_for_status()
    load_rows("hubspot")
    assert query("select mode from hubspot.reads where object = 'contacts'") == [("full",)]
    assert query("select id, usage_minutes from hubspot.contacts where usage_minutes is not null") == [(contact, "12")]


def test_more_properties_than_a_url_can_hold_are_read_all_the_same(
    load_rows: Load, query: Query, hubspot: httpx.Client, control: httpx.Client
) -> None:
    names = tuple(f"p{number}_{'long' * 20}" for number in range(200))
    definitions = [
        {"groupName": "contactinformation", "name": name, "label": name, "type": "string", "fieldType": "text"}
        for name in names
    ]
    for first in range(0, len(names), 100):
        inputs = definitions[first : first + 100]
        hubspot.post("/crm/properties/2026-09/contacts/batch/create", json={"inputs": inputs}).raise_for_status()
    edit(control, live(control)[0], **{names[-1]: "kept"})
    load_rows("hubspot", wanted=replace(WANTED, hubspot={"contacts": ("email", *names)}))
    landed = query("select columns(lambda name: name in ('email', ?)) from hubspot.contacts", names[-1])
    assert len([email for email, _ in landed if email]) > 1
    assert [kept for _, kept in landed if kept] == ["kept"]
    assert {request["status"] for request in control.get("/requests").json()} <= {200, 201}


def test_definitions_say_what_may_be_written(load_rows: Load, query: Query) -> None:
    load_rows("hubspot")
    assert query(
        "select type, has_unique_value, read_only_value from hubspot.properties "
        "where object = 'contacts' and name in ('email', 'createdate') order by name"
    ) == [("datetime", False, True), ("string", False, False)]
    (options,) = query("select options from hubspot.properties where name = 'lifecyclestage' and object = 'contacts'")
    assert '"customer"' in str(options[0])
    assert query("select count(*) from hubspot.owners")[0][0]
    assert query("select usage_limit > current_usage from hubspot.api_usage") == [(True,)]


def test_another_account_is_not_mixed_into_the_warehouse(load_rows: Load, control: httpx.Client) -> None:
    load_rows("hubspot")
    other = {"vendor": "hubspot", "path": "/account-info/2026-09/details", "status": 200, "body": {"portalId": 1}}
    control.post("/faults", json=other).raise_for_status()
    with pytest.raises(LoadError, match="this warehouse holds account HubSpot 24601001"):
        load_rows("hubspot")


def test_a_wrong_token_is_named(load_rows: Load, settings: LoadSettings) -> None:
    object.__setattr__(settings, "hubspot_access_token", "pat-wrong")
    with pytest.raises(LoadError, match="check HUBSPOT_ACCESS_TOKEN") as raised:
        load_rows("hubspot")
    assert "pat-wrong" not in str(raised.value)


def test_a_missing_scope_is_named(load_rows: Load, control: httpx.Client) -> None:
    body = {
        "status": "error",
        "category": "MISSING_SCOPES",
        "message": "This app hasn't been granted all required scopes to make this call.",
        "errors": [{"message": "…", "context": {"requiredGranularScopes": ["crm.objects.owners.read"]}}],
    }
    fault = {"vendor": "hubspot", "path": "/crm/owners/2026-09", "status": 403, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match=r"grant the scope crm\.objects\.owners\.read"):
        load_rows("hubspot")


def test_a_passing_limit_is_waited_for_and_the_daily_one_is_not(load_rows: Load, control: httpx.Client) -> None:
    path = "/crm/objects/2026-09/contacts"
    passing = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING", "message": "…"}
    fault = {"vendor": "hubspot", "path": path, "status": 429, "body": passing}
    control.post("/faults", json=fault).raise_for_status()
    assert load_rows("hubspot")["contacts"]
    daily = {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
    control.post("/faults", json=fault | {"body": daily}).raise_for_status()
    control.delete("/requests")
    with pytest.raises(LoadError, match="daily limit"):
        load_rows("hubspot")
    assert [request["status"] for request in control.get("/requests").json()].count(429) == 1


def test_opt_outs_that_hubspot_does_not_tell_end_the_load_and_those_that_were_landed_stay(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    wanted = replace(WANTED, hubspot_subscriptions=True)
    load_rows("hubspot", wanted=wanted)
    landed = query("from hubspot.subscription_statuses order by all")
    assert landed
    path = "/communication-preferences/2026-09/statuses/batch/read"
    refused = {"status": "error", "category": "VALIDATION_ERROR", "message": "Batch reads need another edition."}
    fault = {"vendor": "hubspot", "path": path, "status": 400, "times": 50, "body": refused}
    control.post("/faults", json=fault).raise_for_status()
    control.post("/advance", json={"days": 7}).raise_for_status()
    control.delete("/requests").raise_for_status()
    with pytest.raises(LoadError, match=r"no address has subscribed to .*Batch reads need another edition") as told:
        load_rows("hubspot", wanted=wanted)
    assert "\n" not in str(told.value)
    # A batch, and one address that is in order.
    assert [one["path"] for one in control.get("/requests").json()].count(path) == 2
    assert query("from hubspot.subscription_statuses order by all") == landed


def test_an_answer_that_cannot_be_used_is_not_kept_for_the_next_load(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    path = "/crm/objects/2026-09/contacts"
    body = {"results": [{"id": "seven", "properties": {}, "updatedAt": "2026-11-10T09:00:00Z"}]}
    fault = {"vendor": "hubspot", "path": path, "skip": 1, "status": 200, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match="HubSpot sent a record whose id or time is none"):
        load_rows("hubspot")
    load_rows("hubspot")
    assert query(f"select count(*) from hubspot.contacts where {IN_HUBSPOT}") == [(len(stored(control)),)]


EVENTS = "/events/2026-09/event-definitions"


def test_custom_events_are_landed_with_what_they_may_carry(
    load_rows: Load, query: Query, hubspot: httpx.Client
) -> None:
    wanted = replace(WANTED, hubspot_events=True)
    load_rows("hubspot", wanted=wanted)
    assert query("from hubspot.event_definitions") == query("from hubspot.event_properties") == []
    mark = {"name": "mark", "label": "Mark", "type": "string"}
    for name, carried in (("seen", [mark, {**mark, "name": "times", "type": "number"}]), ("bare", [])):
        given = {"name": name, "label": name.title(), "primaryObject": "CONTACT", "propertyDefinitions": carried}
        hubspot.post(EVENTS, json=given).raise_for_status()
    load_rows("hubspot", wanted=wanted)
    landed = query("select full_name, name, label, archived from hubspot.event_definitions order by name")
    assert [(name, label, archived) for _, name, label, archived in landed] == [
        ("bare", "Bare", False),
        ("seen", "Seen", False),
    ]
    (_, (seen, *_)) = landed
    found = query("select event, name, type from hubspot.event_properties order by name")
    assert found == [(seen, "mark", "string"), (seen, "times", "number")]
    # One that is deleted is gone from the next landing.
    hubspot.delete(f"{EVENTS}/{seen}").raise_for_status()
    load_rows("hubspot", wanted=wanted)
    assert query("select name from hubspot.event_definitions") == [("bare",)]
    assert query("from hubspot.event_properties") == []


def test_a_token_that_may_not_read_events_lands_everything_else_and_a_note_says_so(
    settings: LoadSettings, query: Query, control: httpx.Client
) -> None:
    lacks = {"requiredGranularScopes": ["behavioral_events.event_definitions.read_write"]}
    body = {"category": "MISSING_SCOPES", "message": "no", "errors": [{"message": "no", "context": lacks}]}
    fault = {"vendor": "hubspot", "path": EVENTS, "status": 403, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    landings = load(["hubspot"], settings, replace(WANTED, hubspot_events=True), lambda *_: None)
    notes = {landing.table: landing.note for landing in landings if landing.note}
    assert notes == {
        "event_definitions": f"none are known, so none is sent: HubSpot refused {EVENTS} to this access token (403): "
        "grant the scope behavioral_events.event_definitions.read_write"
    }
    assert query("from hubspot.event_definitions") == query("from hubspot.event_properties") == []
    assert query("select count(*) > 10 from hubspot.contacts") == [(True,)]
    assert query("from hubspot.reads where object = 'event_definitions'") == []
