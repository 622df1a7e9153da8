"""Bulk API 2.0: thousands of rows in one job, and an account of every row afterwards."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from activators.errors import VendorError
from activators.journal import Change, RecordChanges, Result
from activators.salesforce.records import LOCKED, plain
from activators.salesforce.session import Session, expect, first_error, refuse_other
from activators.transport import understanding

# Salesforce's own advice: collections up to so many rows, a job above.
ABOVE = 2_000
# Salesforce works a job off in batches of so many rows, several at once. One batch a job, and one job at a time, never
# waits for a parent account that another batch of ours has locked.
ROWS_PER_JOB = 10_000
# 150 MB once written in base64.
BYTES_PER_JOB = 100_000_000
# Making a job, its upload, its closing, about three looks at it, and two kinds of results.
CALLS_PER_JOB = 8
CLEARED = "#N/A"
_LONGEST_CELL, _LONGEST_ROW = 32_000, 400_000
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
# A job that Salesforce fails for what is in it names one of these; sending the same rows again is of no use.
_UNFIT = frozenset({"InvalidBatch", "ClientInputError"})
# Seconds between two looks at a job: the first, how much longer each next one is, and the longest.
_FIRST_WAIT, _GROWTH, _LONGEST_WAIT = 1.0, 1.5, 30.0
# Seconds after which a job that has not ended is aborted. Salesforce works a batch of 10,000 rows off in minutes, or in
# hours where the org is busy; a nightly run should not run into the next working day.
LONGEST_JOB = 4 * 3_600.0
# How often a job that has not begun is told to abort.
_ABORTS = 3


@dataclass(frozen=True, slots=True)
class Bulk:
    """Salesforce's jobs, through a session."""

    session: Session

    @property
    def above(self) -> int:
        """How many records go by batches; more go by jobs."""
        return ABOVE

    def takes(self, record: RecordChanges) -> bool:
        """Whether a job can say what changes: not a text that would clear, nor one that a cell cannot hold."""
        texts = [change.after or "" for change in record.changes]
        lengths = [len(text) for text in texts]
        return CLEARED not in texts and max(lengths) <= _LONGEST_CELL and sum(lengths) <= _LONGEST_ROW

    def cut(self, records: Iterable[RecordChanges]) -> Iterator[list[RecordChanges]]:
        """Cut records into what one job takes, in rows and in bytes."""
        part: list[RecordChanges] = []
        size = 0
        for record in records:
            # A quote is written twice, and a cell has at most a pair around it and a comma.
            row = sum(2 * len((change.after or CLEARED).encode()) + 3 for change in record.changes)
            if part and (len(part) == ROWS_PER_JOB or size + row > BYTES_PER_JOB):
                yield part
                part, size = [], 0
            part.append(record)
            size += row
        if part:
            yield part

    async def open(self, object_type: str) -> str:
        """Make a job that waits for its rows; gives its id."""
        response = await self.session.send(
            "POST",
            "/jobs/ingest",
            json={"object": object_type, "operation": "update", "contentType": "CSV", "lineEnding": "LF"},
        )
        job = expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            return str(job["id"])

    async def upload(self, job_id: str, records: Sequence[RecordChanges]) -> None:
        """Give a job its rows and let it begin.

        A call whose answer was lost is repeated, and refused as its work is done: `finish` looks at what the job is.
        """
        response = await self.session.send(
            "PUT",
            f"/jobs/ingest/{job_id}/batches",
            headers={"Content-Type": "text/csv; charset=UTF-8"},
            content=_csv(records),
        )
        if response.status_code != httpx.codes.BAD_REQUEST:
            refuse_other(response, httpx.codes.CREATED, httpx.codes.OK)
        await self._turn(job_id, "UploadComplete")

    async def finish(self, job_id: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Wait for a job's end and give each record exactly one result. A job that never began is aborted.

        Rows that were locked or not tried are unknown: what they hold now is to be read before they are sent again.
        Salesforce lists the rows that it has not tried, too: they are those that it neither wrote nor refused.
        """
        job = await self._ended(job_id)
        if job is None:
            return [
                Result(record.record_id, "unknown", message=f"Salesforce has no job {job_id}") for record in records
            ]
        results: dict[str, Result] = {}
        begun_at = dt.datetime.fromisoformat(job["createdDate"])
        for row in await self._rows(job_id, "successfulResults"):
            results[row["Id"]] = Result(row["Id"], "confirmed", begun_at)
        for row in await self._rows(job_id, "failedResults"):
            results[row["Id"]] = _failed(row["Id"], row["sf__Error"])
        return [results.get(record.record_id) or _left_out(job, record.record_id) for record in records]

    async def _ended(self, job_id: str) -> Mapping[str, Any] | None:
        """Look at a job, ever less often, until it has ended; None when Salesforce has it no more.

        Raises VendorError for one that goes on for too long, after it was told to end, or that does not take a telling.
        """
        wait, began, aborts = _FIRST_WAIT, time.monotonic(), 0
        while True:
            response = await self.session.send("GET", f"/jobs/ingest/{job_id}")
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            job = expect(response, httpx.codes.OK)
            with understanding(response, "Salesforce"):
                state = job["state"]
                dt.datetime.fromisoformat(job["createdDate"])
            if state in _ENDED:
                return dict(job)
            if state == "Open" and aborts < _ABORTS:
                if aborts:
                    await asyncio.sleep(wait)
                await self._turn(job_id, "Aborted")
                aborts += 1
            elif state == "Open":
                raise VendorError(
                    f"Salesforce: job {job_id} has not begun and does not abort; abort it in Setup, Bulk Data Load "
                    "Jobs, then run the same command again: it sends the rows"
                )
            elif time.monotonic() - began >= LONGEST_JOB:
                await self._turn(job_id, "Aborted")
                raise VendorError(
                    f"Salesforce: job {job_id} is still {state} after {LONGEST_JOB / 3_600:.1f} hours and was told to "
                    "abort; look at it in Setup, Bulk Data Load Jobs, then run the same command again: it asks what "
                    "became of the rows, and sends the rest"
                )
            else:
                await asyncio.sleep(wait)
                wait = min(wait * _GROWTH, _LONGEST_WAIT)

    async def _turn(self, job_id: str, state: str) -> None:
        response = await self.session.send("PATCH", f"/jobs/ingest/{job_id}", json={"state": state})
        # 400: it has turned already, or cannot; the next look at it tells.
        if response.status_code != httpx.codes.BAD_REQUEST:
            refuse_other(response, httpx.codes.OK)

    async def _rows(self, job_id: str, kind: str) -> list[dict[str, str]]:
        """The whole rows of one kind of results; one that was cut off counts for nothing."""
        response = await self.session.send("GET", f"/jobs/ingest/{job_id}/{kind}/")
        if response.status_code == httpx.codes.BAD_REQUEST and first_error(response)[0] == "INVALIDJOBSTATE":
            return []
        refuse_other(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            # A job that never had rows has none of their columns either.
            rows = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
            whole = [row for row in rows if None not in row and None not in row.values()]
            if whole and "Id" not in whole[0]:
                raise ValueError(whole[0])
            return whole


def _csv(records: Sequence[RecordChanges]) -> bytes:
    """Rows of what changes. An empty cell leaves its field alone, which is all that a record without it asks."""
    names = sorted({change.property for record in records for change in record.changes})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Id", *names])
    for record in records:
        cells = {change.property: _cell(change) for change in record.changes}
        writer.writerow([record.record_id, *(cells.get(name, "") for name in names)])
    return text.getvalue().encode()


def _cell(change: Change) -> str:
    if not change.after:
        return CLEARED
    return plain(change.after) if change.family == "number" else change.after


def _failed(record_id: str, error: str) -> Result:
    """Read a cell such as `STRING_TOO_LONG:Title: data value too large:Title --`: code, message and fields."""
    code, _, rest = error.partition(":")
    message, _, named = rest.rpartition(":")
    if code == LOCKED:
        return Result(record_id, "unknown", None, code, rest)
    fields = named.removesuffix("--").split(",") if message and named.endswith("--") else ()
    return Result(record_id, "rejected", None, code, message or rest, tuple(filter(None, map(str.strip, fields))))


def _left_out(job: Mapping[str, Any], record_id: str) -> Result:
    """What became of a row that is in no result: not tried, unless the job was failed for what is in it."""
    error = str(job.get("errorMessage") or "")
    code, _, message = error.partition(" : ")
    if job["state"] == "Failed" and code in _UNFIT:
        return Result(record_id, "rejected", None, code, message)
    return Result(record_id, "unknown", message=f"Salesforce's job ended as {job['state']}: {error or 'no reason'}")
