"""Reading the rows of a query: by REST below a size, by a Bulk job above it, with the same result.

A REST query is ordered by id, so that a read whose place was lost goes on after the last id that came: an id is
unique, where any number of records have one time. A Bulk query has no order, for Salesforce splits it by itself.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import quote

import pyarrow as pa
from pyarrow import csv

from loaders.calls import Answer, Vendor
from loaders.landing import Column, Mode, Row, fitted, schema_of, tables
from loaders.salesforce.login import LostPlace, NotInBulk
from loaders.values import LoadError, TooLong

DATA = "/services/data/v66.0"
# Salesforce takes 16,384 bytes of address and headers together.
LONGEST_QUERY = 12_000
ROWS_A_PAGE = 20_000
# A record has 400,000 characters at most, and a block must hold one whole.
BLOCK_BYTES = 4_000_000
FIRST_WAIT, LONGEST_WAIT, PATIENCE = 0.1, 10.0, 6 * 3_600


@dataclass(frozen=True, slots=True)
class Query:
    """Fields of an object, of all records or of those whose cursor has moved since a time; deleted ones too."""

    object: str
    fields: Sequence[str]
    cursor: str | None = None
    since: datetime | None = None

    def ordered(self, after: str = "") -> str:
        """Write it in the order of ids, from the record after this one on."""
        return f"{self._text(after)} ORDER BY Id"

    def unordered(self) -> str:
        """Write it for a Bulk job."""
        return self._text("")

    def _text(self, after: str) -> str:
        conditions = []
        if self.since is not None:
            conditions.append(f"{self.cursor} >= {self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        if after:
            conditions.append(f"Id > '{after}'")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        # Every name comes from Salesforce's own description.
        return f"SELECT {', '.join(self.fields)} FROM {self.object}{where}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns to make of a query's rows, and the values of those that it does not ask for."""

    columns: tuple[Column, ...]
    unless_told: Mapping[str, object]
    mode: Mode


def read(org: Vendor, query: Query, shape: Shape, bulk_above: int) -> tuple[datetime, Iterator[pa.Table]]:
    """Begin to read a query: when, by Salesforce's clock, and the rows as they come.

    The first page tells how many rows there are, so that the choice costs no call of its own.
    """
    first: Answer | None = None
    try:
        if len(quote(query.ordered())) <= LONGEST_QUERY:
            first = org.get(f"{DATA}/queryAll", q=query.ordered())
    except TooLong:
        first = None
    if first is not None and first.value("totalSize") <= bulk_above:
        return first.at, _by_rest(org, query, first, shape)
    try:
        job = org.post(f"{DATA}/jobs/query", {"operation": "queryAll", "query": query.unordered()})
    except NotInBulk:
        if first is None:
            raise
        return first.at, _by_rest(org, query, first, shape)
    return job.at, _by_bulk(org, job, query, shape)


def _by_rest(org: Vendor, query: Query, first: Answer, shape: Shape) -> Iterator[pa.Table]:
    def pages() -> Iterator[Answer]:
        answer, last = first, ""
        yield answer
        while not answer.value("done"):
            last = answer.rows("records")[-1]["Id"]
            try:
                answer = org.get(answer.value("nextRecordsUrl"))
            except LostPlace:
                answer = org.get(f"{DATA}/queryAll", q=query.ordered(last))
            yield answer

    rows: Iterable[Row] = chain.from_iterable(page.rows("records") for page in pages())
    if shape.unless_told:
        rows = ({**shape.unless_told, **row} for row in rows)
    yield from tables(rows, shape.columns, shape.mode)


def _by_bulk(org: Vendor, job: Answer, query: Query, shape: Shape) -> Iterator[pa.Table]:
    address = f"{DATA}/jobs/query/{job.value('id')}"
    _wait(org, address, query.object)
    if shape.mode == "full":
        # A full read without rows makes an empty table.
        yield schema_of(shape.columns).empty_table()
    locator: str | None = ""
    while locator is not None:
        place = {"locator": locator} if locator else {}
        page = org.document(f"{address}/results", maxRecords=ROWS_A_PAGE, **place)
        yield from _csv(page.content, query, shape)
        following = page.headers.get("Sforce-Locator", "null")
        locator = None if following == "null" else following


def _wait(org: Vendor, address: str, name: str) -> None:
    """Wait for a job's end; LoadError if it ends without results, or not at all."""
    wait, waited = FIRST_WAIT, 0.0
    while (job := org.get(address)).value("state") != "JobComplete":
        state = job.value("state")
        if state in ("Aborted", "Failed"):
            why = " ".join(str(job.body.get("errorMessage") or "without a reason").split())
            raise LoadError(f"Salesforce's Bulk query of {name} was {state.lower()} ({why}): load again")
        if waited > PATIENCE:
            raise LoadError(f"Salesforce's Bulk query of {name} has not ended in six hours: load again later")
        time.sleep(wait)
        waited += wait
        wait = min(2 * wait, LONGEST_WAIT)


def _csv(content: bytes, query: Query, shape: Shape) -> Iterator[pa.Table]:
    """Turn a page of results into tables; LoadError if a value does not fit its column."""
    schema = schema_of(shape.columns)
    types = {field: schema.field(field).type for field in query.fields}
    try:
        batches = csv.open_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(query.fields),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                true_values=["true"],
                false_values=["false"],
            ),
        )
        for batch in batches:
            yield fitted(batch, shape.columns, shape.unless_told)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        line = str(error).splitlines()[0]
        raise LoadError(
            f"Salesforce's Bulk query of {query.object} gave results that cannot be read: {line}"
        ) from error
