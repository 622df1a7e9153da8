"""What runs wrote, told by their journals line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from activators.errors import PlanError
from activators.journal import Change, Journal, RecordChanges, Result, Status, read_history
from activators.written import read_run, read_runs, read_writes, record_history
from tests.activators.conftest import NOW

NAME = "hubspot_contacts"


def records(*ids: str, after: str = "5") -> list[RecordChanges]:
    return [RecordChanges(one, (Change("usage_days", "number", None, after),)) for one in ids]


def begin(folder: Path, run_id: str = "run-1") -> Journal:
    return Journal.begin(folder, run_id, f"plan of {run_id}", NOW, [NAME])


def send(journal: Journal, answers: dict[str, Status | None], after: str = "5") -> None:
    batch = journal.intent(NAME, "hubspot", "contacts", records(*answers, after=after))
    journal.outcome(batch, [Result(one, status) for one, status in answers.items() if status])


def told(folder: Path) -> dict[str, str | None]:
    writes = list(read_writes(folder, "run-1"))
    assert len({write.record.record_id for write in writes}) == len(writes)
    return {write.record.record_id: write.result.status if write.result else None for write in writes}


def test_each_record_is_told_once_with_its_last_answer(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    send(journal, {"good": "confirmed", "bad": "rejected", "lost": None, "vague": "unknown", "never": "unknown"})
    journal.close()
    history = read_history(tmp_path, "plan of run-1")
    assert history is not None
    journal = Journal.resume(tmp_path, history)
    send(journal, {"lost": "confirmed", "vague": "rejected", "new": None})
    assert told(tmp_path) == {
        "good": "confirmed",
        "bad": "rejected",
        "lost": "confirmed",
        "vague": "rejected",
        "never": "unknown",
        "new": None,
    }
    journal.close()
    summary = read_run(tmp_path, "run-1")
    assert (summary.status, summary.confirmed, summary.rejected, summary.unknown) == ("open", 2, 2, 2)


def test_of_a_run_that_has_ended_only_the_ends_are_read(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    send(journal, {"1": "confirmed"})
    journal.end(NOW, "partial", {NAME: {"confirmed": 7, "rejected": 2, "unknown": 1}})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join([lines[0], b"what stands between is of no account\n", lines[-1]]))
    (summary,) = read_runs(tmp_path)
    assert (summary.status, summary.confirmed, summary.rejected, summary.unknown) == ("partial", 7, 2, 1)
    # One that was cut short has not ended.
    journal.path.write_bytes(b"".join(lines)[:-1])
    (summary,) = read_runs(tmp_path)
    assert (summary.status, summary.confirmed) == ("open", 1)


def test_one_records_history_is_told_from_every_run_the_newest_first(tmp_path: Path) -> None:
    for run_id, after in (("run-1", "5"), ("run-2", "6"), ("run-3", "7")):
        journal = begin(tmp_path, run_id)
        send(journal, {"1": "confirmed", "11": "confirmed"} if run_id != "run-2" else {"11": "confirmed"}, after)
        journal.close()
    found = list(record_history(tmp_path, NAME, "1"))
    assert [(write.run_id, write.record.changes[0].after) for write in found] == [("run-3", "7"), ("run-1", "5")]
    assert all(write.result is not None and write.result.status == "confirmed" for write in found)
    assert list(record_history(tmp_path, "another", "1")) == []


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"run-9\.jsonl: no such run; `backhaul runs` lists them"):
        read_run(tmp_path, "run-9")
