"""Many requests at once lose nothing, and a write that fails leaves nothing half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.conftest import ACME, ANA, BEN, DATA, GLOBEX, Salesforce

OBJECTS = ("Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole", "Task")
UPSERTS = f"{DATA}/composite/sobjects/Account/Product_Account_Id__c"


def everything(salesforce: Salesforce) -> dict[str, list[dict[str, object]]]:
    return {name: salesforce.store.records(name) for name in OBJECTS}


def flood(
    salesforce: Salesforce, calls: list[Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]]
) -> list[httpx.Response]:
    async def send() -> list[httpx.Response]:
        headers = {"Authorization": salesforce.client.headers["Authorization"]}
        limits = httpx.Limits(max_connections=len(calls))
        async with httpx.AsyncClient(
            base_url=salesforce.client.base_url, headers=headers, limits=limits, timeout=300
        ) as client:
            return await asyncio.gather(*(call(client) for call in calls))

    return asyncio.run(send())


def account_row(key: str, name: str) -> dict[str, object]:
    return {"attributes": {"type": "Account"}, "Product_Account_Id__c": key, "Name": name}


def test_two_hundred_upserts_at_once_make_each_record_once(salesforce: Salesforce) -> None:
    def upsert(n: int) -> Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]:
        rows = [account_row(f"key-{n % 40}", f"From {n}"), account_row(f"own-{n}", f"Own {n}")]
        return lambda client: client.patch(UPSERTS, json={"allOrNone": False, "records": rows})

    answers = flood(salesforce, [upsert(n) for n in range(200)])
    assert {answer.status_code for answer in answers} == {200}
    rows = [row for answer in answers for row in answer.json()]
    assert all(row["success"] for row in rows)
    assert sum(row["created"] for row in rows) == 40 + 200
    kept = [row["Product_Account_Id__c"] for row in salesforce.store.records("Account")]
    assert len([key for key in kept if str(key).startswith(("key-", "own-"))]) == 240
    assert len(set(kept)) == len([key for key in kept if key is not None]) + (None in kept)


def test_two_hundred_changes_of_one_record_at_once_are_all_made(salesforce: Salesforce) -> None:
    fields = ("Phone", "Title", "Department", "MobilePhone")

    def change(n: int) -> Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]:
        row = {"attributes": {"type": "Contact"}, "Id": ANA, fields[n % 4]: f"{n}"}
        return lambda client: client.patch(f"{DATA}/composite/sobjects", json={"records": [row]})

    answers = flood(salesforce, [change(n) for n in range(200)])
    assert all(answer.json()[0]["success"] for answer in answers)
    read = salesforce.read("Contact", ANA)
    # The last one of each field wins, whichever came last; no field's writes are lost to another's.
    assert all(int(read[name]) % 4 == place for place, name in enumerate(fields))


def test_bulk_jobs_that_run_at_once_write_every_row(salesforce: Salesforce) -> None:
    ingest = f"{DATA}/jobs/ingest"

    def job(n: int) -> Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]:
        async def run(client: httpx.AsyncClient) -> httpx.Response:
            made = (await client.post(ingest, json={"object": "Contact", "operation": "insert"})).json()
            path, csv = f"{ingest}/{made['id']}", f"LastName,Title\nBulk,{n}-a\nBulk,{n}-b\n"
            await client.put(f"{path}/batches", content=csv, headers={"Content-Type": "text/csv"})
            await client.patch(path, json={"state": "UploadComplete"})
            await client.get(path)
            return await client.get(path)

        return run

    answers = flood(salesforce, [job(n) for n in range(50)])
    assert {answer.json()["state"] for answer in answers} == {"JobComplete"}
    titles = [row["Title"] for row in salesforce.store.records("Contact") if row["LastName"] == "Bulk"]
    assert sorted(titles, key=str) == sorted(f"{n}-{end}" for n in range(50) for end in "ab")


def test_a_failed_all_or_none_leaves_every_record_as_it_was(salesforce: Salesforce) -> None:
    before = everything(salesforce)
    changed: list[dict[str, object]] = [
        {"attributes": {"type": "Contact"}, "Id": ANA, "LastName": "Changed"},
        {"attributes": {"type": "Account"}, "Id": ACME, "Product_Account_Id__c": "moved"},
        {"attributes": {"type": "Contact"}, "Id": BEN, "Email": "no address"},
    ]
    failed = salesforce.patch_rows(*changed, all_or_none=True).json()
    assert [row["success"] for row in failed] == [False] * 3
    upserted = salesforce.client.patch(
        UPSERTS, json={"allOrNone": True, "records": [account_row("fresh", "Fresh"), account_row("acme-0001", "")]}
    ).json()
    assert not any(row["success"] for row in upserted)
    deleted = salesforce.client.delete(
        f"{DATA}/composite/sobjects", params={"ids": f"{ACME},{GLOBEX},{'003' + '0' * 15}", "allOrNone": "true"}
    ).json()
    assert not any(row["success"] for row in deleted)
    assert everything(salesforce) == before
    # Nor do the indexes remember: both keys find what they found.
    found = salesforce.query("SELECT Id FROM Account WHERE Product_Account_Id__c IN ('fresh', 'moved', 'acme-0001')")
    assert [row["Id"] for row in found["records"]] == [ACME]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.integers(0, 9), names=st.lists(st.text("abcé☃", min_size=1, max_size=8), min_size=10, max_size=10))
def test_one_bad_row_anywhere_undoes_a_composite(salesforce: Salesforce, bad: int, names: list[str]) -> None:
    before = everything(salesforce)
    parts: list[dict[str, object]] = [
        {
            "method": "POST",
            "url": f"{DATA}/sobjects/Contact",
            "referenceId": f"made{n}",
            "body": {"LastName": name} if n != bad else {"FirstName": name},
        }
        for n, name in enumerate(names)
    ]
    answer = salesforce.client.post(f"{DATA}/composite", json={"allOrNone": True, "compositeRequest": parts})
    assert answer.status_code == 200
    assert all(part["httpStatusCode"] == 400 for part in answer.json()["compositeResponse"])
    assert everything(salesforce) == before


def test_a_merge_and_a_conversion_that_fail_change_nothing(salesforce: Salesforce) -> None:
    lead = salesforce.create("Lead", LastName="Lead", Company="Prospect", Email="lead@x.example")
    before = everything(salesforce)
    for attempt in (  # each is refused at another point of the work
        lambda: salesforce.store.merge("Contact", ANA, ANA),
        lambda: salesforce.store.merge("Contact", ANA, "003000000000000AAA"),
        lambda: salesforce.store.convert_lead(lead, account_id="001000000000000AAA", opportunity=True),
    ):
        with pytest.raises((KeyError, ValueError)):
            attempt()
        assert everything(salesforce) == before


def test_a_restored_account_brings_back_what_was_deleted_with_it(salesforce: Salesforce) -> None:
    salesforce.store.delete("Contact", BEN)
    salesforce.clock.advance(1)
    before = {row["Id"]: row["IsDeleted"] for row in salesforce.store.records("Contact")}
    salesforce.store.delete("Account", ACME)
    assert all(row["IsDeleted"] for row in salesforce.store.records("Contact"))
    salesforce.store.restore("Account", ACME)
    assert {row["Id"]: row["IsDeleted"] for row in salesforce.store.records("Contact")} == before
    salesforce.log_in_again()
    assert salesforce.query("SELECT Id FROM Account WHERE Id = '{}'", ACME)["totalSize"] == 1
    with pytest.raises(KeyError):
        salesforce.store.restore("Account", ACME)


def test_the_loser_of_a_merge_cannot_be_restored(salesforce: Salesforce) -> None:
    salesforce.store.merge("Contact", ANA, BEN)
    with pytest.raises(KeyError):
        salesforce.store.restore("Contact", BEN)
