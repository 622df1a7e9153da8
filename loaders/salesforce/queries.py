"""Reading the rows of a query: by REST below a size, by a Bulk job above it, with the same result.

A REST query is ordered by id, so that a read whose place was lost goes on after the last id that came: an id is
unique, where any number of records have one time. A Bulk query has no order, for Salesforce splits it by itself.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import TypedDict
from urllib.parse import quote

import pyarrow as pa
from pyarrow import csv

from loaders.calls import Answer, Vendor
from loaders.landing import Column, Mode, Row, fitted, schema_of, tables
from loaders.salesforce.login import LostPlace, NotInBulk
from loaders.unfinished import Read, from_the_beginning
from loaders.values import LoadError, TooLong, Unreadable

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


class _Place(TypedDict, total=False):
    """How far a query was read: the next page and the last id by REST, the job and the next page of a Bulk query."""

    url: str
    last: str
    job: str
    locator: str


_Answers = Iterator[tuple[Answer, _Place | None]]


# What gives a read's answers, from its beginning or from where a load has stopped.
Keeping = Callable[[Read], Iterator[Answer]]


def read(
    org: Vendor, query: Query, shape: Shape, bulk_above: int, keeping: Keeping = from_the_beginning
) -> tuple[datetime, Iterator[pa.Table]]:
    """Begin to read a query: when, by Salesforce's clock, and the rows as they come.

    The first page tells how many rows there are, so that the choice costs no call of its own.
    """

    def ask(place: _Place | None) -> _Answers:
        if place is None:
            return _begun(org, query, bulk_above)
        if "job" in place:
            return _results(org, query, place["job"], place.get("locator", ""))
        return _pages(org, query, place["url"], place["last"])

    answers = keeping(ask)
    first = next(answers)
    pages = chain([first], answers)
    return first.at, _by_bulk(pages, query, shape) if "records" not in first.body else _by_rest(pages, shape)


def _begun(org: Vendor, query: Query, bulk_above: int) -> _Answers:
    first: Answer | None = None
    try:
        if len(quote(query.ordered())) <= LONGEST_QUERY:
            first = org.get(f"{DATA}/queryAll", q=query.ordered())
    except TooLong:
        first = None
    if first is None or first.value("totalSize") > bulk_above:
        try:
            job = org.post(f"{DATA}/jobs/query", {"operation": "queryAll", "query": query.unordered()})
        except NotInBulk:
            if first is None:
                raise
        else:
            yield job, {"job": job.value("id")}
            yield from _results(org, query, job.value("id"), "")
            return
    yield first, (place := _behind(first))
    if place is not None:
        yield from _pages(org, query, place["url"], place["last"])


def _pages(org: Vendor, query: Query, url: str, last: str) -> _Answers:
    """Read a REST query's pages from one on, which begins behind the record with the last id."""
    place: _Place | None = {"url": url, "last": last}
    while place is not None:
        try:
            answer = org.get(place["url"])
        except LostPlace:
            answer = org.get(f"{DATA}/queryAll", q=query.ordered(place["last"]))
        place = _behind(answer)
        yield answer, place


def _behind(answer: Answer) -> _Place | None:
    if answer.value("done"):
        return None
    return {"url": answer.value("nextRecordsUrl"), "last": answer.rows("records")[-1]["Id"]}


def _results(org: Vendor, query: Query, job: str, locator: str) -> _Answers:
    """Read a Bulk query's results from a page on, as soon as there are any."""
    address = f"{DATA}/jobs/query/{job}"
    _wait(org, address, query.object)
    more: str | None = locator
    while more is not None:
        page = org.document(f"{address}/results", maxRecords=ROWS_A_PAGE, **({"locator": more} if more else {}))
        following = page.headers.get("Sforce-Locator", "null")
        more = None if following == "null" else following
        at = parsedate_to_datetime(page.headers["Date"])
        yield Answer({"csv": page.content.decode()}, at), None if more is None else {"job": job, "locator": more}


def _by_rest(pages: Iterable[Answer], shape: Shape) -> Iterator[pa.Table]:
    rows: Iterable[Row] = chain.from_iterable(page.rows("records") for page in pages)
    if shape.unless_told:
        rows = ({**shape.unless_told, **row} for row in rows)
    yield from tables(rows, shape.columns, shape.mode)


def _by_bulk(pages: Iterable[Answer], query: Query, shape: Shape) -> Iterator[pa.Table]:
    """Make tables of a job and its results."""
    if shape.mode == "full":
        # A full read without rows makes an empty table.
        yield schema_of(shape.columns).empty_table()
    for page in pages:
        if "csv" in page.body:
            yield from _csv(page.body["csv"].encode(), query, shape)


def _wait(org: Vendor, address: str, name: str) -> None:
    """Wait for a job's end; LostPlace if it ends without results, LoadError if it does not end."""
    wait, waited = FIRST_WAIT, 0.0
    while (job := org.get(address)).value("state") != "JobComplete":
        state = job.value("state")
        if state in ("Aborted", "Failed"):
            why = " ".join(str(job.body.get("errorMessage") or "without a reason").split())
            raise LostPlace(f"Salesforce's Bulk query of {name} was {state.lower()} ({why}): load again")
        if waited > PATIENCE:
            raise LoadError(f"Salesforce's Bulk query of {name} has not ended in six hours: load again later")
        time.sleep(wait)
        waited += wait
        wait = min(2 * wait, LONGEST_WAIT)


def _csv(content: bytes, query: Query, shape: Shape) -> Iterator[pa.Table]:
    """Turn a page of results into tables; Unreadable if a value does not fit its column."""
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
        raise Unreadable(
            f"Salesforce's Bulk query of {query.object} gave results that cannot be read: {line}"
        ) from error
