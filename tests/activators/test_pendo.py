"""Pendo as a destination: what every destination owes, and how the bulk call's counts are accounted for."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from activators import pendo
from activators.activation import ColumnType, Property
from activators.check import Asked, ask
from activators.declarations import read_activations
from activators.destinations import connect, write_calls
from activators.errors import DeclarationError, Unauthorized, Unreachable, VendorError
from activators.journal import Change, RecordChanges, Result
from activators.pendo import Pendo
from activators.provision import provision
from sandbox.server import Sandbox
from tests.activators.conftest import Crm, Seal, activation, journaled, metadata, provisioned, send, writes

# What every destination owes, with the records and the fixtures of this module.
from tests.activators.test_apply import (
    test_a_cleared_value_is_gone,
    test_a_passing_refusal_is_waited_out,
    test_a_torn_last_line_is_cut_and_the_run_goes_on,
    test_a_vendor_that_is_not_there_is_one_line,
    test_a_write_whose_answer_was_lost_is_read_back_and_not_sent_again,
    test_the_journal_says_what_stood_there_before,
    test_verify_leaves_alone_what_was_edited_after_the_landing,
)
from tests.activators.test_declarations import Manifest, activation_of, manifest, set_column, set_meta
from tests.activators.test_undo import test_runs_are_taken_back_one_after_the_other

__all__ = [
    "manifest",
    "test_a_cleared_value_is_gone",
    "test_a_passing_refusal_is_waited_out",
    "test_a_torn_last_line_is_cut_and_the_run_goes_on",
    "test_a_vendor_that_is_not_there_is_one_line",
    "test_a_write_whose_answer_was_lost_is_read_back_and_not_sent_again",
    "test_runs_are_taken_back_one_after_the_other",
    "test_the_journal_says_what_stood_there_before",
    "test_verify_leaves_alone_what_was_edited_after_the_landing",
]

DATE = {"Date": "Fri, 20 Mar 2026 09:00:10 GMT"}
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def crm_of_module(sandbox: Sandbox) -> Iterator[Crm]:
    with provisioned(sandbox, "pendo") as crm:
        yield crm


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def changed(*ids: str, **values: str | None) -> list[RecordChanges]:
    families = {"usage_days": "number", "usage_note": "string"}
    wanted = values or {"usage_days": "5"}
    return [
        RecordChanges(one, tuple(Change(name, families[name], None, value) for name, value in wanted.items()))
        for one in ids
    ]


def through(crm: Crm, records: Sequence[RecordChanges], **changes: str) -> dict[str, Result]:
    """Write records straight through the destination."""

    async def write() -> list[Result]:
        async with connect(["pendo"], crm.credentials(**changes)) as found:
            return await found["pendo"].update("visitor", records)

    results = asyncio.run(write())
    assert sorted(result.record_id for result in results) == sorted(record.record_id for record in records)
    return {result.record_id: result for result in results}


def answering(answer: Answer) -> Pendo:
    http = httpx.AsyncClient(base_url="https://api.example", transport=httpx.MockTransport(answer))
    return Pendo.connect(http, "key")


def test_what_was_planned_is_there_and_nothing_else_moved(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """Two calls for 700 visitors, and not a visitor or account more than before."""
    records = crm.ids[:700]
    before, accounts = crm.everything(), metadata(crm.sandbox, "account")
    rows = [(one, crm.days, None, "5.5") for one in records] + [(records[0], crm.note, None, 'Ünï ✓ "quoted"')]
    plan = seal(crm.activation, rows)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown, item.values) == (700, 0, 0, 701)
    assert item.calls == plan.activations[0].calls == len(writes(crm)) == 2
    after = crm.everything()
    assert after.keys() == before.keys()
    assert metadata(crm.sandbox, "account") == accounts
    for one in after:
        wanted = {crm.days: 5.5} if one in records else {}
        wanted |= {crm.note: 'Ünï ✓ "quoted"'} if one == records[0] else {}
        assert {name: value for name, value in after[one].items() if before[one].get(name) != value} == (
            {**wanted, "lastupdated": after[one]["lastupdated"]} if wanted else {}
        )


def test_a_visitor_that_is_not_there_is_refused_and_not_made(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    before = crm.everything().keys()
    rows = [(one, crm.days, None, "6") for one in ("nobody@x.example", *crm.ids[700:703])]
    (item,) = send(crm, seal(crm.activation, rows), tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown, item.calls) == (3, 1, 0, 1)
    assert item.examples == {"NOT_FOUND": "nobody@x.example: Pendo has no visitor with this id"}
    assert crm.everything().keys() == before


def test_a_value_that_pendo_refuses_is_named_and_the_others_are_read_back(crm: Crm) -> None:
    good, bad = crm.ids[710], crm.ids[711]
    found = through(crm, [*changed(good, "nobody"), *changed(bad, usage_days="many")])
    assert {one: result.status for one, result in found.items()} == {
        good: "confirmed",
        "nobody": "rejected",
        bad: "rejected",
    }
    assert (found[bad].code, found[bad].message) == ("REFUSED", f"{bad}: {crm.days} is a number")
    stored = crm.everything()
    assert stored[good][crm.days] == 5
    assert crm.days not in stored[bad]


def test_a_field_that_is_not_there_does_not_sink_its_call(crm: Crm) -> None:
    """Pendo refuses the whole call; its schema tells which records have such a field: three calls in all."""
    good, bad = crm.ids[720:760], crm.ids[760:780]
    records = changed(*good)
    records += [RecordChanges(one, (Change("usage_gone", "string", None, "x"),)) for one in bad]
    found = through(crm, records)
    assert {found[one].status for one in good} == {"confirmed"}
    assert {(found[one].status, found[one].code) for one in bad} == {("rejected", "UNKNOWN_FIELD")}
    assert {found[one].to_blame for one in bad} == {("usage_gone",)}
    assert len(crm.requests("")) == 3


def test_a_field_of_another_type_is_told_from_a_bad_value() -> None:
    schema = {"custom": {"usage_days": {"Type": "string"}, "usage_note": {"Type": "string"}}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=schema)
        rows = orjson.loads(request.content)
        if any("usage_days" in row["values"] for row in rows):
            return httpx.Response(400, json={"message": "malformed"})
        return httpx.Response(200, json={"total": len(rows), "updated": len(rows), "failed": 0}, headers=DATE)

    found = asyncio.run(answering(answer).update("visitor", [*changed("a"), *changed("b", usage_note="x")]))
    assert {one.record_id: (one.status, one.code) for one in found} == {
        "a": ("rejected", "WRONG_TYPE"),
        "b": ("confirmed", None),
    }


def test_one_malformed_value_is_found_in_few_calls() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"custom": {"usage_days": {"Type": "number"}}})
        rows = orjson.loads(request.content)
        sizes.append(len(rows))
        if any(row["visitorId"] == "5" for row in rows):
            return httpx.Response(400, json={"message": "malformed\nvalue"})
        return httpx.Response(200, json={"total": len(rows), "updated": len(rows), "failed": 0}, headers=DATE)

    found = asyncio.run(answering(answer).update("visitor", changed(*"01234567")))
    assert {one.record_id: one.status for one in found} == {
        one: "rejected" if one == "5" else "confirmed" for one in "01234567"
    }
    (bad,) = (one for one in found if one.record_id == "5")
    assert (bad.code, bad.message) == ("BAD_REQUEST", "malformed value")
    # The whole, one alone that is taken, and the rest in halves.
    assert sizes == [8, 1, 7, 3, 4, 2, 1, 1, 2]


def test_a_call_that_takes_too_long_is_sent_in_halves(crm: Crm) -> None:
    records = crm.ids[800:808]
    crm.fault(path="/custom/value", status=408, times=2)
    found = through(crm, changed(*records, usage_days="8"))
    assert {result.status for result in found.values()} == {"confirmed"}
    assert [one["status"] for one in writes(crm)] == [408, 408, 200, 200, 200]
    assert {crm.stored(one)[crm.days] for one in records} == {8}


def test_a_single_record_that_takes_too_long_may_have_been_written(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """It is asked for, and is confirmed only where it is there."""
    written, lost = crm.ids[810:812]
    for one, after in ((written, True), (lost, False)):
        crm.fault(path="/custom/value", status=408, after=after)
        plan = seal(crm.activation, [(one, crm.days, None, "9")])
        (item,) = send(crm, plan, tmp_path / one).activations
        assert (item.confirmed, item.unknown) == ((1, 0) if after else (0, 1))
        assert (crm.stored(one).get(crm.days) == 9) == after


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"total": 2, "updated": 1, "failed": 1}, id="one_is_missing_without_a_name"),
        pytest.param({"total": 2, "updated": 1, "failed": 1, "errors": ["no"]}, id="an_error_names_nobody"),
        pytest.param({"total": 2, "updated": 1, "failed": 1, "missing": ["A@X"]}, id="another_spelling_is_missing"),
        pytest.param({"total": 2, "updated": 2, "failed": 0, "errors": ["no"]}, id="counts_and_errors_disagree"),
        pytest.param({"total": 1, "updated": 1, "failed": 0, "missing": None, "errors": None}, id="one_was_dropped"),
    ],
)
@pytest.mark.parametrize("is_written", [True, False])
def test_counts_that_leave_a_doubt_are_never_a_success(counts: dict[str, Any], *, is_written: bool) -> None:
    """Of two visitors Pendo has written the first; of the second only what it holds can tell."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/aggregation"):
            rows = [{"visitorId": "a@x", "usage_days": 5}, {"visitorId": "b@x", "usage_days": 5 if is_written else 4}]
            return httpx.Response(200, json={"results": rows}, headers=DATE)
        return httpx.Response(200, json=counts, headers=DATE)

    found = {one.record_id: one for one in asyncio.run(answering(answer).update("visitor", changed("a@x", "b@x")))}
    assert found["a@x"].status == "confirmed"
    if is_written:
        assert found["b@x"].status == "confirmed"
    elif counts.get("errors"):
        assert (found["b@x"].status, found["b@x"].code, found["b@x"].message) == ("rejected", "REFUSED", "no")
    else:
        assert found["b@x"].status == "unknown"


