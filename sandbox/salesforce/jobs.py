"""Bulk jobs: what was asked, how far they are, and what came of each row.

A job that is closed begins when somebody asks for it, goes on by one batch of 10,000 rows each time it is asked for
again, and ends by itself when nobody asks for long. What a job wrote stays, however it ends.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .bulkcsv import Format, Table, UnfitCsv, read_csv
from .errors import Refused, refused
from .ids import make_id
from .org import Org, View
from .queries import Answer, Column, columns, run
from .rows import Payload, RowWrite, deletes, inserts, row_value, updates, upserts
from .saving import Writer
from .schema import Entity, Field, Row
from .soql import Query
from .uploads import cell_readers, check_columns, failure, payload

BATCH = 10_000  # rows done between two looks at a job
CHUNK = 200  # rows of one transaction
UNATTENDED = timedelta(seconds=15)
KEPT = timedelta(days=7)
ENDED = ("JobComplete", "Failed", "Aborted")


@dataclass(slots=True)
class Job:
    """A job of either kind."""

    id: str
    operation: str
    entity: Entity
    form: Format
    version: str
    user_id: str
    created: datetime
    state: str
    changed: datetime
    closed: datetime | None = None
    error: str | None = None
    processed: int = 0


@dataclass(slots=True)
class IngestJob(Job):
    """A job that writes."""

    key: Field | None = None
    assign: bool = False
    data: bytes | None = field(default=None, repr=False)
    table: Table = field(default_factory=lambda: Table((), []), repr=False)
    done: list[tuple[str, bool, Sequence[str]]] = field(default_factory=list, repr=False)
    failed: list[tuple[str, str, Sequence[str]]] = field(default_factory=list, repr=False)

    def unprocessed(self) -> list[list[str]]:
        """Give the rows that were not tried."""
        return self.table.rows[self.processed :]


@dataclass(slots=True)
class QueryJob(Job):
    """A job that reads; `rows` are those that it found."""

    query: Query | None = None
    view: View | None = None
    columns: Sequence[Column] = ()
    rows: Sequence[Row] = field(default=(), repr=False)


class Jobs:
    """The jobs of one org."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._made = 0
        self._failures: list[tuple[int, str]] = []

    def new_id(self) -> str:
        """Make an id for a job."""
        self._made += 1
        return make_id("750", self._made)

    def add(self, job: Job) -> None:
        """Keep a job; one that has all it needs begins to run."""
        self._jobs[job.id] = job
        if job.state == "UploadComplete":
            self.close(job)

    def find(self, job_id: str) -> Job | None:
        """Find a job by its 18-character id until seven days after it was made."""
        job = self._jobs.get(job_id)
        return None if job is None or self.org.clock.now() - job.created >= KEPT else job

    def listed(self) -> list[Job]:
        """Give all jobs, the newest first."""
        return [job for job in reversed(self._jobs.values()) if self.find(job.id) is not None]

    def remove(self, job: Job) -> None:
        """Forget a job."""
        del self._jobs[job.id]

    def fail_next(self, after: int, message: str) -> None:
        """Let the next ingest job that runs fail once it has done so many rows."""
        self._failures.append((after, message))

    def close(self, job: Job) -> None:
        """Let a job run."""
        job.closed = self.org.clock.now()
        self._turn(job, "UploadComplete")
        self._running[job.id] = job

    def abort(self, job: Job) -> None:
        """Stop a job; what it wrote stays."""
        if isinstance(job, IngestJob) and job.data is not None and not job.table.columns:
            job.table = _readable(job)
        self._end(job, "Aborted")

    def settle(self) -> None:
        """End the jobs that nobody has asked for in a while."""
        now = self.org.clock.now()
        for job in list(self._running.values()):
            if job.closed is not None and now - job.closed >= UNATTENDED:
                while job.state not in ENDED:
                    self.progress(job)

    def progress(self, job: Job) -> None:
        """Take a running job one step on."""
        if job.id not in self._running:
            return
        if job.state == "UploadComplete":
            self._turn(job, "InProgress")
            if isinstance(job, IngestJob):
                self._begin(job)
        elif isinstance(job, IngestJob):
            self._write(job)
        elif isinstance(job, QueryJob) and job.query is not None and job.view is not None:
            answer: Answer = run(job.query, job.view)
            job.rows, job.processed = answer.rows, answer.total
            self._end(job, "JobComplete")

    def _turn(self, job: Job, state: str) -> None:
        job.state, job.changed = state, self.org.clock.now()

    def _end(self, job: Job, state: str, error: str | None = None) -> None:
        job.error = error
        self._turn(job, state)
        self._running.pop(job.id, None)

    def _begin(self, job: IngestJob) -> None:
        """Read the upload and check its columns."""
        try:
            job.table = read_csv(job.data or b"", job.form)
            check_columns(View(self.org, job.user_id, ""), job.entity, job.operation, job.key, job.table.columns)
        except UnfitCsv as unfit:
            self._end(job, "Failed", str(unfit))

    def _write(self, job: IngestJob) -> None:
        """Write the next rows, each transaction at once."""
        fails_at, message = self._failures[0] if self._failures else (None, "")
        stop = min(job.processed + BATCH, len(job.table.rows))
        if fails_at is not None:
            stop = min(stop, fails_at)
        while job.processed < stop:
            self._write_chunk(job, job.table.rows[job.processed : min(job.processed + CHUNK, stop)])
        if fails_at is not None and job.processed >= fails_at:
            del self._failures[0]
            self._end(job, "Failed", message)
        elif job.processed == len(job.table.rows):
            self._end(job, "JobComplete")

    def _write_chunk(self, job: IngestJob, rows: Sequence[Sequence[str]]) -> None:
        for cells, write in zip(rows, self._row_writes(job, rows), strict=True):
            try:
                record_id, made = write()
            except Refused as refusal:
                job.failed.append((_cell(job, cells, "Id"), failure(refusal), cells))
            else:
                job.done.append((record_id, made, cells))
        job.processed += len(rows)
        self._turn(job, "InProgress")

    def _row_writes(self, job: IngestJob, rows: Sequence[Sequence[str]]) -> list[RowWrite]:
        """Give a write a row; a row with a cell that is no value of its field fails when its turn comes."""
        writer = Writer(self.org, job.user_id, job.user_id, job.assign)
        readers = cell_readers(self.org, job.entity, job.table.columns)
        payloads: list[Payload] = []
        broken: dict[int, Refused] = {}
        for at, cells in enumerate(rows):
            try:
                payloads.append(payload(readers, cells))
            except Refused as refusal:
                payloads.append({})
                broken[at] = refusal

        def entity_of(_row: Payload) -> Entity:
            return job.entity

        if job.operation == "insert":
            writes = inserts(writer, entity_of, payloads)
        elif job.operation == "update":
            writes = updates(writer, entity_of, payloads)
        elif job.operation == "upsert" and job.key is not None:
            writes = upserts(writer, job.entity, job.key, entity_of, payloads)
        else:
            writes = deletes(writer, [row_value(row, "Id") for row in payloads], job.entity)
        for at, why in broken.items():
            writes[at] = _refuser(why)
        return writes


