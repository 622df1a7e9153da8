"""Apply against the sandbox: every record gets an answer, nothing is sent twice, nobody's edit is overwritten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from activators.destinations import connectors
from activators.errors import Unauthorized, Unreachable
from activators.journal import Journal, read_history
from activators.limits import Usage
from activators.plan import read_changes
from activators.sending import EDITED, Applied
from tests.activators.conftest import BATCH_PATH, NOW, Crm, Seal, answered, journaled, number, send, writes


def test_what_was_planned_is_in_the_crm_and_nothing_else_of_the_record_moved(
    crm: Crm, seal: Seal, tmp_path: Path
) -> None:
    one, two = crm.ids[:2]
    before = crm.stored(one)
    plan = seal(
        crm.activation,
        [(one, crm.days, None, "5"), (one, crm.note, None, 'Ünïcode ✓ "quoted"'), (two, crm.days, None, "0")],
    )
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown, item.values) == (2, 0, 0, 3)
    after = crm.stored(one)
    assert number(after[crm.days]) == 5
    assert after[crm.note] == 'Ünïcode ✓ "quoted"'
    assert number(crm.stored(two)[crm.days]) == 0
    moved = {name for name in after if after[name] != before.get(name)}
    stamps = {"lastmodifieddate", "hs_lastmodifieddate", "SystemModstamp", "LastModifiedDate", "LastModifiedById"}
    assert moved - {crm.days, crm.note} <= stamps


def test_a_cleared_value_is_gone(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record = crm.ids[2]
    crm.edit(record, **{crm.days: 7, crm.note: "gone"})
    plan = seal(crm.activation, [(record, crm.days, "7", None), (record, crm.note, "gone", None)])
    send(crm, plan, tmp_path / "journal")
    stored = crm.stored(record)
    assert not stored.get(crm.days)
    assert not stored.get(crm.note)


def test_batches_are_full_and_every_record_is_answered_once(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[220:370]
    plan = seal(crm.activation, [(record, crm.days, None, "3") for record in records])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert item.confirmed == len(records) == 150
    assert len(writes(crm)) == plan.activations[0].calls == {"hubspot": 2, "salesforce": 1}[crm.activation.destination]
    outcomes = [line for line in journaled(tmp_path / "journal") if line["type"] == "outcome"]
    assert sorted(result["id"] for line in outcomes for result in line["results"]) == sorted(records)


def test_the_journal_says_what_stood_there_before(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record = crm.ids[3]
    plan = seal(crm.activation, [(record, crm.days, "4", "5")])
    send(crm, plan, tmp_path / "journal")
    run, intent, outcome, end = journaled(tmp_path / "journal")
    assert (run["type"], run["plan_id"], end["type"], end["status"]) == ("run", plan.plan_id, "end", "complete")
    change = {"property": crm.days, "family": "number", "before": "4", "after": "5"}
    assert intent["records"] == [{"id": record, "changes": [change]}]
    (result,) = outcome["results"]
    assert (result["id"], result["status"]) == (record, "confirmed")
    # By the CRM's clock, which is the sandbox's day and not ours.
    assert result["written_at"].startswith("2026-03-20T")


def test_one_bad_row_does_not_sink_its_batch(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    good = crm.ids[10:30]
    gone = {"hubspot": "999999999999", "salesforce": "003000000000ZZZAA2"}[crm.activation.destination]
    long = crm.ids[30]
    rows = [(record, crm.days, None, "8") for record in (*good, gone)]
    plan = seal(crm.activation, [*rows, (long, crm.note, None, "x" * 70_000)])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (20, 2, 0)
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in good} == {8}
    rejected = {
        result["id"]: result
        for line in journaled(tmp_path / "journal")
        if line["type"] == "outcome"
        for result in line["results"]
        if result["status"] == "rejected"
    }
    assert set(rejected) == {gone, long}
    assert all(result["code"] and result["message"] for result in rejected.values())
    # The property that it names is the one that is held; what went with it is sent again.
    assert rejected[long]["to_blame"] == [crm.note]
    assert "to_blame" not in rejected[gone]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_refusal_is_waited_out(crm: Crm, seal: Seal, tmp_path: Path, status: int) -> None:
    record = crm.ids[40]
    crm.fault(path=BATCH_PATH[crm.activation.destination], status=status, times=1, headers={"Retry-After": "0"})
    plan = seal(crm.activation, [(record, crm.days, None, str(status))])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert item.confirmed == 1
    assert number(crm.stored(record)[crm.days]) == status
    assert [request["status"] for request in writes(crm)] == [status, 200]


def test_a_wrong_token_stops_at_once_and_can_be_mended(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[50:55]
    plan = seal(crm.activation, [(record, crm.days, None, "9") for record in records])
    wrong = {"hubspot": "hubspot_access_token", "salesforce": "salesforce_client_secret"}[crm.activation.destination]
    with pytest.raises(Unauthorized) as caught:
        send(crm, plan, tmp_path / "journal", **{wrong: "not-the-secret"})
    assert "not-the-secret" not in str(caught.value)
    assert wrong.upper() in str(caught.value)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert item.confirmed == 5


def test_a_vendor_that_is_not_there_is_one_line(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activators.transport._ATTEMPTS", 2)
    plan = seal(crm.activation, [(crm.ids[0], crm.days, None, "9")])
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/? does not answer .*check the base URL"):
        send(crm, plan, tmp_path / "journal", **{f"{crm.activation.destination}_base_url": "http://127.0.0.1:9"})


def test_a_write_whose_answer_was_lost_is_read_back_and_not_sent_again(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record, untouched = crm.ids[60], crm.ids[61]
    plan = seal(crm.activation, [(record, crm.days, None, "11"), (untouched, crm.days, None, "12")])
    journal = Journal.begin(tmp_path / "journal", "run-1", plan.plan_id, NOW, [crm.activation.name])
    # As a killed process leaves it: the intent is on disk, one of the two writes arrived, no answer was kept.
    everything = list(read_changes(plan.folder / plan.activations[0].file))
    journal.intent(crm.activation.name, crm.activation.destination, crm.activation.object, everything)
    journal.close()
    crm.edit(record, **{crm.days: 11})
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected) == (2, 0)
    codes = {
        result["id"]: result["code"]
        for line in journaled(tmp_path / "journal")
        if line["type"] == "outcome"
        for result in line["results"]
    }
    assert codes == {record: "READ_BACK", untouched: None}
    assert number(crm.stored(untouched)[crm.days]) == 12


def test_what_a_person_edited_while_a_run_lay_dead_is_left_alone(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record = crm.ids[62]
    plan = seal(crm.activation, [(record, crm.days, None, "11")])
    journal = Journal.begin(tmp_path / "journal", "run-1", plan.plan_id, NOW, [crm.activation.name])
    journal.intent(
        crm.activation.name,
        crm.activation.destination,
        crm.activation.object,
        list(read_changes(plan.folder / plan.activations[0].file)),
    )
    journal.close()
    crm.edit(record, **{crm.days: 77})
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert item.rejected == 1
    assert EDITED in item.examples
    assert number(crm.stored(record)[crm.days]) == 77
    assert not [
        request for request in writes(crm) if crm.activation.destination == "hubspot" or request["method"] == "PATCH"
    ]


def test_verify_leaves_alone_what_was_edited_after_the_landing(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    edited, untouched = crm.ids[380], crm.ids[381]
    for record in (edited, untouched):
        crm.edit(record, **{crm.days: 4})
    plan = seal(crm.activation, [(record, crm.days, "4", "5") for record in (edited, untouched)])
    crm.edit(edited, **{crm.days: 55})
    (item,) = send(crm, plan, tmp_path / "journal", verify=True).activations
    assert (item.confirmed, item.rejected) == (1, 1)
    assert EDITED in item.examples
    stored = crm.everything()
    assert (number(stored[edited][crm.days]), number(stored[untouched][crm.days])) == (55, 5)


def test_confirmed_records_are_not_sent_again(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One batch after the other, so that the fault meets the second.
    monkeypatch.setattr("activators.hubspot.IN_FLIGHT", 1)
    size = connectors()[crm.activation.destination].records_per_call
    records = crm.ids[400 : 400 + size + 20]
    plan = seal(crm.activation, [(record, crm.days, None, "21") for record in records])
    # The first batch goes through, the second meets a permission that is missing.
    crm.fault(path=BATCH_PATH[crm.activation.destination], status=403, skip=1, times=1)
    with pytest.raises(Unauthorized):
        send(crm, plan, tmp_path / "journal")
    history = read_history(tmp_path / "journal", plan.plan_id)
    assert history is not None
    assert len(history.left_open) == 20
    assert answered(tmp_path / "journal") == ["confirmed"] * size
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (size + 20, 0, 0)
    assert [request["status"] for request in writes(crm)] == [200, 403, 200]
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in records} == {21}


def test_a_torn_last_line_is_cut_and_the_run_goes_on(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record = crm.ids[63]
    plan = seal(crm.activation, [(record, crm.days, None, "13")])
    Journal.begin(tmp_path / "journal", "run-1", plan.plan_id, NOW, [crm.activation.name]).close()
    with (tmp_path / "journal" / "run-1.jsonl").open("ab") as file:
        file.write(b'{"type":"intent","batch":1,"activa')
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert item.confirmed == 1
    assert [line["type"] for line in journaled(tmp_path / "journal")] == ["run", "intent", "outcome", "end"]


def test_a_session_that_has_ended_is_renewed_and_a_token_is_not(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    record = crm.ids[64]
    crm.fault(path=BATCH_PATH[crm.activation.destination], status=401, times=1)
    plan = seal(crm.activation, [(record, crm.days, None, "14")])
    if crm.activation.destination == "salesforce":
        (item,) = send(crm, plan, tmp_path / "journal").activations
        assert item.confirmed == 1
    else:
        with pytest.raises(Unauthorized):
            send(crm, plan, tmp_path / "journal")


def test_the_warehouse_is_free_while_a_plan_is_sent(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """Another process writes to the warehouse, and reads it, between two batches."""
    plan = seal(crm.activation, [(record, crm.days, None, "15") for record in crm.ids[500:520]])
    code = (
        "import duckdb, sys\n"
        "with duckdb.connect(sys.argv[1]) as c:\n"
        "    c.execute('create table meanwhile as select 1 as one')\n"
        "    print(c.execute('select count(*) from plans.plan_contacts').fetchone()[0])"
    )
    seen: list[str] = []

    def meanwhile(applied: Applied, _records: int, _usage: Usage | None) -> None:
        if not applied.settled:
            command = [sys.executable, "-c", code, str(tmp_path / "warehouse.duckdb")]
            seen.append(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip())

    (item,) = send(crm, plan, tmp_path / "journal", progress=meanwhile).activations
    assert (item.confirmed, seen) == (20, ["20"])
