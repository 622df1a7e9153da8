"""Pendo: visitors, accounts, daily usage, poll responses and polls, as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from math import ceil
from typing import Any

import dlt
import orjson
import pyarrow as pa
from dlt.extract import DltResource
from dlt.sources.helpers.requests import Response

from loaders.calls import Answer, Vendor, header, retry_after
from loaders.landing import BIGINT, BOOLEAN, TEXT, Column, Mode, Reads, Row, json_text, resource, tables
from loaders.values import LoadError, LoadSettings, TooLong

HISTORY_DAYS = 400
# All of the history is read once; only the days that are not final are read again.
NEVER = timedelta.max
# A day of usage is final nine days later.
FINAL_AFTER_DAYS = 9
DAYS_A_CALL = 30
FIRST_CALL_DAYS = 10
ROWS_A_CALL = 300_000
OBJECTS_A_PAGE = 50_000

TIMED_OUT = 408
TOO_MANY = 429
SERVER_ERROR = 500

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

ALL_APPS = {"appId": 'expandAppIds("*")'}

VISITOR_COLUMNS = (
    Column("visitor_id", TEXT, nullable=False),
    Column("account_id", TEXT),
    Column("account_ids", TEXT),
    Column("first_visit", BIGINT),
    Column("last_visit", BIGINT),
    Column("last_updated", BIGINT),
    Column("do_not_process", BOOLEAN),
    Column("agent", TEXT),
    Column("custom", TEXT),
)
ACCOUNT_COLUMNS = (
    Column("account_id", TEXT, nullable=False),
    Column("first_visit", BIGINT),
    Column("last_visit", BIGINT),
    Column("last_updated", BIGINT),
    Column("agent", TEXT),
    Column("custom", TEXT),
)
EVENT_COLUMNS = (
    Column("day", BIGINT, nullable=False),
    Column("visitor_id", TEXT, "visitorId"),
    Column("account_id", TEXT, "accountId"),
    Column("app_id", BIGINT, "appId"),
    Column("server", TEXT),
    Column("remote_ip", TEXT, "remoteIp"),
    Column("user_agent", TEXT, "userAgent"),
    Column("num_events", BIGINT, "numEvents"),
    Column("num_minutes", BIGINT, "numMinutes"),
    # True only in rows that empty their day; such rows never reach the table.
    Column("removed", BOOLEAN),
)
POLL_EVENT_COLUMNS = (
    Column("visitor_id", TEXT, "visitorId", nullable=False),
    Column("account_id", TEXT, "accountId", nullable=False),
    Column("guide_id", TEXT, "guideId", nullable=False),
    Column("poll_id", TEXT, "pollId", nullable=False),
    Column("poll_type", TEXT, "pollType"),
    Column("poll_response", TEXT, "pollResponse"),
    Column("browser_time", BIGINT, "browserTime", nullable=False),
)
POLL_COLUMNS = (
    Column("guide_id", TEXT, nullable=False),
    Column("poll_id", TEXT, nullable=False),
    Column("position", BIGINT),
    Column("type", TEXT),
    Column("question", TEXT),
    Column("guide_name", TEXT),
)


@dlt.source(name="pendo", max_table_nesting=0)
def pendo(settings: LoadSettings) -> Iterable[DltResource]:
    """Make the resources of a Pendo load; checks the key at once."""
    key = settings.pendo_integration_key
    authorise = header("x-pendo-integration-key", key)
    vendor = Vendor("Pendo", settings.pendo_base_url, authorise, judge, (key,))
    now = vendor.get("/api/v1/token/verify").at
    reads = Reads()
    # Excluded visitors are wanted too: they are landed and marked.
    everybody = {"blacklist": "ignore"}
    visitors = Objects("visitors", "visitorId", everybody, VISITOR_COLUMNS, _visitor)
    accounts = Objects("accounts", "accountId", None, ACCOUNT_COLUMNS, _account)
    yield _objects(vendor, visitors, reads)
    yield _objects(vendor, accounts, reads)
    yield _events(vendor, now, reads)
    yield _poll_events(vendor, now, reads)
    yield _polls(vendor, reads)
    yield reads.resource()


def judge(response: Response) -> float | bool:
    """Say whether Pendo's error may pass, and after how many seconds."""
    status = response.status_code
    if status in (401, 403):
        raise LoadError(f"Pendo refused the integration key ({status}): check PENDO_INTEGRATION_KEY")
    if status == TIMED_OUT:
        raise TooLong("Pendo needs more than five minutes to answer for one day or page")
    if status == TOO_MANY:
        return retry_after(response) or True
    return status >= SERVER_ERROR


