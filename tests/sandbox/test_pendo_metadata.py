"""Writing metadata to Pendo: who is changed, who is counted as missing, and where it shows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.metrics import metrics
from tests.sandbox.pendo_account import ALL_APPS, AS_OF, Subscription, days, subscribed

VALUES = "/api/v1/metadata/visitor/agent/value"
CUSTOM = "/api/v1/metadata/schema/visitor/custom"


@pytest.fixture
def pendo() -> Iterator[Subscription]:
    with subscribed(visitors=30) as subscription:
        yield subscription


@pytest.fixture(scope="module")
def untouched() -> Iterator[Subscription]:
    """One that refuses whatever is done to it, so that tests can share it."""
    with subscribed(visitors=30) as subscription:
        yield subscription


def visitors(pendo: Subscription, **options: str) -> dict[str, dict[str, Any]]:
    return {row["visitorId"]: row["metadata"] for row in pendo.rows({"visitors": options})}


def test_a_bulk_write_counts_what_it_changed_and_what_it_did_not_find(pendo: Subscription) -> None:
    before = visitors(pendo)
    first, second, *others = before
    body = [
        {"visitorId": first, "values": {"role": "Pilot", "full_name": None}},
        {"visitorId": "nobody@x.example", "values": {"role": "Ghost"}},
        {"visitorId": second, "values": {"role": 7}},
    ]
    answer = pendo.http.post(VALUES, json=body)
    assert answer.status_code == 200
    counts = answer.json()
    assert (counts["total"], counts["updated"], counts["failed"]) == (3, 1, 2)
    assert counts["missing"] == ["nobody@x.example"]
    assert len(counts["errors"]) == 1
    assert second in counts["errors"][0]

    after = visitors(pendo)
    assert set(after) == set(before)
    assert after[first]["agent"]["role"] == "Pilot"
    assert "full_name" not in after[first]["agent"]
    assert after[first]["auto"]["lastupdated"] > before[first]["auto"]["lastupdated"]
    assert [after[one] for one in (second, *others)] == [before[one] for one in (second, *others)]
    assert pendo.http.get(f"/api/v1/visitor/{first}").json()["metadata"]["agent"]["role"] == "Pilot"


def test_a_write_without_failures_leaves_missing_and_errors_out(pendo: Subscription) -> None:
    account = pendo.rows({"accounts": None})[0]["accountId"]
    body = [{"accountId": account, "values": {"plan": "gold"}}]
    answer = pendo.http.post("/api/v1/metadata/account/agent/value", json=body).json()
    assert answer == {"total": 1, "updated": 1, "failed": 0}
    assert pendo.http.get(f"/api/v1/account/{account}").json()["metadata"]["agent"]["plan"] == "gold"
    assert pendo.rows({"accounts": None}, {"filter": 'metadata.agent.plan == "gold"'})[0]["accountId"] == account


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (VALUES, {"role": "x", "shoe_size": 44}),
        ("/api/v1/metadata/visitor/custom/value", {"tier": "x"}),
        ("/api/v1/metadata/visitor/hubspot/value", {"role": "x"}),
        ("/api/v1/metadata/visitor/auto/value", {"lastvisit": 1}),
        (f"{VALUES}?create=true", {"role": "x"}),
    ],
)
def test_a_write_that_does_not_fit_is_refused_whole(
    untouched: Subscription, path: str, values: dict[str, object]
) -> None:
    before = visitors(untouched)
    one, other = list(before)[:2]
    fine = {"visitorId": one, "values": {"role": "changed"} if path.startswith(VALUES) else values}
    answer = untouched.http.post(path, json=[fine, {"visitorId": other, "values": values}])
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert visitors(untouched) == before


@pytest.mark.parametrize("body", [{}, [1], [{"visitorId": "a"}], [{"accountId": "a", "values": {}}]])
def test_a_body_of_another_shape_is_refused(untouched: Subscription, body: object) -> None:
    assert untouched.http.post(VALUES, json=body).status_code == 400


def test_fields_are_made_written_and_deleted(pendo: Subscription) -> None:
    made = [{"name": "tier", "displayname": "Tier", "type": "string"}, {"name": "score", "type": "number"}]
    assert pendo.http.post(CUSTOM, json=made).status_code == 200
    assert pendo.http.post(CUSTOM, json=made[:1]).status_code == 200
    schema = pendo.http.get("/api/v1/metadata/schema/visitor").json()
    assert schema["custom"]["tier"]["DisplayName"] == "Tier"
    assert schema["custom"]["score"]["Type"] == "number"
    one = next(iter(visitors(pendo)))
    body = [{"visitorId": one, "values": {"tier": "gold", "score": 4.5}}]
    assert pendo.http.post("/api/v1/metadata/visitor/custom/value", json=body).json()["updated"] == 1
    assert visitors(pendo)[one]["custom"] == {"tier": "gold", "score": 4.5}

    assert pendo.http.delete(f"{CUSTOM}/tier").status_code == 200
    assert visitors(pendo)[one]["custom"] == {"score": 4.5}
    assert pendo.http.delete(f"{CUSTOM}/tier").status_code == 404
    assert "tier" not in pendo.http.get("/api/v1/metadata/schema/visitor").json()["custom"]


@pytest.mark.parametrize(
    "field",
    [{"name": "tier", "type": "colour"}, {"name": "", "type": "string"}, {"name": "a.b", "type": "string"}, "tier"],
)
def test_fields_that_make_no_sense_are_refused_and_none_is_made(untouched: Subscription, field: object) -> None:
    before = untouched.http.get("/api/v1/metadata/schema/visitor").json()
    assert untouched.http.post(CUSTOM, json=[{"name": "fine", "type": "string"}, field]).status_code == 400
    assert untouched.http.post("/api/v1/metadata/schema/visitor/auto", json=[]).status_code == 400
    assert untouched.http.post("/api/v1/metadata/schema/planet/custom", json=[]).status_code == 404
    assert untouched.http.get("/api/v1/metadata/schema/visitor").json() == before


def test_a_field_keeps_its_type(pendo: Subscription) -> None:
    assert pendo.http.post(CUSTOM, json=[{"name": "tier", "type": "string"}]).status_code == 200
    assert pendo.http.post(CUSTOM, json=[{"name": "tier", "type": "number"}]).status_code == 400


def test_one_value_is_written_and_read(pendo: Subscription) -> None:
    one = next(iter(visitors(pendo)))
    path = f"{VALUES}/{one}/role"
    assert pendo.http.put(path, json="Pilot").status_code == 200
    assert pendo.http.get(path).json() == "Pilot"
    assert visitors(pendo)[one]["agent"]["role"] == "Pilot"
    assert pendo.http.put(path, json=7).status_code == 400
    assert pendo.http.put(f"{VALUES}/nobody/role", json="x").status_code == 404
    assert pendo.http.put(f"/api/v1/metadata/visitor/auto/value/{one}/lastvisit", json=1).status_code == 400
    assert pendo.http.get(f"{VALUES}/{one}/shoe_size").status_code == 404
    assert pendo.http.get(f"/api/v1/metadata/visitor/auto/value/{one}/id").json() == one


def test_objects_that_are_not_there_are_404(untouched: Subscription) -> None:
    for path in ("visitor/nobody", "account/nothing", "visitor", "page/x"):
        assert untouched.http.get(f"/api/v1/{path}").status_code == 404


def test_somebody_opted_out_disappears_and_the_truth_knows(pendo: Subscription) -> None:
    usage = days(-90, events=ALL_APPS)
    one = pendo.rows(usage, {"identified": "visitorId"}, {"limit": 1})[0]
    visitor = one["visitorId"]
    before: dict[str, Any] = metrics(pendo.store.world, AS_OF)
    path = f"/api/v1/metadata/visitor/pendo/value/{visitor}/donotprocess"
    assert pendo.http.put(path, json=True).status_code == 200
    assert visitor not in visitors(pendo)
    assert visitors(pendo, blacklist="only")[visitor]["pendo"]["donotprocess"] is True
    assert visitor not in {row["visitorId"] for row in pendo.rows(usage)}
    after: dict[str, Any] = metrics(pendo.store.world, AS_OF)
    assert set(before["visitors"]) - set(after["visitors"]) == {visitor}
    assert before["accounts"] != after["accounts"]
    accounts = {row["accountId"]: row["metadata"]["auto"] for row in pendo.rows({"accounts": None})}
    assert {name: auto.get("lastvisit") for name, auto in accounts.items()} == {
        name: of["last_visit"] for name, of in after["accounts"].items()
    }
    assert pendo.http.put(path, json=False).status_code == 200
    assert visitor in visitors(pendo)
    assert metrics(pendo.store.world, AS_OF) == before


def test_a_person_changes_metadata_from_outside_the_api(pendo: Subscription) -> None:
    one = next(iter(visitors(pendo)))
    pendo.store.edit("visitor", one, {"role": "Chief", "favourite": "tea"})
    agent = visitors(pendo)[one]["agent"]
    assert (agent["role"], agent["favourite"]) == ("Chief", "tea")
    with pytest.raises(KeyError, match="nobody"):
        pendo.store.edit("visitor", "nobody", {"role": "x"})
    with pytest.raises(KeyError, match="nobody"):
        pendo.store.exclude("nobody")


def test_a_key_without_write_access_reads_only() -> None:
    with subscribed(visitors=10, write_access=False) as pendo:
        one = next(iter(visitors(pendo)))
        for method, path, body in (
            ("POST", VALUES, [{"visitorId": one, "values": {"role": "x"}}]),
            ("PUT", f"{VALUES}/{one}/role", "x"),
            ("POST", CUSTOM, [{"name": "tier", "type": "string"}]),
            ("DELETE", f"{CUSTOM}/tier", None),
        ):
            assert pendo.http.request(method, path, json=body).status_code == 403, path
        assert pendo.http.get(f"{VALUES}/{one}/role").status_code == 200
        assert visitors(pendo)[one]["agent"]["role"] != "x"


def test_too_large_a_bulk_write_times_out_and_changes_nothing() -> None:
    with subscribed(visitors=10, max_values=2) as pendo:
        before = visitors(pendo)
        body = [{"visitorId": one, "values": {"role": "x"}} for one in list(before)[:3]]
        assert pendo.http.post(VALUES, json=body).status_code == 408
        assert visitors(pendo) == before
        assert pendo.http.post(VALUES, json=body[:2]).json()["updated"] == 2


def test_writes_and_reads_at_once_lose_nothing(pendo: Subscription) -> None:
    ids = list(visitors(pendo))
    fields = [{"name": f"field_{n}", "type": "number"} for n in range(10)]
    assert pendo.http.post(CUSTOM, json=fields).status_code == 200

    def write(n: int) -> int:
        body = [{"visitorId": one, "values": {f"field_{n % 10}": n // 10}} for one in ids]
        assert visitors(pendo).keys() == set(ids)
        answer = pendo.http.post("/api/v1/metadata/visitor/custom/value", json=body)
        return int(answer.json()["updated"])

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(write, range(100))) == [len(ids)] * 100
    for metadata in visitors(pendo).values():
        assert set(metadata["custom"]) == {f"field_{n}" for n in range(10)}
        assert all(0 <= value < 10 for value in metadata["custom"].values())