# Ids that are parts of each other, and words of an error's text.
IDS = ("a", "a@x.example", "aa@x.example", "is", "4", "42")
FATES = st.dictionaries(st.sampled_from(IDS), st.sampled_from(["written", "missing", "refused", "dropped"]), min_size=1)


@given(fates=FATES, names=st.booleans())
def test_every_record_has_one_answer_and_only_what_is_there_is_confirmed(fates: dict[str, str], *, names: bool) -> None:
    """Whatever becomes of each record, and whether Pendo's errors name it or not."""
    of = {fate: [one for one in fates if fates[one] == fate] for fate in ("written", "missing", "refused")}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/aggregation"):
            rows = [
                {"visitorId": one, "usage_days": 5 if fate == "written" else None}
                for one, fate in fates.items()
                if fate != "missing"
            ]
            return httpx.Response(200, json={"results": rows}, headers=DATE)
        errors = [f"{one}: usage_days is a number" if names else "usage_days is wrong" for one in of["refused"]]
        body = {"total": len(fates), "updated": len(of["written"]), "missing": of["missing"], "errors": errors}
        return httpx.Response(200, json=body, headers=DATE)

    results = asyncio.run(answering(answer).update("visitor", changed(*fates)))
    assert sorted(one.record_id for one in results) == sorted(fates)
    for one in results:
        fate = fates[one.record_id]
        assert (one.status == "confirmed") == (fate == "written")
        assert (one.code == pendo.NOT_FOUND) == (fate == "missing")
        if fate == "refused" and "dropped" not in fates.values():
            assert (one.status, one.code) == ("rejected", pendo.REFUSED)
            assert one.message is not None
            assert not names or one.message.startswith(f"{one.record_id}: ")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Welcome</h1>"),
        httpx.Response(200, json=[], headers=DATE),
        httpx.Response(200, json={}, headers=DATE),
        httpx.Response(200, json={"updated": 1}),
        httpx.Response(301, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(404, html="not here"),
    ],
)
def test_what_is_no_answer_of_pendos_stops_the_run(answer: httpx.Response) -> None:
    with pytest.raises(VendorError, match=r"^Pendo answers") as caught:
        asyncio.run(answering(lambda _: answer).update("visitor", changed("a")))
    assert "\n" not in str(caught.value)