def _aggregate(vendor: Vendor, source: Mapping[str, object], *steps: Mapping[str, object]) -> Answer:
    pipeline = [{"source": source}, *steps]
    return vendor.post(
        "/api/v1/aggregation",
        {"response": {"mimeType": "application/json"}, "request": {"pipeline": pipeline}},
    )


@dataclass(frozen=True, slots=True)
class Objects:
    """A kind of object that Pendo lists by id."""

    name: str
    key: str
    source: object
    columns: tuple[Column, ...]
    row: Callable[[Mapping[str, Any]], Row]


def _objects(vendor: Vendor, objects: Objects, reads: Reads) -> DltResource:
    """Read all visitors or accounts, in pages by their id; the anonymous ones are left out."""
    key = objects.key

    def pages() -> Iterator[Answer]:
        last: str | None = None
        while True:
            after = () if last is None else ({"filter": f"{key} > {orjson.dumps(last).decode()}"},)
            answer = _aggregate(
                vendor,
                {objects.name: objects.source},
                {"identified": key},
                *after,
                {"sort": [key]},
                {"limit": OBJECTS_A_PAGE},
            )
            yield answer
            results = answer.rows()
            if len(results) < OBJECTS_A_PAGE:
                return
            last = results[-1][key]

    def read() -> Iterator[pa.Table]:
        answers = pages()
        first = next(answers)
        rows = (objects.row(one) for page in chain([first], answers) for one in page.rows())
        yield from tables(rows, objects.columns)
        reads.finish(objects.name, first.at, "full")

    return resource(objects.name, objects.columns, read)


def _visitor(visitor: Mapping[str, Any]) -> Row:
    metadata = visitor.get("metadata") or {}
    auto, marks = metadata.get("auto") or {}, metadata.get("pendo") or {}
    return _metadata(metadata) | {
        "visitor_id": visitor["visitorId"],
        "account_id": auto.get("accountid"),
        "account_ids": json_text(auto.get("accountids") or []),
        "do_not_process": bool(marks.get("donotprocess")),
    }


def _account(account: Mapping[str, Any]) -> Row:
    return _metadata(account.get("metadata") or {}) | {"account_id": account["accountId"]}


def _metadata(metadata: Mapping[str, Any]) -> dict[str, object]:
    auto = metadata.get("auto") or {}
    return {
        "first_visit": auto.get("firstvisit"),
        "last_visit": auto.get("lastvisit"),
        "last_updated": auto.get("lastupdated"),
        "agent": json_text(metadata.get("agent") or {}),
        "custom": json_text(metadata.get("custom") or {}),
    }


def _days(start: datetime | None, now: datetime) -> int:
    """Count the whole days before today to read: those that the last read could not know final.

    One more than that, as a day at the edge is read but cannot be told from its neighbour when the
    clocks change.
    """
    if start is None:
        return HISTORY_DAYS
    missed = max(1, ceil((now - start) / timedelta(days=1)))
    return min(FINAL_AFTER_DAYS + missed, HISTORY_DAYS)


