"""The write-ahead journal: what is about to be sent, on disk before it is, then what the vendor said.

One file a run, one JSON object a line: `run`, then for each batch an `intent` and an `outcome`, at last `end`, which
says what became of each activation's records. A batch that a vendor's job takes has a `job` between the two.
The loaders land these files as the ledger; their shape is an interface.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import orjson

from activators.errors import PlanError

Status = Literal["confirmed", "rejected", "unknown"]
# The code of the first occurrence that was sent to a record which had to be created for it.
CREATED = "RECORD_CREATED"


@dataclass(frozen=True, slots=True)
class Change:
    """One property of one record, before and after, as the texts that the CRM takes. None is no value."""

    property: str
    family: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class RecordChanges:
    """All that one run changes of one record."""

    record_id: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the CRM holds of one record: the asked-for values as texts, and when, by its clock, it last changed."""

    values: Mapping[str, str | None]
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What the vendor said of one record. `written_at` is the vendor's time, None when nothing was written.

    `to_blame` are the properties that a refusal names; empty where it names none.
    """

    record_id: str
    status: Status
    written_at: dt.datetime | None = None
    code: str | None = None
    message: str | None = None
    to_blame: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A vendor's job that a run began and did not see the end of."""

    activation: str
    job_id: str


@dataclass(frozen=True, slots=True)
class History:
    """What an earlier, interrupted attempt at the same plan left behind."""

    run_id: str
    last_batch: int
    ended: bool
    # By activation and record: what was begun, and of which no answer has ended the matter.
    left_open: frozenset[tuple[str, str]] = frozenset()
    # By batch: the vendor's job that took it, while no outcome is known.
    jobs: Mapping[int, OpenJob] = field(default_factory=dict)


