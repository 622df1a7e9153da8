"""What a journal promises of the disk: intents before their batches, answers with them, nothing past a disk's error."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from activators.errors import PlanError, Stopped
from activators.journal import Change, Journal, RecordChanges, Result
from activators.limits import Usage
from activators.sending import Applied
from tests.activators.conftest import NOW, Crm, Seal, journaled, number, send, writes

RECORD = RecordChanges("1", (Change("usage_days", "number", None, "5"),))


class Disk:
    """Follows what is surely on disk: a file's size when it was last flushed. Fails when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flushed: dict[int, int] = {}
        self.flushes = 0
        self.failures = 0
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor: int) -> None:
        self.flushes += 1
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        status = os.fstat(descriptor)
        self._fsync(descriptor)
        self.flushed[status.st_ino] = status.st_size

    def lose_power(self, file: Path) -> None:
        """Cut what is not on disk."""
        os.truncate(file, self.flushed[file.stat().st_ino])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_no_batch_leaves_after_the_disk_has_refused_an_intent(disk: Disk, tmp_path: Path) -> None:
    """A system tells of a failed write once: the next to ask hears that all is well."""
    journal = Journal.begin(tmp_path, "run-1", "plan-1", NOW, ["hubspot_contacts"])

    async def several() -> list[BaseException | None]:
        return await asyncio.gather(*(journal.on_disk() for _ in range(4)), return_exceptions=True)

    # All are written before the first of them waits.
    for _ in range(4):
        journal.intent("hubspot_contacts", "hubspot", "contacts", [RECORD])
    disk.failures = 1
    assert [type(end) for end in asyncio.run(several())] == [PlanError] * 4
    with pytest.raises(PlanError, match="the journal cannot be written"):
        journal.end(NOW, "complete", {})
    journal.close()


def test_batches_that_wait_at_once_share_the_disks_wait(disk: Disk, tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, "run-1", "plan-1", NOW, ["hubspot_contacts"])

    async def settle() -> None:
        batch = journal.intent("hubspot_contacts", "hubspot", "contacts", [RECORD])
        await journal.on_disk()
        journal.outcome(batch, [Result("1", "confirmed", NOW)])
        await journal.on_disk()

    async def several() -> None:
        await asyncio.gather(*(settle() for _ in range(20)))

    before = disk.flushes
    asyncio.run(several())
    journal.close()
    assert disk.flushes - before <= 4
    assert disk.flushed[journal.path.stat().st_ino] == journal.path.stat().st_size


@pytest.mark.parametrize("in_flight", [1, 3])
def test_an_answer_outlives_the_machine_even_where_the_crm_does_not_show_it_any_more(  # noqa: PLR0913  fixtures
    crm: Crm, seal: Seal, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_flight: int
) -> None:
    for vendor in ("hubspot", "salesforce"):
        monkeypatch.setattr(f"activators.{vendor}.RECORDS_PER_CALL", 2)
        monkeypatch.setattr(f"activators.{vendor}.IN_FLIGHT", in_flight)
    records = crm.ids[100:124]
    plan = seal(crm.activation, [(record, crm.days, None, str(40 + in_flight)) for record in records])

    def press(applied: Applied, _records: int, _usage: Usage | None) -> None:
        if applied.settled == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        send(crm, plan, tmp_path / "journal", progress=press)
    disk.lose_power(tmp_path / "journal" / "run-1.jsonl")
    answered = [item["id"] for line in journaled(tmp_path / "journal") for item in line.get("results", ())]
    assert len(answered) == 2 * len(writes(crm)) >= 4
    for record in answered:
        crm.edit(record, **{crm.days: 99})
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (24, 0, 0)
    assert len(writes(crm)) == 12
    assert {number(crm.stored(record)[crm.days]) for record in answered} == {99}


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_an_answer_that_was_lost_with_the_machine_is_read_back(
    crm: Crm, seal: Seal, tmp_path: Path, kept: float
) -> None:
    """The power went between the vendor's answer and the disk's: the last line is not there, or a part of it is."""
    records = crm.ids[124:128]
    planned = str(60 + int(kept * 10))
    plan = seal(crm.activation, [(record, crm.days, None, planned) for record in records])
    assert send(crm, plan, tmp_path / "journal").complete
    journal = tmp_path / "journal" / "run-1.jsonl"
    start, intent, outcome, _ = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(start + intent + outcome[: int(len(outcome) * kept)])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (4, 0, 0)
    assert len(writes(crm)) == 1
    assert journaled(tmp_path / "journal")[-2]["results"][0]["code"] == "READ_BACK"
