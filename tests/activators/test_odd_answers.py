"""Answers that the sandbox never gives: from gateways, from a vendor's bad day, from the wrong address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import stamina

from activators.apply import apply_plan
from activators.connectors import Destination
from activators.errors import ActivationError, PlanError, QuotaExhausted, Unauthorized, Unreachable, VendorError
from activators.hubspot import HubSpot
from activators.journal import Change, Journal, RecordChanges, Result
from activators.provision import provision
from activators.salesforce import Salesforce
from tests.activators.conftest import NOW, Seal, activation

Answer = Callable[[httpx.Request], httpx.Response]
DATE = {"Date": "Fri, 20 Mar 2026 09:00:10 GMT"}
SESSION = {"access_token": "session", "id": "https://login.example/id/00D/005000000000001AAA"}


@pytest.fixture(autouse=True)
def _no_waiting() -> Any:
    with stamina.set_testing(True, attempts=3):
        yield


def dated(body: object) -> httpx.Response:
    """An answer that comes over a wire, as the time that a call took is measured there."""
    return httpx.Response(200, headers=DATE, stream=httpx.ByteStream(orjson.dumps(body)))


def records(
    *ids: str, prop: str = "usage_days", family: str = "number", after: str | None = "5"
) -> list[RecordChanges]:
    return [RecordChanges(item, (Change(prop, family, None, after),)) for item in ids]


def hubspot(answer: Answer) -> HubSpot:
    http = httpx.AsyncClient(base_url="https://api.example", transport=httpx.MockTransport(answer))
    return HubSpot.connect(http, "token")


def salesforce(answer: Answer) -> Salesforce:
    def with_login(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=SESSION) if request.url.path.endswith("/token") else answer(request)

    http = httpx.AsyncClient(base_url="https://my.example", transport=httpx.MockTransport(with_login))
    return Salesforce.connect(http, "id", "secret")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def by_id(results: Sequence[Result]) -> dict[str, Result]:
    return {result.record_id: result for result in results}


def test_hubspot_names_every_record_or_it_is_unknown() -> None:
    body = {
        "results": [{"id": "2", "updatedAt": "2026-03-20T09:00:00.250Z"}],
        "errors": [
            {"category": "VALIDATION_ERROR", "message": "no", "context": {"objectWriteTraceId": ["1"]}},
            {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["3"]}},
        ],
    }
    found = by_id(
        run(hubspot(lambda _: httpx.Response(207, json=body)).update("contacts", records("1", "2", "3", "4")))
    )
    assert {name: result.status for name, result in found.items()} == {
        "1": "rejected",
        "2": "confirmed",
        "3": "rejected",
        "4": "unknown",
    }
    assert (found["1"].code, found["3"].message) == ("VALIDATION_ERROR", "gone")
    # The write's own time, to the millisecond.
    assert str(found["2"].written_at) == "2026-03-20 09:00:00.250000+00:00"


def test_salesforces_answer_that_is_too_short_leaves_records_unknown() -> None:
    answer = dated([{"id": "1", "success": True, "errors": []}])
    found = run(salesforce(lambda _: answer).update("Contact", records("1", "2")))
    assert [result.status for result in found] == ["confirmed", "unknown"]
    # Surely not after the write: the answer's second, less the time that the call took.
    assert str(found[0].written_at) <= "2026-03-20 09:00:10+00:00"


def test_a_locked_row_is_sent_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activators.salesforce.records._LOCK_WAITS", (0.0, 0.0))
    sent: list[list[str]] = []
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}]}

    def answer(request: httpx.Request) -> httpx.Response:
        ids = [row["id"] for row in orjson.loads(request.content)["records"]]
        sent.append(ids)
        busy = len(sent) == 1
        rows = [locked if busy and item == "2" else {"id": item, "success": True, "errors": []} for item in ids]
        return dated(rows)

    found = run(salesforce(answer).update("Contact", records("1", "2", "3")))
    assert sent == [["1", "2", "3"], ["2"]]
    assert [result.status for result in found] == ["confirmed"] * 3


def test_salesforce_gets_the_planned_digits_and_no_assignment_rules() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return dated([{"id": "1", "success": True, "errors": []}])

    changes = (
        Change("Big__c", "number", None, "123456789012345678.25"),
        Change("Small__c", "number", None, "1e-7"),
        Change("Flag__c", "boolean", None, "true"),
        Change("Gone__c", "string", "old", None),
    )
    run(salesforce(answer).update("Contact", [RecordChanges("1", changes)]))
    assert b'"Big__c":123456789012345678.25' in seen[0].content
    assert b'"Small__c":0.0000001' in seen[0].content
    assert b'"Flag__c":true' in seen[0].content
    assert b'"Gone__c":null' in seen[0].content
    assert seen[0].headers["Sforce-Auto-Assign"] == "FALSE"


def test_salesforce_logs_in_once_however_many_batches_start_at_a_time() -> None:
    logins = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal logins
        if request.url.path.endswith("/token"):
            logins += 1
            await asyncio.sleep(0)
            return httpx.Response(200, json=SESSION)
        return dated([{"id": "1", "success": True, "errors": []}])

    async def work() -> None:
        http = httpx.AsyncClient(base_url="https://my.example", transport=httpx.MockTransport(answer))
        org = Salesforce.connect(http, "id", "secret")
        await asyncio.gather(*(org.update("Contact", records("1")) for _ in range(8)))

    asyncio.run(work())
    assert logins == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Welcome</h1>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"results": [{"id": "1"}]}),
        httpx.Response(200, content=b'{"results": [{"id":', headers={"Content-Type": "application/json"}),
        httpx.Response(301, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(404, html="not here"),
        httpx.Response(409, json={"category": "CONFLICT", "message": "no"}),
        httpx.Response(477, json={}),
    ],
)
def test_what_is_no_answer_of_hubspots_stops_the_run_after_one_call(answer: httpx.Response) -> None:
    calls = 0

    def count(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return answer

    with pytest.raises(VendorError) as caught:
        run(hubspot(count).update("contacts", records(*map(str, range(100)))))
    assert calls == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Welcome</h1>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[{"id": "1", "success": True}]),
        dated([{"success": False, "errors": []}]),
        httpx.Response(404, html="not here"),
    ],
)
def test_what_is_no_answer_of_salesforces_stops_the_run(answer: httpx.Response) -> None:
    with pytest.raises(VendorError, match=r"^Salesforce answers"):
        run(salesforce(lambda _: answer).update("Contact", records("1")))


def test_a_login_page_in_place_of_a_token_is_one_line() -> None:
    http = httpx.AsyncClient(
        base_url="https://my.example", transport=httpx.MockTransport(lambda _: httpx.Response(200, html="<h1>"))
    )
    with pytest.raises(VendorError, match="check the base URL"):
        run(Salesforce.connect(http, "id", "secret").definitions("Contact"))


def test_the_daily_limit_stops_the_run_at_once() -> None:
    calls = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(429, json={"message": "You have reached your daily limit.", "policyName": "DAILY"})

    with pytest.raises(QuotaExhausted, match="after midnight"):
        run(hubspot(answer).update("contacts", records("1")))
    assert calls == 1


def test_salesforces_spent_quota_is_not_taken_for_a_missing_permission() -> None:
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    with pytest.raises(QuotaExhausted):
        run(salesforce(lambda _: httpx.Response(403, json=body)).update("Contact", records("1")))


def test_a_missing_scope_is_named() -> None:
    body = {
        "category": "MISSING_SCOPES",
        "errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}],
    }
    with pytest.raises(Unauthorized, match=r"crm\.objects\.contacts\.write"):
        run(hubspot(lambda _: httpx.Response(403, json=body)).update("contacts", records("1")))
    with pytest.raises(Unauthorized, match=r"docs/accounts\.md"):
        run(hubspot(lambda _: httpx.Response(403, json={"errors": []})).update("contacts", records("1")))


@pytest.mark.parametrize("status", [423, 429, 502])
def test_what_may_pass_is_tried_again_and_then_given_up(status: int) -> None:
    calls = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(
            status, json={"message": "wait"}, headers={"Retry-After": "Fri, 20 Mar 2026 09:00:00 GMT"}
        )

    with pytest.raises(Unreachable, match="try later"):
        run(hubspot(answer).update("contacts", records("1")))
    assert calls == 3


def test_a_wait_of_an_hour_is_not_waited() -> None:
    calls = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(429, json={"message": "wait"}, headers={"Retry-After": "3600"})

    with pytest.raises(Unreachable):
        run(hubspot(answer).update("contacts", records("1")))
    assert calls == 1


@pytest.mark.parametrize("token", ["pat-secret\nX: y", "pat-secret "])
def test_a_token_that_no_header_can_hold_is_not_printed(token: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as http:
            await HubSpot.connect(http, token).definitions("contacts")

    with pytest.raises(ActivationError) as caught:
        asyncio.run(ask())
    assert "pat-secret" not in str(caught.value)


def test_a_create_whose_answer_was_lost_finds_its_own_work() -> None:
    """The group and the property exist when the call is repeated: HubSpot says so, and that is well."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET":
            return httpx.Response(200, json={"results": []})
        if path.endswith("/groups"):
            return httpx.Response(409, json={"category": "CONFLICT", "message": "already exists"})
        error = {"message": "A property named 'usage_days' already exists.", "context": {"name": ["usage_days"]}}
        return httpx.Response(207, json={"results": [], "errors": [error]})

    done = run(provision([activation("hubspot")], {"hubspot": hubspot(answer)}))
    assert done[0].created == ("usage_days", "usage_note")


