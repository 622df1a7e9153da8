"""Faults on demand: what a client gets of each kind, and what the vendor has done by then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import orjson
import pytest

from sandbox import refusals
from sandbox.clock import Clock
from sandbox.faults import KINDS, VENDORS, read_fault
from sandbox.hubspot import HubSpotStore
from sandbox.hubspot.errors import HubSpotError
from sandbox.hubspot.limits import Family, Limiter, Limits
from sandbox.server import Sandbox, serving
from sandbox.traffic import Traffic

AS_OF = date(2026, 11, 21)
CONTACTS = "/crm/objects/2026-09/contacts"
DATA = "/services/data/v66.0"
VERIFY = "/api/v1/token/verify"
Body = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serving(seed=11, visitors=40, as_of=AS_OF) as sandbox:
        yield sandbox


@pytest.fixture
def control(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["control"], timeout=30) as client:
        yield client
        client.delete("/faults")


@pytest.fixture
def hubspot(running: Sandbox) -> Iterator[httpx.Client]:
    token = {"Authorization": f"Bearer {running.settings['HUBSPOT_ACCESS_TOKEN']}"}
    with httpx.Client(base_url=running.urls["hubspot"], headers=token) as client:
        yield client


@pytest.fixture
def salesforce(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.urls["salesforce"]) as client:
        log_in(client, running)
        yield client


@pytest.fixture
def pendo(running: Sandbox) -> Iterator[httpx.Client]:
    key = {"x-pendo-integration-key": running.settings["PENDO_INTEGRATION_KEY"]}
    with httpx.Client(base_url=running.urls["pendo"], headers=key) as client:
        yield client


def log_in(client: httpx.Client, running: Sandbox) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": running.settings["SALESFORCE_CLIENT_ID"],
        "client_secret": running.settings["SALESFORCE_CLIENT_SECRET"],
    }
    token = client.post("/services/oauth2/token", data=form).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def plant(control: httpx.Client, vendor: str, kind: str, **fields: object) -> None:
    answer = control.post("/faults", json={"vendor": vendor, "kind": kind, **fields})
    assert answer.status_code == 200, answer.text


def stored(control: httpx.Client, count: int = 1) -> list[str]:
    """The ids of some live HubSpot contacts."""
    return [row["id"] for row in control.get("/records/hubspot/contacts").json() if not row["archived"]][:count]


def titles(control: httpx.Client) -> dict[str, str]:
    return {row["id"]: row["properties"].get("jobtitle", "") for row in control.get("/records/hubspot/contacts").json()}


def retitle(hubspot: httpx.Client, title: str, *ids: str) -> httpx.Response:
    inputs = [{"id": one, "properties": {"jobtitle": title}} for one in ids]
    return hubspot.post(f"{CONTACTS}/batch/update", json={"inputs": inputs})


def rename(salesforce: httpx.Client, name: str, *ids: str, all_or_none: bool = False) -> httpx.Response:
    records = [{"attributes": {"type": "Account"}, "Id": one, "Name": name} for one in ids]
    return salesforce.patch(f"{DATA}/composite/sobjects", json={"allOrNone": all_or_none, "records": records})


def make_accounts(salesforce: httpx.Client, count: int) -> list[str]:
    records = [{"attributes": {"type": "Account"}, "Name": "Before"} for _ in range(count)]
    made = salesforce.post(f"{DATA}/composite/sobjects", json={"records": records}).json()
    return [one["id"] for one in made]


def names(salesforce: httpx.Client, *ids: str) -> list[str]:
    params = {"ids": ",".join(ids), "fields": "Name"}
    found = salesforce.get(f"{DATA}/composite/sobjects/Account", params=params).json()
    return ["gone" if one is None else one["Name"] for one in found]


# Answers that a vendor gives in place of its work.

REFUSALS = [
    ({"vendor": "hubspot", "kind": "rate_limited"}, 429, "ten_secondly_rolling"),
    ({"vendor": "hubspot", "kind": "rate_limited", "limit": "secondly"}, 429, "RATE_LIMITS"),
    ({"vendor": "hubspot", "kind": "rate_limited", "limit": "daily"}, 429, "DAILY"),
    ({"vendor": "salesforce", "kind": "rate_limited"}, 403, "ConcurrentRequests Limit exceeded."),
    ({"vendor": "salesforce", "kind": "rate_limited", "limit": "daily"}, 403, "TotalRequests Limit exceeded."),
    ({"vendor": "pendo", "kind": "rate_limited"}, 429, "Too many requests"),
    ({"vendor": "hubspot", "kind": "quota_exhausted"}, 429, "DAILY"),
    ({"vendor": "salesforce", "kind": "quota_exhausted"}, 403, "REQUEST_LIMIT_EXCEEDED"),
    ({"vendor": "hubspot", "kind": "server_error"}, 500, "internal error"),
    ({"vendor": "salesforce", "kind": "server_error", "status": 503}, 503, "SERVER_UNAVAILABLE"),
    ({"vendor": "pendo", "kind": "server_error"}, 500, "Internal server error"),
    ({"vendor": "hubspot", "kind": "gateway_error"}, 502, "<h1>502 Bad Gateway</h1>"),
    (
        {"vendor": "salesforce", "kind": "gateway_error", "status": 503},
        503,
        "<h1>503 Service Temporarily Unavailable</h1>",
    ),
    ({"vendor": "pendo", "kind": "gateway_error", "status": 504}, 504, "<h1>504 Gateway Time-out</h1>"),
    ({"vendor": "hubspot", "kind": "migrating", "seconds": 90}, 477, "MIGRATION_IN_PROGRESS"),
    ({"vendor": "hubspot", "kind": "locked"}, 423, "LOCKED"),
    ({"vendor": "pendo", "kind": "answer", "status": 408, "body": "too long"}, 408, "too long"),
]


@pytest.mark.parametrize(("fault", "status", "said"), REFUSALS)
def test_a_refusal_is_answered_in_the_vendors_words(
    control: httpx.Client, running: Sandbox, fault: Body, status: int, said: str
) -> None:
    plant(control, **fault)
    answer = httpx.get(running.urls[fault["vendor"]] + "/anything")
    assert (answer.status_code, said in answer.text) == (status, True)
    assert "date" in answer.headers
    kinds = {"gateway_error": "text/html", "answer": ""}
    assert answer.headers.get("content-type", "").startswith(kinds.get(fault["kind"], "application/json"))
    assert control.get("/faults").json() == []


def test_a_migrating_account_says_when_to_come_back(control: httpx.Client, hubspot: httpx.Client) -> None:
    plant(control, "hubspot", "migrating", seconds=90)
    assert hubspot.get(CONTACTS).headers["retry-after"] == "90"


@pytest.mark.parametrize("kind", ["server_error", "gateway_error", "rate_limited"])
@pytest.mark.parametrize("after", [False, True])
def test_a_refusal_comes_before_the_work_or_after_it(
    control: httpx.Client, hubspot: httpx.Client, kind: str, *, after: bool
) -> None:
    (contact,) = stored(control)
    plant(control, "hubspot", kind, after=after)
    title = f"{kind} {after}"
    assert retitle(hubspot, title, contact).is_error
    assert (titles(control)[contact] == title) is after


@pytest.mark.parametrize(
    ("limit", "limits", "family"),
    [
        ("ten_secondly", Limits(burst=1), "call"),
        ("secondly", Limits(search=1), "search"),
        ("daily", Limits(daily=1), "call"),
    ],
)
def test_hubspots_planted_limits_read_like_the_real_ones(limit: str, limits: Limits, family: Family) -> None:
    limiter = Limiter(Clock(AS_OF), limits, "UTC")
    limiter.admit(family)
    with pytest.raises(HubSpotError) as real:
        limiter.admit(family)
    planted = refusals.rate_limited("hubspot", limit)
    said = orjson.loads(planted.body)
    assert said.pop("correlationId")
    assert (planted.status, said) == (real.value.status, real.value.body())


def test_hubspots_planted_lock_reads_like_the_real_one() -> None:
    store = HubSpotStore([], Clock(AS_OF))
    store.lock("contacts")
    with pytest.raises(HubSpotError) as real:
        store.refuse_locked(store.table("contacts"))
    planted = orjson.loads(refusals.locked().body)
    assert planted["category"] == real.value.category
    assert planted["message"] in real.value.message.replace("CONTACT objects", "Objects")


def test_salesforces_planted_quota_reads_like_the_real_one() -> None:
    with (
        serving(seed=1, visitors=9, as_of=AS_OF, salesforce_daily_requests=1) as sandbox,
        httpx.Client(base_url=sandbox.urls["salesforce"]) as salesforce,
        httpx.Client(base_url=sandbox.urls["control"]) as control,
    ):
        log_in(salesforce, sandbox)
        assert salesforce.get(f"{DATA}/limits").status_code == 200
        real = salesforce.get(f"{DATA}/limits")
        plant(control, "salesforce", "quota_exhausted")
        planted = salesforce.get(f"{DATA}/limits")
        assert [one["fault"] for one in control.get("/requests").json()] == [False, False, False, True]
        assert (real.status_code, real.json()) == (planted.status_code, planted.json())


# Connections and bodies.


def test_an_answer_can_come_slowly_and_in_parts(control: httpx.Client, hubspot: httpx.Client) -> None:
    whole = hubspot.get(CONTACTS).json()
    plant(control, "hubspot", "slow", delay=0.02, pause=0.2, chunks=3)
    with hubspot.stream("GET", CONTACTS) as answer:
        parts = list(answer.iter_raw())
    assert len(parts) > 1
    assert httpx.Response(200, content=b"".join(parts)).json() == whole


def test_a_client_that_waits_too_little_gives_up_on_a_slow_answer(control: httpx.Client, hubspot: httpx.Client) -> None:
    plant(control, "hubspot", "slow", pause=5.0)
    with pytest.raises(httpx.ReadTimeout):
        hubspot.get(CONTACTS, timeout=0.3)


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_is_dropped_before_the_work_or_after_it(
    control: httpx.Client, hubspot: httpx.Client, *, after: bool
) -> None:
    (contact,) = stored(control)
    plant(control, "hubspot", "dropped", after=after)
    with pytest.raises(httpx.TransportError):
        retitle(hubspot, f"Dropped {after}", contact)
    assert (titles(control)[contact] == f"Dropped {after}") is after
    assert control.get("/requests").json()[-1]["status"] is None
    assert retitle(hubspot, "Well", contact).status_code == 200


def test_an_answer_can_end_half_way_though_the_work_is_done(control: httpx.Client, hubspot: httpx.Client) -> None:
    (contact,) = stored(control)
    plant(control, "hubspot", "truncated")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        retitle(hubspot, "Cut", contact)
    assert titles(control)[contact] == "Cut"
    assert retitle(hubspot, "Well", contact).status_code == 200


def test_an_answer_without_a_body_can_end_half_way(control: httpx.Client, hubspot: httpx.Client) -> None:
    contact = stored(control)[-1]
    plant(control, "hubspot", "truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        hubspot.post(f"{CONTACTS}/batch/archive", json={"inputs": [{"id": contact}]})
    assert contact not in stored(control, 10_000)


@pytest.mark.parametrize("how", ["cut", "garbled"])
@pytest.mark.parametrize("after", [False, True])
def test_an_answer_can_be_unreadable_whether_or_not_the_work_was_done(
    control: httpx.Client, hubspot: httpx.Client, how: str, *, after: bool
) -> None:
    (contact,) = stored(control)
    plant(control, "hubspot", "malformed", how=how, after=after)
    answer = retitle(hubspot, f"{how} {after}", contact)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    assert (titles(control)[contact] == f"{how} {after}") is after


def test_a_client_that_has_gone_is_not_hung_up_on(
    control: httpx.Client, hubspot: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    plant(control, "hubspot", "dropped", delay=0.2)
    with pytest.raises(httpx.ReadTimeout):
        hubspot.get(CONTACTS, timeout=0.05)
    time.sleep(0.5)
    assert not caplog.records


# Logins, locks and rows.


def test_hubspots_token_is_unknown_once_and_then_known_again(control: httpx.Client, hubspot: httpx.Client) -> None:
    plant(control, "hubspot", "expired_token", skip=1)
    answers = [hubspot.get(CONTACTS) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 401, 200]
    assert answers[1].json()["category"] == "INVALID_AUTHENTICATION"


def test_salesforces_sessions_end_until_a_new_login(
    control: httpx.Client, salesforce: httpx.Client, running: Sandbox
) -> None:
    plant(control, "salesforce", "expired_token")
    for _ in range(2):
        answer = salesforce.get(f"{DATA}/limits")
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    assert control.get("/faults").json() == []
    log_in(salesforce, running)
    assert salesforce.get(f"{DATA}/limits").status_code == 200


def test_locked_rows_of_a_collection_are_not_written(control: httpx.Client, salesforce: httpx.Client) -> None:
    ids = make_accounts(salesforce, 3)
    plant(control, "salesforce", "locked", rows=[1])
    results = rename(salesforce, "After", *ids).json()
    assert [one["success"] for one in results] == [True, False, True]
    error = results[1]["errors"][0]
    assert (error["statusCode"], ids[1] in error["message"]) == ("UNABLE_TO_LOCK_ROW", True)
    assert names(salesforce, *ids) == ["After", "Before", "After"]
    assert all(one["success"] for one in rename(salesforce, "After", *ids).json())


def test_a_locked_record_is_not_written(control: httpx.Client, salesforce: httpx.Client) -> None:
    (account,) = make_accounts(salesforce, 1)
    plant(control, "salesforce", "locked", method="PATCH")
    answer = salesforce.patch(f"{DATA}/sobjects/Account/{account}", json={"Name": "After"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")
    assert names(salesforce, account) == ["Before"]


def test_one_failing_row_undoes_a_collection_that_is_all_or_none(
    control: httpx.Client, salesforce: httpx.Client
) -> None:
    ids = make_accounts(salesforce, 2)
    plant(control, "salesforce", "failing_rows", rows=[0], code="TXN_SECURITY_METERING_ERROR", message="no")
    results = rename(salesforce, "After", *ids, all_or_none=True).json()
    assert [one["errors"][0]["statusCode"] for one in results] == [
        "TXN_SECURITY_METERING_ERROR",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]
    assert names(salesforce, *ids) == ["Before", "Before"]


def test_rows_fail_when_they_are_made_upserted_and_deleted(control: httpx.Client, salesforce: httpx.Client) -> None:
    ids = make_accounts(salesforce, 2)
    plant(control, "salesforce", "failing_rows", rows=[1], times=3)
    made = salesforce.post(
        f"{DATA}/composite/sobjects",
        json={"records": [{"attributes": {"type": "Account"}, "Name": "New"} for _ in range(2)]},
    )
    upserted = salesforce.patch(
        f"{DATA}/composite/sobjects/Account/Product_Account_Id__c",
        json={
            "records": [
                {"attributes": {"type": "Account"}, "Name": "New", "Product_Account_Id__c": f"fault-{n}"}
                for n in range(2)
            ]
        },
    )
    deleted = salesforce.delete(f"{DATA}/composite/sobjects", params={"ids": ",".join(ids)})
    for answer in (made, upserted, deleted):
        assert [one["success"] for one in answer.json()] == [True, False], answer.text
        assert answer.json()[1]["errors"][0]["statusCode"] == "UNKNOWN_EXCEPTION"
    assert names(salesforce, *ids) == ["gone", "Before"]


def test_a_record_that_is_not_there_fails_alone_in_a_hubspot_batch(
    control: httpx.Client, hubspot: httpx.Client
) -> None:
    ids = stored(control, 3)
    before = titles(control)
    plant(control, "hubspot", "failing_rows", rows=[2])
    answer = retitle(hubspot, "Others", *ids)
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)
    assert answer.json()["errors"][0]["context"]["ids"] == [ids[2]]
    after = titles(control)
    assert [after[one] for one in ids] == ["Others", "Others", before[ids[2]]]
    plant(control, "hubspot", "failing_rows", rows=[0])
    read = hubspot.post(f"{CONTACTS}/batch/read", json={"inputs": [{"id": one} for one in ids]})
    assert (read.status_code, len(read.json()["results"])) == (207, 2)


@pytest.mark.parametrize(("traced", "status", "made"), [(True, 207, 1), (False, 400, 0)])
def test_hubspots_rules_decide_what_a_failing_input_means(
    control: httpx.Client, hubspot: httpx.Client, status: int, made: int, *, traced: bool
) -> None:
    before = len(control.get("/records/hubspot/contacts").json())
    plant(control, "hubspot", "failing_rows")
    inputs = [
        {"properties": {"email": f"{n}-{traced}@fault.example"}} | ({"objectWriteTraceId": str(n)} if traced else {})
        for n in range(2)
    ]
    answer = hubspot.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == status
    if traced:
        assert answer.json()["errors"][0]["context"]["objectWriteTraceId"] == ["0"]
    assert len(control.get("/records/hubspot/contacts").json()) == before + made


def test_what_is_no_batch_does_not_meet_failing_rows(control: httpx.Client, hubspot: httpx.Client) -> None:
    plant(control, "hubspot", "failing_rows")
    assert hubspot.get(CONTACTS).status_code == 200
    assert len(control.get("/faults").json()) == 1


def test_a_share_of_rows_is_the_same_in_every_run() -> None:
    def failed() -> list[bool]:
        with (
            serving(seed=3, visitors=9, as_of=AS_OF) as sandbox,
            httpx.Client(base_url=sandbox.urls["salesforce"]) as salesforce,
            httpx.Client(base_url=sandbox.urls["control"]) as control,
        ):
            log_in(salesforce, sandbox)
            ids = make_accounts(salesforce, 100)
            plant(control, "salesforce", "locked", share=0.2)
            return [not one["success"] for one in rename(salesforce, "After", *ids).json()]

    first = failed()
    assert 5 < sum(first) < 40
    assert failed() == first


# How often.


def test_a_rate_meets_that_share_of_requests_and_the_same_ones_for_a_seed() -> None:
    fault = read_fault({"vendor": "pendo", "status": 500, "rate": 0.3, "times": None})

    def met(seed: int) -> list[bool]:
        traffic = Traffic(Clock(AS_OF), seed)
        traffic.plant(fault)
        return [traffic.meet("pendo", "GET", "/") is not None for _ in range(1_000)]

    assert met(1) == met(1)
    assert met(1) != met(2)
    assert 250 < sum(met(1)) < 350


def test_faults_come_in_the_order_in_which_they_were_planted(control: httpx.Client, pendo: httpx.Client) -> None:
    for status in (500, 503):
        plant(control, "pendo", "server_error", status=status, times=2)
    assert [pendo.get(VERIFY).status_code for _ in range(5)] == [500, 500, 503, 503, 200]


def test_a_fault_without_end_goes_on_until_it_is_forgotten(control: httpx.Client, pendo: httpx.Client) -> None:
    plant(control, "pendo", "rate_limited", times=None)
    assert Counter(pendo.get(VERIFY).status_code for _ in range(20)) == {429: 20}
    assert control.get("/faults").json()[0]["times"] is None
    control.delete("/faults")
    assert pendo.get(VERIFY).status_code == 200


def test_what_is_left_of_a_fault_can_be_seen(control: httpx.Client, pendo: httpx.Client) -> None:
    plant(control, "pendo", "server_error", times=3, skip=1)
    for _ in range(2):
        pendo.get(VERIFY)
    (left,) = control.get("/faults").json()
    assert (left["kind"], left["skip"], left["times"]) == ("server_error", 0, 2)


# What may be planted.


def test_the_kinds_are_listed_with_their_fields_and_vendors(control: httpx.Client) -> None:
    listed = {one["kind"]: one for one in control.get("/faults/kinds").json()}
    assert list(listed) == list(KINDS)
    assert listed["malformed"]["fields"] == ["how", "after"]
    assert listed["migrating"]["vendors"] == ["hubspot"]
    assert all(one["does"] and set(one["vendors"]) <= set(VENDORS) for one in listed.values())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"vendor": "pendo", "kind": "flood"}, "no kind flood: there are answer, rate_limited"),
        ({"vendor": "pendo", "kind": "server_error", "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"vendor": "pendo", "kind": "expired_token"}, "only for hubspot and salesforce"),
        ({"vendor": "hubspot", "kind": "rate_limited", "limit": "yearly"}, "hubspot has no limit yearly"),
        ({"vendor": "pendo", "kind": "rate_limited", "limit": "daily"}, "pendo has no limit daily"),
        ({"vendor": "pendo", "kind": "server_error", "path": "("}, "path is no regular expression"),
        ({"vendor": "pendo", "kind": "server_error", "rate": 1.5}, "rate: Input should be less than or equal to 1"),
        ({"vendor": "pendo", "kind": "server_error", "times": 0}, "times: Input should be greater than"),
        ({"vendor": "pendo", "kind": "server_error", "skip": "1"}, "skip: Input should be a valid integer"),
        ({"vendor": "pendo", "kind": "gateway_error", "status": 500}, "status: Input should be 502, 503 or 504"),
        ({"vendor": "pendo", "status": 99}, "status: Input should be greater than or equal to 200"),
        ({"vendor": "pendo"}, "it would change nothing"),
        ({"kind": "dropped"}, "vendor: Field required"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(control: httpx.Client, fault: Body, said: str) -> None:
    answer = control.post("/faults", json=fault)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error
    assert control.get("/faults").json() == []


# The log.


def test_the_log_keeps_the_newest_requests_and_counts_all() -> None:
    traffic = Traffic(Clock(AS_OF), kept=3)
    scope: Body = {"method": "GET", "path": "/", "query_string": b""}
    for vendor in ("pendo", "hubspot", "pendo", "pendo", "pendo"):
        traffic.note(vendor, scope, 200, fault=False)
    assert [one.n for one in traffic.seen] == [3, 4, 5]
    assert traffic.counts == {"pendo": 4, "hubspot": 1}


def test_requests_are_counted_by_vendor(control: httpx.Client, pendo: httpx.Client) -> None:
    def count(**vendor: str) -> int:
        return int(control.get("/requests/count", params=vendor).json()["requests"])

    before = count(vendor="pendo")
    pendo.get(VERIFY)
    control.delete("/requests")
    assert count(vendor="pendo") == before + 1
    assert count() == sum(count(vendor=vendor) for vendor in VENDORS)
    assert control.get("/requests/count", params={"vendor": "druid"}).status_code == 404