def _by_day(vendor: Vendor, source: str, days: int, now: datetime) -> Iterator[Answer]:
    """Read the last whole days of an event source, newest first, in ranges that Pendo can answer.

    Days are the subscription's, whose time zone Pendo does not tell: ranges are counted back from
    `now`, and each overlaps the one before by a day, because stepping back by 24 hours lands in a
    neighbouring day when the clocks changed in between.
    """
    covered, span = 0, min(FIRST_CALL_DAYS, days)
    while covered < days:
        overlap = 1 if covered else 0
        series = {
            "period": "dayRange",
            "first": int(now.timestamp() * 1000) - (covered - overlap) * DAY_MS,
            "count": -(span + overlap),
        }
        try:
            answer = _aggregate(vendor, {source: ALL_APPS, "timeSeries": series}, {"identified": "visitorId"})
        except TooLong:
            if span == 1:
                raise
            span //= 2
            continue
        yield answer
        covered += span
        a_day = max(1, len(answer.rows()) // span)
        span = max(1, min(DAYS_A_CALL - 1, ROWS_A_CALL // a_day, days - covered))


def _events(vendor: Vendor, now: datetime, reads: Reads) -> DltResource:
    """Read daily usage: each day that is read again replaces what was landed of it."""
    start = reads.start("events", now, {}, NEVER)
    mode: Mode = "full" if start is None else "incremental"
    days = _days(start, now)

    def rows(answers: Iterable[Answer]) -> Iterator[Row]:
        known: set[int] = set()
        for answer in answers:
            results = answer.rows()
            yield from (row for row in results if row["day"] not in known)
            known.update({row["day"] for row in results})
        if mode == "incremental":
            yield from ({"day": day, "removed": True} for day in _hours(days, now) if day not in known)

    def read() -> Iterator[pa.Table]:
        answers = _by_day(vendor, "events", days, now)
        first = next(answers)
        yield from tables(rows(chain([first], answers)), EVENT_COLUMNS, mode, 50_000)
        reads.finish("events", first.at, mode, {})

    events = resource("events", EVENT_COLUMNS, read, mode)
    return events.apply_hints(primary_key=(), merge_key="day", columns={"removed": {"hard_delete": True}})


def _hours(days: int, now: datetime) -> range:
    """List every moment at which a day that was surely read may start.

    A day starts on a whole hour of UTC; which one, only the days that have rows tell.
    """
    end = int(now.timestamp() * 1000)
    return range(-((days * DAY_MS - HOUR_MS - end) // HOUR_MS) * HOUR_MS, end, HOUR_MS)


def _poll_events(vendor: Vendor, now: datetime, reads: Reads) -> DltResource:
    """Read the answers to polls."""
    start = reads.start("poll_events", now, {}, NEVER)
    mode: Mode = "full" if start is None else "incremental"

    def rows(answers: Iterable[Answer]) -> Iterator[Row]:
        seen: set[tuple[object, ...]] = set()
        for answer in answers:
            for row in answer.rows():
                # A visitor without an account answers polls too, and a key cannot be null.
                one = row | {"accountId": row.get("accountId") or ""}
                key = tuple(one[column.source] for column in POLL_EVENT_COLUMNS if not column.nullable)
                if key not in seen:
                    seen.add(key)
                    yield one

    def read() -> Iterator[pa.Table]:
        answers = _by_day(vendor, "pollEvents", _days(start, now), now)
        first = next(answers)
        yield from tables(rows(chain([first], answers)), POLL_EVENT_COLUMNS, mode)
        reads.finish("poll_events", first.at, mode, {})

    return resource("poll_events", POLL_EVENT_COLUMNS, read, mode)


def _polls(vendor: Vendor, reads: Reads) -> DltResource:
    """Read the guides' polls, in their order: of an NPS survey, the rating and then the text."""

    def read() -> Iterator[pa.Table]:
        answer = vendor.get("/api/v1/guide", expand="*")
        rows: list[Row] = [
            {
                "guide_id": guide["id"],
                "poll_id": poll["id"],
                "position": position,
                "type": (poll.get("attributes") or {}).get("type"),
                "question": poll.get("question"),
                "guide_name": guide.get("name"),
            }
            for guide in answer.body
            for position, poll in enumerate(guide.get("polls") or [])
        ]
        yield from tables(rows, POLL_COLUMNS)
        reads.finish("polls", answer.at, "full")

    return resource("polls", POLL_COLUMNS, read)