@dataclass(slots=True)
class Journal:
    """An open journal.

    A line outlives this process when the call returns, and the machine once `on_disk` has. A batch waits
    for that twice: before it is sent, and when it is answered. An answer that is lost all the same is asked for again.
    """

    path: Path
    run_id: str
    _file: BinaryIO = field(repr=False)
    _batch: int = 0
    # After a write that failed half-way another would be appended to its torn line, and what the disk did not take is
    # not tried again.
    _is_torn: bool = False
    # Lines written, and how many of them are surely on disk.
    _lines: int = field(default=0, init=False)
    _lines_on_disk: int = field(default=0, init=False)
    _syncing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    @classmethod
    def begin(  # noqa: PLR0913  what a run says of itself
        cls,
        folder: Path,
        run_id: str,
        plan_id: str,
        started_at: dt.datetime,
        activations: Sequence[str],
        *,
        planned: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Self:
        """Start the journal of a new run, which may write what the named activations say.

        `planned` is what the plan counts of each of its activations, those without a change too, for the ledger.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{run_id}.jsonl"
        # Journals hold customers' values: only their owner may read them.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        journal = cls(path, run_id, file)
        start = {
            "type": "run",
            "run_id": run_id,
            "plan_id": plan_id,
            "started_at": started_at,
            "activations": list(activations),
            "planned": planned or {},
        }
        try:
            journal._write(start)
            journal._sync()
        except PlanError:
            # A run that could not even say that it begins has not begun.
            journal.close()
            path.unlink()
            raise
        _flush_folder(folder)
        return journal

    @classmethod
    def resume(cls, folder: Path, history: History) -> Self:
        """Go on with an interrupted run: cut a torn last line, then append."""
        path = folder / f"{history.run_id}.jsonl"
        file = path.open("r+b")
        whole = sum(len(line) for line in file if line.endswith(b"\n"))
        file.seek(whole)
        file.truncate()
        return cls(path, history.run_id, file, history.last_batch)

    def intent(self, activation: str, destination: str, object_type: str, records: Sequence[RecordChanges]) -> int:
        """Say what is about to be sent. Returns the batch's number, for its outcome."""
        self._batch += 1
        self._write(
            {
                "type": "intent",
                "batch": self._batch,
                "activation": activation,
                "destination": destination,
                "object": object_type,
                "records": [
                    {
                        "id": record.record_id,
                        "changes": [
                            {
                                "property": change.property,
                                "family": change.family,
                                "before": change.before,
                                "after": change.after,
                            }
                            for change in record.changes
                        ],
                    }
                    for record in records
                ],
            }
        )
        return self._batch

    def job(self, batch: int, job_id: str) -> None:
        """Say which of the vendor's jobs is going to take a batch: whatever happens, it can be asked for."""
        self._write({"type": "job", "batch": batch, "job": job_id})

    def outcome(self, batch: int, results: Sequence[Result]) -> None:
        """Say what the vendor answered."""
        self._write(
            {
                "type": "outcome",
                "batch": batch,
                "results": [
                    {
                        "id": result.record_id,
                        "status": result.status,
                        "code": result.code,
                        "message": result.message,
                        "written_at": result.written_at,
                        **({"to_blame": list(result.to_blame)} if result.to_blame else {}),
                    }
                    for result in results
                ],
            }
        )

    def end(self, ended_at: dt.datetime, status: str, records: Mapping[str, Mapping[Status, int]]) -> None:
        """Close the run: nothing of its plan is left to send. `records`, by activation, counts what became of them."""
        self._write({"type": "end", "ended_at": ended_at, "status": status, "records": records})
        self._sync()
        self.close()

    async def on_disk(self) -> None:
        """Wait until every line so far is on disk. Batches that wait at once share the disk's one wait."""
        wanted = self._lines
        async with self._syncing:
            self._refuse_torn()
            if self._lines_on_disk < wanted:
                lines = self._lines
                await asyncio.to_thread(self._sync)
                self._lines_on_disk = lines

    def close(self) -> None:
        """Close the file; a run that has not ended stays open and can be resumed."""
        # What a full disk did not take was reported when it was written; closing would only try it once more.
        with suppress(OSError):
            self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._refuse_torn()
        try:
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
            self._file.flush()
        except OSError as error:
            self._is_torn = True
            raise self._unwritable(error.strerror or "unknown error") from None
        self._lines += 1

    def _sync(self) -> None:
        # The system tells once that it could not write: asked again, it says that all is well.
        self._refuse_torn()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._is_torn = True
            raise self._unwritable(error.strerror or "unknown error") from None

    def _refuse_torn(self) -> None:
        if self._is_torn:
            raise self._unwritable("an earlier line of it did not get there whole")

    def _unwritable(self, why: str) -> PlanError:
        return PlanError(
            f"{self.path}: the journal cannot be written ({why}); nothing more is sent without it. "
            "Make room, then run the same command again: it asks the CRM what became of the last batch"
        )


def journal_sizes(folder: Path) -> dict[str, int]:
    """Every run's journal, by run id: how much of it there is, in bytes."""
    return {path.stem: path.stat().st_size for path in folder.glob("*.jsonl")}


def read_history(folder: Path, plan_id: str) -> History | None:
    """What the journals say of a plan, or None when it was never started. Writes nothing."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        lines = read_lines(path)
        run = next(lines, None)
        if run is not None and run["plan_id"] == plan_id:
            return _history(run["run_id"], lines)
    return None


def read_batch(path: Path, batch: int) -> list[RecordChanges]:
    """The records that a batch was to write."""
    line = next(line for line in read_lines(path) if line["type"] == "intent" and line["batch"] == batch)
    return [record_changes(record) for record in line["records"]]


def _history(run_id: str, lines: Iterator[Mapping[str, Any]]) -> History:
    left_open: set[tuple[str, str]] = set()
    jobs: dict[int, OpenJob] = {}
    activation_of: dict[int, str] = {}
    ended = False
    for line in lines:
        if line["type"] == "intent":
            activation_of[line["batch"]] = line["activation"]
            left_open.update((line["activation"], record["id"]) for record in line["records"])
        elif line["type"] == "job":
            jobs[line["batch"]] = OpenJob(activation_of[line["batch"]], line["job"])
        elif line["type"] == "outcome":
            jobs.pop(line["batch"], None)
            activation = activation_of[line["batch"]]
            left_open.difference_update(
                (activation, item["id"]) for item in line["results"] if item["status"] != "unknown"
            )
        elif line["type"] == "end":
            ended = True
    last_batch = max(activation_of, default=0)
    return History(run_id, last_batch, ended, frozenset(left_open), jobs)


def record_changes(record: Mapping[str, Any]) -> RecordChanges:
    """Read a record of an intent."""
    changes = (Change(item["property"], item["family"], item["before"], item["after"]) for item in record["changes"])
    return RecordChanges(record["id"], tuple(changes))


def result_of(item: Mapping[str, Any]) -> Result:
    """Read a record's result of an outcome."""
    written_at = item["written_at"] and dt.datetime.fromisoformat(item["written_at"])
    to_blame = tuple(item.get("to_blame", ()))
    return Result(item["id"], item["status"], written_at, item["code"], item["message"], to_blame)


def read_lines(path: Path, holding: bytes = b"") -> Iterator[Mapping[str, Any]]:
    """The whole lines of a journal, one at a time: those that hold some bytes, where they are given.

    Raises PlanError for a line that is not what was written.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n") and holding in line:
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError:
                    raise PlanError(
                        f"{path}: line {number} is damaged; move the file away after looking at what it says was sent"
                    ) from None


def _flush_folder(folder: Path) -> None:
    """Make the new file's name as durable as its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