class Watching:
    """A destination that looks at the journal whenever something is sent."""

    def __init__(self, journal: Path, results: Callable[[Sequence[RecordChanges]], list[Result]]) -> None:
        self.caller = hubspot(lambda _: httpx.Response(500)).caller
        self.jobs = None
        self.records_per_call, self.in_flight = 100, 8
        self.journal = journal
        self.results = results
        self.seen: list[list[str]] = []

    async def update(self, _object: str, records: Sequence[RecordChanges]) -> list[Result]:
        self.seen.append([orjson.loads(line)["type"] for line in self.journal.read_bytes().splitlines()])
        return self.results(records)

    async def read(self, *_: object) -> dict[str, Any]:
        return {}

    async def definitions(self, _object: str) -> dict[str, str]:
        return {}

    async def create(self, *_: object) -> None:
        return None


def apply_to(destination: Destination, seal: Seal, folder: Path) -> Any:
    plan = seal(activation("hubspot"), [("1", "usage_days", None, "5"), ("2", "usage_days", None, "5")])
    journal = Journal.begin(folder, "run-1", plan.plan_id, NOW, ["hubspot_contacts"])
    try:
        return asyncio.run(apply_plan(plan, {"hubspot": destination}, journal, None, lambda *_: None))
    finally:
        journal.close()


