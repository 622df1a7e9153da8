from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from activators.destinations import connect
from activators.journal import Change, Journal, RecordChanges, Result, Status, Stored, journal_sizes
from activators.plan import Plan, read_changes
from activators.salesforce import bulk
from activators.undo import plan_undo, restore
from activators.written import read_writes
from tests.activators.conftest import NOW, Crm, Seal, number, send


def taken_back(crm: Crm, folder: Path) -> Plan:
    """What `undo` seals of the first run."""

    async def read() -> Plan:
        async with connect([crm.activation.destination], crm.credentials()) as destinations:
            return await plan_undo("run-1", [crm.activation], destinations, folder / "journal", folder / "undos")

    return asyncio.run(read())


@pytest.mark.parametrize("by_jobs", [False, True])
def test_what_was_set_replaced_and_cleared_is_as_before_except_what_a_person_edited(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_jobs: bool
) -> None:
    monkeypatch.setattr(bulk, "ABOVE", 10 if by_jobs else 1_000)
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 5)
    records = crm.ids[30:60]
    for record in records:
        crm.edit(record, **{crm.days: 4, crm.note: ""})
    rows = [(record, crm.days, "4", "5" if at % 2 else None) for at, record in enumerate(records)]
    rows += [(record, crm.note, None, "said") for record in records]
    before = crm.everything()
    assert send(crm, seal(crm.activation, rows), tmp_path / "journal").complete
    # A person changes what we set, what we cleared, and, of a third record, nothing that we wrote.
    crm.edit(records[1], **{crm.days: 77})
    crm.edit(records[2], **{crm.days: 78})
    plan = taken_back(crm, tmp_path)
    assert plan.journals == journal_sizes(tmp_path / "journal")
    (item,) = plan.activations
    assert (item.records_changed, item.changes, item.held) == (30, 58, 2)
    (reason,) = item.reasons
    assert (reason.reason, reason.values, reason.sample.record_id) == ("edited_in_crm", 2, min(records[1:3]))
    # The share of a day is known from the reading, and the calls are those that apply takes.
    assert item.quota_share is not None
    assert item.quota_share > 0
    assert send(crm, plan, tmp_path / "undo").complete
    now = crm.everything()
    assert [number(now[record][crm.days]) for record in records[1:3]] == [77, 78]
    for record in (records[0], *records[3:]):
        assert number(now[record][crm.days]) == 4
    assert all((now[record][crm.note] or None) == (before[record].get(crm.note) or None) for record in records)
    if by_jobs and crm.activation.destination == "salesforce":
        assert len([call for call in crm.requests("/jobs/ingest") if call["method"] == "POST"]) == 2


# HubSpot locks nothing beside the record.
@pytest.mark.parametrize("crm_of_module", ["salesforce"], indirect=True)
def test_contacts_of_one_account_are_taken_back_together(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """Each write locks the account: batches that hold rows of the same one would wait for each other."""
    stored = crm.everything()
    records = crm.ids[70:170]
    plan = seal(crm.activation, [(record, crm.days, stored[record][crm.days], "6") for record in records])
    send(crm, plan, tmp_path / "journal")
    undo = taken_back(crm, tmp_path)
    order = [record.record_id for record in read_changes(undo.folder / undo.activations[0].file)]
    accounts = [str(stored[record]["AccountId"] or "") for record in order]
    assert sorted(order) == sorted(write.record.record_id for write in read_writes(tmp_path / "journal", "run-1"))
    assert len(set(accounts)) < len(accounts)
    changes = sum(one != other for one, other in pairwise(accounts))
    assert changes == len(set(accounts)) - 1


def ran(crm: Crm, folder: Path, run_id: str, change: Change, status: Status = "confirmed") -> None:
    """Leave the journal of a run that changed one value of the first record."""
    item = crm.activation
    journal = Journal.begin(folder / "journal", run_id, f"plan of {run_id}", NOW, [item.name])
    batch = journal.intent(item.name, item.destination, item.object, [RecordChanges(crm.ids[0], (change,))])
    journal.outcome(batch, [Result(crm.ids[0], status, NOW)])
    journal.end(NOW, "complete", {item.name: {status: 1}})


def test_runs_are_taken_back_one_after_the_other(crm: Crm, tmp_path: Path) -> None:
    def counted() -> tuple[int, list[str]]:
        (item,) = taken_back(crm, tmp_path).activations
        return item.changes, [reason.reason for reason in item.reasons]

    crm.edit(crm.ids[0], **{crm.days: 5})
    ran(crm, tmp_path, "run-1", Change(crm.days, "number", "4", "5"))
    ran(crm, tmp_path, "run-2", Change(crm.days, "number", "5", "6"), "rejected")
    # What the CRM refused replaced nothing.
    assert counted() == (1, [])
    crm.edit(crm.ids[0], **{crm.days: 7})
    ran(crm, tmp_path, "run-3", Change(crm.days, "number", "5", "7"))
    assert counted() == (0, ["written_since"])
    # The undo of the third run is a run, too.
    crm.edit(crm.ids[0], **{crm.days: 5})
    ran(crm, tmp_path, "run-4", Change(crm.days, "number", "7", "5.0"))
    assert counted() == (1, [])


@pytest.mark.parametrize(
    ("before", "after", "now", "expected"),
    [
        pytest.param("4", "5", "5.0", ("send", "differs"), id="ours_still_stands"),
        pytest.param("4", "5", "4", None, id="restored_already"),
        pytest.param(None, "5", "", None, id="emptied_as_it_was"),
        pytest.param("4", None, "", ("send", "differs"), id="we_cleared_it"),
        pytest.param("4", "5", "9", ("hold", "edited_in_crm"), id="a_person_typed_another"),
        pytest.param("4", "5", None, ("hold", "edited_in_crm"), id="a_person_cleared_it"),
    ],
)
def test_only_what_we_wrote_is_restored(
    before: str | None, after: str | None, now: str | None, expected: tuple[str, str] | None
) -> None:
    change = Change("usage_days", "number", before, after)
    assert restore(change, Stored({"usage_days": now}, NOW)) == expected


def test_what_a_later_run_wrote_is_not_called_a_persons() -> None:
    change = Change("usage_days", "number", "4", "5")
    assert restore(change, Stored({"usage_days": "9"}, NOW), is_newest=False) == ("hold", "written_since")


def test_a_record_that_is_gone_is_named() -> None:
    assert restore(Change("usage_days", "number", "4", "5"), None) == ("invalid", "record_gone")