def shuffled(job: Job, rows: Sequence[Sequence[object]]) -> list[Sequence[object]]:
    """Give results in the order they come in: not that of the upload."""
    mixed = list(rows)
    random.Random(job.id).shuffle(mixed)  # noqa: S311 - only the order of an answer
    return mixed


def query_columns(query: Query, view: View) -> list[Column]:
    """Check that a query may be a job, and give its columns; raises Refused."""
    if query.group_by or query.offset or query.wide():
        raise refused("API_ERROR", "GROUP BY, OFFSET, aggregates and sub-queries are not supported in Bulk Query")
    found = columns(query, view)
    for column in found:
        if column.field.type == "address":
            message = f"Selecting compound data not supported in Bulk Query: {column.name}"
            raise refused("FUNCTIONALITY_NOT_ENABLED", message)
    return found


def _refuser(refusal: Refused) -> RowWrite:
    def refuse() -> tuple[str, bool]:
        raise refusal

    return refuse


def _cell(job: IngestJob, cells: Sequence[str], name: str) -> str:
    """Give a row's cell under a column; empty if there is no such column."""
    return next((cells[at] for at, column in enumerate(job.table.columns) if column.lower() == name.lower()), "")


def _readable(job: IngestJob) -> Table:
    """Read an upload for the list of rows that were not tried; nothing if it cannot be read."""
    try:
        return read_csv(job.data or b"", job.form)
    except UnfitCsv:
        return Table((), [])
