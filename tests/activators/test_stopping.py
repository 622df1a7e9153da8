"""What ends a run early, and that the same command then goes on: signals, the day's calls, refusals without end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from activators.breaker import AT_MOST, AT_MOST_SHARE, LAST, Breaker
from activators.destinations import Restraint
from activators.errors import QuotaExhausted, RefusedAlike, Stopped, VendorError
from activators.journal import Result, read_history
from activators.limits import Usage
from activators.salesforce import bulk
from activators.sending import Applied
from activators.stopping import interrupting_again
from tests.activators.conftest import BATCH_PATH, NOTE, Crm, Seal, answered, journaled, number, send, writes
from tests.conftest import work_on_after_a_swallowed


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of five, and no waiting between two attempts."""
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 5)
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 5)
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Signals do what they do in Python, where whoever started the tests has them ignored, too."""
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {which: signal.signal(which, handler) for which, handler in defaults.items()}
    yield
    for which, handler in before.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("number_of", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_batches_on_their_way_finish(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number_of: signal.Signals
) -> None:
    monkeypatch.setattr("activators.hubspot.IN_FLIGHT", 8)
    records = crm.ids[:60]
    plan = seal(crm.activation, [(record, crm.days, None, "31") for record in records])
    handler = signal.getsignal(number_of)

    def press(applied: Applied, _records: int, _usage: Usage | None) -> None:
        # After the first batch, which goes alone: of the other eleven no more than eight are begun at once.
        if applied.settled == 5:
            os.kill(os.getpid(), number_of)

    with pytest.raises(Stopped) as stopped:
        send(crm, plan, tmp_path / "journal", progress=press)
    assert stopped.value.signal == number_of
    assert signal.getsignal(number_of) == handler
    lines = journaled(tmp_path / "journal")
    assert [line["batch"] for line in lines if line["type"] == "intent"] == [
        *range(1, 1 + len([line for line in lines if line["type"] == "outcome"]))
    ]
    sent = len(writes(crm))
    assert sent < 12
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, len(writes(crm))) == (60, 12)


# HubSpot has no jobs.
@pytest.mark.parametrize("crm_of_module", ["salesforce"], indirect=True)
def test_a_signal_leaves_a_job_to_itself_and_the_same_command_reads_its_results(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ABOVE", 10)
    records = crm.ids[60:100]
    plan = seal(crm.activation, [(record, crm.days, None, "32") for record in records])
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 600.0)

    def press_once_it_waits() -> None:
        while not any(item["method"] == "GET" and "/jobs/ingest/" in item["path"] for item in crm.requests("")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    presser = threading.Thread(target=press_once_it_waits, daemon=True)
    presser.start()
    with pytest.raises(Stopped):
        send(crm, plan, tmp_path / "journal")
    presser.join()
    assert [line["type"] for line in journaled(tmp_path / "journal")] == ["run", "intent", "outcome", "intent", "job"]
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.unknown) == (40, 0)
    assert len([call for call in crm.requests("/batches") if call["method"] == "PUT"]) == 1
    assert {number(crm.everything()[record][crm.days]) for record in records} == {32}


def test_our_share_of_the_days_calls_ends_a_run_and_the_next_day_goes_on(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[100:140]
    plan = seal(crm.activation, [(record, crm.days, None, "33") for record in records])
    with pytest.raises(QuotaExhausted, match="calls are used, and we leave the rest when 0% are"):
        send(crm, plan, tmp_path / "journal", restraint=Restraint(day_share=1e-9))
    history = read_history(tmp_path / "journal", plan.plan_id)
    assert history is not None
    # Whatever was begun was answered.
    assert not history.left_open
    assert 0 < len(writes(crm)) < 8
    (item,) = send(crm, plan, tmp_path / "journal", restraint=Restraint(day_share=1.0)).activations
    assert (item.confirmed, len(writes(crm))) == (40, 8)


def test_records_refused_alike_end_a_run_until_somebody_says_to_go_on(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activators.hubspot.IN_FLIGHT", 2)
    bad = crm.ids[150:210]
    plan = seal(crm.activation, [(record, crm.note, None, "x" * 70_000) for record in bad])
    with pytest.raises(RefusedAlike, match=r"records were refused alike \(.+: .+\); .+--keep-going"):
        send(crm, plan, tmp_path / "journal")
    after_first = len(writes(crm))
    refused = [result for line in journaled(tmp_path / "journal") for result in line.get("results", [])]
    assert 20 < len(refused) <= 35
    # Again, without a word: what was refused then counts, and nothing is sent.
    with pytest.raises(RefusedAlike):
        send(crm, plan, tmp_path / "journal")
    assert len(writes(crm)) == after_first
    (item,) = send(crm, plan, tmp_path / "journal", keep_going=True).activations
    assert (item.confirmed, item.rejected) == (0, 60)


def test_a_resumed_run_says_why_a_record_was_refused(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[260:300]
    rows: list[tuple[Any, ...]] = [(records[0], crm.note, None, "x" * 70_000)]
    rows += [(record, crm.days, None, "34") for record in records[1:]]
    plan = seal(crm.activation, rows)
    crm.fault(path=BATCH_PATH[crm.activation.destination], status=404, skip=7, times=1)
    with pytest.raises(VendorError):
        send(crm, plan, tmp_path / "journal")
    (said,) = (
        result
        for line in journaled(tmp_path / "journal")
        if line["type"] == "outcome"
        for result in line["results"]
        if result["status"] == "rejected"
    )
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected) == (39, 1)
    assert item.examples == {said["code"]: f"{records[0]}: {said['message']}"}


def test_a_server_that_only_fails_is_left_alone_soon(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """The first batch goes alone: its attempts are all the calls that a server in distress gets."""
    plan = seal(crm.activation, [(record, crm.days, None, "35") for record in crm.ids[300:360]])
    crm.fault(path=BATCH_PATH[crm.activation.destination], status=500, times=None)
    with pytest.raises(VendorError, match="try later"):
        send(crm, plan, tmp_path / "journal")
    assert [call["status"] for call in writes(crm)] == [500] * 3


ANSWERS = st.lists(st.sampled_from(["", "", "", "TOO_LONG", "NO_OPTION"]), max_size=LAST + 300)


@given(ANSWERS)
def test_the_breaker_trips_on_one_reason_among_the_last_records_and_on_nothing_else(codes: list[str]) -> None:
    breaker = Breaker()
    for at, code in enumerate(codes):
        breaker.add(Result(str(at), "rejected" if code else "confirmed", None, code or None))
    last = codes[-LAST:]
    most = max((last.count(code) for code in ("TOO_LONG", "NO_OPTION")), default=0)
    if most > max(AT_MOST, AT_MOST_SHARE * len(last)):
        with pytest.raises(RefusedAlike):
            breaker.raise_if_tripped("contacts")
    else:
        breaker.raise_if_tripped("contacts")


# Salesforce names the rows.
@pytest.mark.parametrize("crm_of_module", ["hubspot"], indirect=True)
def test_a_batch_that_is_wrong_throughout_ends_a_run_after_six_calls(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch and five of its records; halving all hundred down to single records would take 199."""
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 100)
    records = crm.ids[:150]
    plan = seal(crm.activation, [(record, crm.note, None, "x" * 70_000) for record in records])
    with pytest.raises(RefusedAlike, match=r"a batch of 100 records was refused, and 5 from all over it, too \("):
        send(crm, plan, tmp_path / "journal")
    assert len(writes(crm)) == 6
    # Five are refused; of the others nothing is said, so they are read back, and sent again.
    history = read_history(tmp_path / "journal", plan.plan_id)
    assert history is not None
    assert (len(history.left_open), answered(tmp_path / "journal")) == (95, ["rejected"] * 5)
    with pytest.raises(RefusedAlike):
        send(crm, plan, tmp_path / "journal")
    (item,) = send(crm, plan, tmp_path / "journal", keep_going=True).activations
    assert (item.confirmed, item.rejected, item.unknown) == (0, 150, 0)
    assert not any(crm.stored(record).get(crm.note) for record in records[:3])


