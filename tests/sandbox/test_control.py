"""The control API: what a test or a demo may ask of the sandbox itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from sandbox.server import Sandbox, serving

AS_OF = date(2026, 11, 21)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serving(seed=11, visitors=300, as_of=AS_OF) as sandbox:
        yield sandbox


@pytest.fixture
def control(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["control"], timeout=30) as client:
        yield client
        client.delete("/faults")


@pytest.fixture
def pendo(running: Sandbox) -> Iterator[httpx.Client]:
    key = {"x-pendo-integration-key": running.settings["PENDO_INTEGRATION_KEY"]}
    with httpx.Client(base_url=running.urls["pendo"], headers=key) as client:
        yield client


@pytest.fixture
def hubspot(running: Sandbox) -> Iterator[httpx.Client]:
    token = {"Authorization": f"Bearer {running.settings['HUBSPOT_ACCESS_TOKEN']}"}
    with httpx.Client(base_url=running.urls["hubspot"], headers=token) as client:
        yield client


def test_every_vendor_request_is_logged_with_its_answer(
    control: httpx.Client, pendo: httpx.Client, running: Sandbox
) -> None:
    control.delete("/requests")
    pendo.get("/api/v1/guide", params={"expand": "*"})
    httpx.get(running.urls["hubspot"] + "/crm/owners/2026-09")
    log = control.get("/requests").json()
    assert [(r["vendor"], r["method"], r["path"], r["query"], r["status"]) for r in log] == [
        ("pendo", "GET", "/api/v1/guide", "expand=%2A", 200),
        ("hubspot", "GET", "/crm/owners/2026-09", "", 401),
    ]
    assert log[0]["time"].startswith("2026-11-21T09:0")
    assert control.get("/requests", params={"vendor": "hubspot"}).json() == log[1:]
    assert control.get("/requests", params={"since": log[0]["n"]}).json() == log[1:]
    assert control.get("/requests", params={"since": log[0]["time"]}).json() == log
    assert control.get("/requests", params={"since": "2026-11-22T00:00Z"}).json() == []
    assert control.get("/requests", params={"since": "lunch"}).status_code == 400
    assert control.get("/requests", params={"vendor": "druid"}).status_code == 404


def test_no_secret_is_in_the_log(control: httpx.Client, pendo: httpx.Client) -> None:
    secret = pendo.headers["x-pendo-integration-key"]
    pendo.get("/api/v1/token/verify")
    assert secret not in control.get("/requests").text


def test_a_fault_is_answered_once_then_all_is_well(control: httpx.Client, pendo: httpx.Client) -> None:
    fault = {
        "vendor": "pendo",
        "path": "^/api/v1/token",
        "status": 429,
        "headers": {"Retry-After": "3"},
        "body": {"message": "slow down"},
        "skip": 1,
    }
    control.post("/faults", json=fault)
    answers = [pendo.get("/api/v1/token/verify") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 429, 200]
    assert answers[1].headers["retry-after"] == "3"
    assert answers[1].json() == {"message": "slow down"}
    assert "date" in answers[1].headers
    assert control.get("/faults").json() == []


def test_other_vendors_methods_and_paths_are_spared(control: httpx.Client, pendo: httpx.Client) -> None:
    for fault in (
        {"vendor": "hubspot", "status": 500},
        {"vendor": "pendo", "status": 500, "method": "POST"},
        {"vendor": "pendo", "status": 500, "path": "aggregation"},
    ):
        control.post("/faults", json=fault)
    assert pendo.get("/api/v1/token/verify").status_code == 200
    assert len(control.get("/faults").json()) == 3


@pytest.mark.parametrize("lost", [{"status": 502}, {"drop": True}])
def test_the_work_may_be_done_though_the_answer_is_lost(
    control: httpx.Client, hubspot: httpx.Client, lost: dict[str, object]
) -> None:
    contact = control.get("/records/hubspot/contacts").json()[0]["id"]
    path = "/crm/objects/2026-09/contacts/batch/update"
    control.post("/faults", json={"vendor": "hubspot", "path": path, "after": True, **lost})
    title = f"Lost {lost}"
    body = {"inputs": [{"id": contact, "properties": {"jobtitle": title}}]}
    if "drop" in lost:
        with pytest.raises(httpx.RemoteProtocolError):
            hubspot.post(path, json=body)
    else:
        assert hubspot.post(path, json=body).status_code == 502
    stored = {r["id"]: r for r in control.get("/records/hubspot/contacts").json()}
    assert stored[contact]["properties"]["jobtitle"] == title
    assert control.get("/requests").json()[-1]["status"] == lost.get("status")


def test_a_dropped_connection_does_no_work(control: httpx.Client, pendo: httpx.Client) -> None:
    control.post("/faults", json={"vendor": "pendo", "drop": True, "times": 2})
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            pendo.get("/api/v1/token/verify")
    assert pendo.get("/api/v1/token/verify").status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"vendor": "pendo", "status": 500, "path": "("},
        {"vendor": "pendo", "status": 500, "colour": "red"},
        {"vendor": "pendo", "status": "500"},
        {"vendor": "pendo"},
        {},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(control: httpx.Client, fault: dict[str, object]) -> None:
    assert control.post("/faults", json=fault).status_code == 400


def test_people_edit_delete_and_merge_records(control: httpx.Client) -> None:
    for vendor, kind, name in (
        ("hubspot", "contacts", "jobtitle"),
        ("salesforce", "Contact", "Title"),
    ):
        records = control.get(f"/records/{vendor}/{kind}").json()
        live = [r for r in records if not r.get("archived") and not r.get("IsDeleted")]
        first, second, third = (str(r.get("id") or r["Id"]) for r in live[:3])
        target = {"vendor": vendor, "object": kind}
        edit = {**target, "id": first, "properties": {name: "Chief"}}
        assert control.post("/edit", json=edit).status_code == 200
        assert control.post("/delete", json={**target, "id": second}).status_code == 200
        merge = {**target, "primary_id": first, "secondary_id": third}
        kept = control.post("/merge", json=merge).json()["id"]
        after = {
            str(r.get("id") or r["Id"]): r
            for r in control.get(f"/records/{vendor}/{kind}").json()
            if not r.get("archived") and not r.get("IsDeleted")
        }
        assert after[kept].get("properties", after[kept])[name] == "Chief"
        assert second not in after
        assert third not in after


def test_what_is_not_there_is_not_found(control: httpx.Client) -> None:
    edit = {"vendor": "hubspot", "object": "contacts", "id": "1", "properties": {"jobtitle": "x"}}
    assert control.post("/edit", json=edit).status_code == 404
    assert control.post("/edit", json={**edit, "vendor": "pendo"}).status_code == 404
    assert control.post("/edit", json={**edit, "object": "planets"}).status_code == 404
    assert control.post("/edit", json={"vendor": "hubspot"}).status_code == 400
    assert control.post("/edit", content=b"no").status_code == 400
    bad = {**edit, "properties": {"email": "nobody"}}
    bad["id"] = control.get("/records/hubspot/contacts").json()[-1]["id"]
    assert control.post("/edit", json=bad).status_code == 400
    assert control.get("/records/hubspot/planets").status_code == 404
    assert control.get("/records/druid/users").status_code == 404


def test_matches_follow_what_people_do_in_the_crm(control: httpx.Client) -> None:
    def state() -> tuple[set[tuple[str, str]], set[str]]:
        truth = control.get("/truth/matches").json()
        pairs = {
            (m["product_id"], m["record_id"])
            for m in truth["matches"]
            if m["object"] == "contacts" and m["crm"] == "hubspot"
        }
        return pairs, {i for c in truth["conflicts"] for i in c["record_ids"]}

    pairs, conflicts = state()
    records = {r["id"]: r for r in control.get("/records/hubspot/contacts").json()}
    # Of people whom one address alone identifies.
    plain = sorted((p, r) for p, r in pairs if not records[r]["properties"].get("hs_additional_emails"))
    (one, one_record), (two, two_record) = plain[:2]
    other_email = records[two_record]["properties"]["email"].strip()
    target = {"vendor": "hubspot", "object": "contacts"}

    edit = {**target, "id": one_record, "properties": {"email": None}}
    assert control.post("/edit", json=edit).status_code == 200
    assert (one, one_record) not in state()[0]

    first = chr(ord(other_email[0]) + 0xFEE0)  # another spelling, as HubSpot lets it pass
    edit["properties"] = {"email": first + other_email[1:]}
    assert control.post("/edit", json=edit).status_code == 200
    pairs, conflicts = state()
    assert (two, two_record) not in pairs
    assert {one_record, two_record} <= conflicts

    assert control.post("/delete", json={**target, "id": one_record}).status_code == 200
    assert (two, two_record) in state()[0]


def test_excluded_and_archived_ones_never_match_and_conflicts_exist(control: httpx.Client) -> None:
    truth = control.get("/truth/matches").json()
    metrics = control.get("/truth/metrics").json()
    matched = [m["product_id"] for m in truth["matches"] if m["product_object"] == "visitor"]
    assert set(matched) <= set(metrics["visitors"])
    archived = {r["id"] for r in control.get("/records/hubspot/contacts").json() if r["archived"]}
    assert archived
    assert not archived & {m["record_id"] for m in truth["matches"]}
    for crm in ("hubspot", "salesforce"):
        groups = [c for c in truth["conflicts"] if c["crm"] == crm]
        assert any(len(c["record_ids"]) > 1 for c in groups)
        assert any(len(c["product_ids"]) > 1 for c in groups)
        assert any(c["product_object"] == "account" for c in groups)


def test_days_pass_and_salespeople_change_a_few_records(control: httpx.Client) -> None:
    before = control.get("/records/salesforce/Contact").json()
    answer = control.post("/advance", json={"days": 2}).json()
    assert answer["as_of"] == "2026-11-23"
    assert answer["edits"]
    after = control.get("/records/salesforce/Contact").json()
    changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
    assert 0 < len(changed) <= 6
    assert control.post("/advance", json={"days": -1}).status_code == 400
    assert control.get("/clock").json()["now"].startswith("2026-11-23T09:0")