def test_a_key_without_write_access_stops_at_once(crm: Crm) -> None:
    crm.fault(path="/custom/value", status=403, times=None)
    with pytest.raises(Unauthorized, match="write access"):
        through(crm, changed(crm.ids[0]))
    assert len(writes(crm)) == 1
    with pytest.raises(Unauthorized, match="PENDO_INTEGRATION_KEY") as caught:
        through(crm, changed(crm.ids[0]), pendo_integration_key="not-the-key")
    assert "not-the-key" not in str(caught.value)


def test_throttling_that_looks_like_a_refusal_is_waited_out(crm: Crm) -> None:
    crm.fault(path="/custom/value", status=403, body={"reason": "rateLimitExceeded"}, times=2)
    assert through(crm, changed(crm.ids[820]))[crm.ids[820]].status == "confirmed"
    crm.fault(path="/custom/value", status=429, times=None)
    with pytest.raises(Unreachable, match="try later"):
        through(crm, changed(crm.ids[820]))


@pytest.mark.parametrize(
    ("family", "text", "sent"),
    [
        ("string", "5", "5"),
        ("string", None, None),
        ("number", "5", 5),
        ("number", "-5.00", -5),
        ("number", "12.25", 12.25),
        ("number", "123456789012345678", 123456789012345678),
        ("number", "many", "many"),
        ("boolean", "true", True),
        ("boolean", "FALSE", False),
        ("datetime", "2026-03-20T09:00:00Z", 1773997200000),
        ("datetime", "2026-03-20T10:00:00.5+01:00", 1773997200500),
        ("datetime", "1773997200000", 1773997200000),
        ("datetime", "soon", "soon"),
    ],
)
def test_values_are_sent_as_json_of_their_type(family: str, text: str | None, sent: object) -> None:
    seen: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(orjson.loads(request.content)[0]["values"]["it"])
        return httpx.Response(200, json={"updated": 1}, headers=DATE)

    records = [RecordChanges("a", (Change("it", family, None, text),))]
    (result,) = asyncio.run(answering(answer).update("account", records))
    assert (seen, type(seen[0])) == ([sent], type(sent))
    # Surely not before the write: a header tells whole seconds.
    assert result.written_at == dt.datetime(2026, 3, 20, 9, 0, 11, tzinfo=dt.UTC)