# Salesforce names the rows.
@pytest.mark.parametrize("crm_of_module", ["hubspot"], indirect=True)
def test_a_property_that_is_missing_on_part_of_a_batch_costs_one_call_more(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HubSpot names the property, and a record without it does nobody any harm; halving would take 168 calls."""
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 100)
    records = crm.ids[:150]
    lacking = {record for at, record in enumerate(records) if at % 20 < 9}
    gone = replace(NOTE, name="usage_gone")
    declared = replace(crm.activation, properties=(*crm.activation.properties, gone))
    rows: list[tuple[Any, ...]] = [(record, crm.days, None, "77") for record in records]
    rows += [(record, gone.name, None, "said") for record in sorted(lacking)]
    plan = seal(declared, rows)
    with pytest.raises(RefusedAlike, match=r"45 of the last 100 records were refused alike \(PROPERTY_DOESNT_EXIST"):
        send(crm, plan, tmp_path / "journal")
    assert len(writes(crm)) == 2
    (item,) = send(crm, plan, tmp_path / "journal", keep_going=True).activations
    assert len(writes(crm)) == 4
    assert (item.confirmed, item.rejected, item.unknown) == (150 - len(lacking), len(lacking), 0)
    assert {one for one in records if number(crm.stored(one).get(crm.days) or 0) == 77} == set(records) - lacking
    outcomes = (line["results"] for line in journaled(tmp_path / "journal") if line["type"] == "outcome")
    told = {one["id"]: one for results in outcomes for one in results if one["status"] == "rejected"}
    assert told.keys() == lacking
    assert {(one["code"], *one["to_blame"]) for one in told.values()} == {("PROPERTY_DOESNT_EXIST", gone.name)}


# Salesforce names the rows.
@pytest.mark.parametrize("crm_of_module", ["hubspot"], indirect=True)
def test_records_without_a_property_that_is_refused_are_written_though_the_others_end_the_run(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 100)
    records = crm.ids[:100]
    rows: list[tuple[Any, ...]] = [(record, crm.days, None, "78") for record in records]
    rows += [(record, crm.note, None, "x" * 70_000) for record in records[:40]]
    plan = seal(crm.activation, rows)
    with pytest.raises(RefusedAlike, match=r"a batch of 100 records was refused, and 5 from all over it, too \("):
        send(crm, plan, tmp_path / "journal")
    # The whole, those without a note, and five of the others.
    assert len(writes(crm)) == 7
    assert sorted(answered(tmp_path / "journal")) == ["confirmed"] * 60 + ["rejected"] * 5
    assert {one for one in records if number(crm.stored(one).get(crm.days) or 0) == 78} == set(records[40:])


# Salesforce names the rows.
@pytest.mark.parametrize("crm_of_module", ["hubspot"], indirect=True)
def test_a_batch_with_bad_records_among_good_ones_is_sent_but_for_those(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 100)
    records = crm.ids[300:400]
    # Four of those that are sent alone first are bad; the fifth is taken.
    bad = {records[at * 99 // 4] for at in range(4)} | {records[10]}
    plan = seal(crm.activation, [(one, crm.note, None, "x" * 70_000 if one in bad else "fine") for one in records])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (95, 5, 0)
    assert {one for one in records if crm.stored(one).get(crm.note) == "fine"} == set(records) - bad


def test_an_interrupt_that_a_destructor_swallowed_comes_again() -> None:
    """Python prints what is raised in one, and goes on as if nobody had asked for anything."""
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interrupting_again():
        work_on_after_a_swallowed(signal.SIGINT)
    assert sys.unraisablehook is before


def test_what_else_a_destructor_raises_is_told_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("not closed")

    before, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        with interrupting_again():
            Failing()
    finally:
        sys.unraisablehook = before
    assert "ValueError: not closed" in capsys.readouterr().err