def test_the_intent_is_on_disk_before_anything_is_sent(seal: Seal, tmp_path: Path) -> None:
    watching = Watching(
        tmp_path / "journal" / "run-1.jsonl", lambda sent: [Result(item.record_id, "confirmed", NOW) for item in sent]
    )
    assert apply_to(watching, seal, tmp_path / "journal").complete
    assert watching.seen == [["run", "intent"]]


def test_a_record_that_stays_unknown_is_no_success(seal: Seal, tmp_path: Path) -> None:
    watching = Watching(
        tmp_path / "journal" / "run-1.jsonl", lambda sent: [Result(item.record_id, "unknown") for item in sent]
    )
    run = apply_to(watching, seal, tmp_path / "journal")
    assert not run.complete
    assert run.activations[0].unknown == 2
    assert orjson.loads((tmp_path / "journal" / "run-1.jsonl").read_bytes().splitlines()[-1])["status"] == "partial"


def test_a_destination_that_loses_a_record_is_found_out(seal: Seal, tmp_path: Path) -> None:
    watching = Watching(
        tmp_path / "journal" / "run-1.jsonl", lambda sent: [Result(sent[0].record_id, "confirmed", NOW)]
    )
    with pytest.raises(PlanError, match="1 results for a batch of 2 records"):
        apply_to(watching, seal, tmp_path / "journal")


def test_without_room_for_the_journal_nothing_is_sent() -> None:
    with Path("/dev/full").open("wb") as full:
        journal = Journal(Path("/dev/full"), "run-1", full)
        with pytest.raises(PlanError, match=r"the journal cannot be written .*nothing more is sent without it"):
            journal.intent("hubspot_contacts", "hubspot", "contacts", records("1"))
        journal.close()
        full.raw.close()