def test_many_are_read_in_one_call_and_in_smaller_ones_where_that_is_too_much(crm: Crm) -> None:
    ids = crm.ids[:500]
    crm.edit(ids[0], **{crm.days: 7, crm.note: 'a "quoted" note'})
    asked = (*ids, "nobody", 'o"dd || true')

    async def read() -> dict[str, Any]:
        async with connect(["pendo"], crm.credentials()) as found:
            return await found["pendo"].read("visitor", asked, [crm.days, crm.note])

    found = asyncio.run(read())
    assert found.keys() == set(ids)
    assert found[ids[0]].values == {crm.days: "7", crm.note: 'a "quoted" note'}
    assert len(crm.requests("/aggregation")) == 1
    crm.fault(path="/aggregation", status=400, times=1)
    again = asyncio.run(read())
    assert {one: again[one].values for one in again} == {one: found[one].values for one in found}
    assert len(crm.requests("/aggregation")) == 4


def test_fields_are_made_with_their_types_and_a_lost_answer_does_no_harm(crm: Crm) -> None:
    families = {"string": "string", "number": "number", "boolean": "boolean", "timestamp": "time"}
    wanted = tuple(
        Property(f"made_{kind}", kind, found, f"Made {kind}", "A value.")
        for kind in families
        if (found := ColumnType.parse(kind if kind in {"string", "boolean", "timestamp"} else "integer")) is not None
    )
    declared = activation("pendo", object="account", properties=wanted)

    async def make() -> tuple[str, ...]:
        async with connect(["pendo"], crm.credentials()) as found:
            (made,) = await provision([declared], found)
            return made.created

    async def definitions() -> dict[str, str]:
        async with connect(["pendo"], crm.credentials()) as found:
            return await found["pendo"].definitions("account")

    crm.fault(path="/schema/account/custom", drop=True, after=True)
    assert asyncio.run(make()) == tuple(f"made_{kind}" for kind in families)
    assert asyncio.run(definitions()).items() >= {f"made_{kind}": one for kind, one in families.items()}.items()
    assert asyncio.run(make()) == ()
    other = Property("made_string", "number", ColumnType("number"), "Made", "A value.")
    declared = activation("pendo", object="account", properties=(other,))
    with pytest.raises(DeclarationError, match="map another property or cast the column"):
        asyncio.run(make())
    new = Property("made_later", "later", ColumnType("number"), "Made", "A value.")
    declared = activation("pendo", object="account", properties=(new,))
    crm.fault(path="/schema/account/custom", status=400, body={"message": "too many fields"})
    with pytest.raises(VendorError, match=r"does not create field made_later of account \(400\): too many fields"):
        asyncio.run(make())


def test_what_pendo_cleared_is_journaled_as_cleared(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    one = crm.ids[830]
    crm.edit(one, **{crm.note: "old"})
    send(crm, seal(crm.activation, [(one, crm.note, "old", None)]), tmp_path / "journal")
    assert crm.note not in crm.stored(one)
    (intent,) = (line for line in journaled(tmp_path / "journal") if line["type"] == "intent")
    assert intent["records"][0]["changes"][0]["after"] is None


def test_what_pendo_cannot_be_asked_for_is_told_before_anything_is_sent(crm: Crm) -> None:
    async def ask_it(**changes: str) -> list[Asked]:
        async with connect(["pendo"], crm.credentials(**changes)) as found:
            lacking = Property("usage_gone", "gone", ColumnType("number"), "Gone", "Gone.")
            declared = activation("pendo", properties=(crm.activation.properties[0], lacking))
            return await ask([declared], found, None)

    def wrong(asked: list[Asked]) -> dict[str, str | None]:
        return {item.probe.what: item.probe.mend for item in asked if item.probe.mend}

    assert wrong(asyncio.run(ask_it())) == {"field usage_gone of visitor": "run `backhaul provision`"}
    assert {item["method"] for item in crm.requests("")} == {"GET"}
    told = asyncio.run(ask_it(pendo_integration_key="wrong-secret"))
    assert "PENDO_INTEGRATION_KEY" in str(wrong(told)["log in"])
    assert "wrong-secret" not in str(told)


@pytest.mark.parametrize("name", ["Usage", "usage days", "a.b", "1st"])
def test_pendo_refuses_names_that_others_take(manifest: Manifest, name: str) -> None:
    activation_of(manifest).update(destination="pendo", object="visitor")
    set_meta(property=name)(manifest)
    with pytest.raises(DeclarationError, match="cannot exist; a Pendo field is lower-case letters"):
        read_activations(manifest)


def test_pendo_has_no_field_for_a_day(manifest: Manifest) -> None:
    activation_of(manifest).update(destination="pendo", object="visitor")
    set_column("days", data_type="date")(manifest)
    with pytest.raises(DeclarationError, match="column days: no Pendo field can hold a date; cast it to a timestamp"):
        read_activations(manifest)


def test_a_hundred_thousand_visitors_cost_two_hundred_calls() -> None:
    assert write_calls("pendo", 100_000) == 200
