"""Pendo's visitors and accounts, and what its apps hold: guides, polls, pages, features and track types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.landing import BIGINT, BOOLEAN, TEXT, Column, Reads, Row, json_text, resource, tables
from loaders.pendo.subscription import Subscription

OBJECTS_A_PAGE = 20_000

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
POLL_COLUMNS = (
    Column("guide_id", TEXT, nullable=False),
    Column("poll_id", TEXT, nullable=False),
    Column("position", BIGINT),
    Column("type", TEXT),
    Column("question", TEXT),
    Column("guide_name", TEXT),
    Column("attributes", TEXT),
)
GUIDE_COLUMNS = (
    Column("guide_id", TEXT, "id", nullable=False),
    Column("app_id", BIGINT, "appId"),
    Column("name", TEXT),
    Column("state", TEXT),
    Column("created_at", BIGINT, "createdAt"),
    Column("updated_at", BIGINT, "lastUpdatedAt"),
    Column("reset_at", BIGINT, "resetAt"),
)
METADATA_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("group_name", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("display_name", TEXT, "DisplayName"),
    Column("type", TEXT, "Type"),
    Column("hidden", BOOLEAN, "isHidden"),
    Column("deleted", BOOLEAN, "isDeleted"),
    Column("calculated", BOOLEAN, "isCalculated"),
    Column("per_app", BOOLEAN, "isPerApp"),
)


@dataclass(frozen=True, slots=True)
class Objects:
    """A kind of object that Pendo lists by id."""

    name: str
    key: str
    source: object
    columns: tuple[Column, ...]
    rows: Callable[[Iterator[Answer]], Iterator[Row]]


def visitors(subscription: Subscription, now: datetime, reads: Reads) -> DltResource:
    """Read every identified visitor; those whom Pendo excludes are landed and marked.

    A visitor who asked not to be processed says so, and one whom the subscription's settings exclude does not: those
    are listed by themselves.
    """

    def rows(everybody: Iterator[Answer]) -> Iterator[Row]:
        listed = _pages(subscription, "visitors", {"blacklist": "only"}, "visitorId")
        excluded = {one.get("visitorId") for page in listed for one in page.rows()}
        for page in everybody:
            for one in page.rows():
                row = _visitor(one)
                yield row | {"do_not_process": row["do_not_process"] or row["visitor_id"] in excluded}

    everybody = {"blacklist": "ignore"}
    return _objects(subscription, Objects("visitors", "visitorId", everybody, VISITOR_COLUMNS, rows), now, reads)


def accounts(subscription: Subscription, now: datetime, reads: Reads) -> DltResource:
    """Read every account."""

    def rows(pages: Iterator[Answer]) -> Iterator[Row]:
        return (_account(one) for page in pages for one in page.rows())

    return _objects(subscription, Objects("accounts", "accountId", None, ACCOUNT_COLUMNS, rows), now, reads)


def metadata_fields(subscription: Subscription, reads: Reads) -> DltResource:
    """Read which fields visitors and accounts have, in every group."""

    def read() -> Iterator[pa.Table]:
        answers = {kind: subscription.metadata_schema(kind) for kind in ("visitor", "account")}
        rows = (
            {**field, "object": kind, "group_name": group, "name": name}
            for kind, answer in answers.items()
            for group, fields in answer.body.items()
            for name, field in (fields or {}).items()
        )
        yield from tables(rows, METADATA_COLUMNS)
        reads.finish("metadata_fields", answers["visitor"].at, "full")

    return resource("metadata_fields", METADATA_COLUMNS, read)


def guides(subscription: Subscription, reads: Reads) -> DltResource:
    """Read the guides, surveys among them."""
    return _catalogue(subscription, Catalogue("guide", "guides", GUIDE_COLUMNS), reads)


def polls(subscription: Subscription, reads: Reads) -> DltResource:
    """Read the guides' polls, in their order: of an NPS survey, the rating and then the text."""
    return _catalogue(subscription, Catalogue("guide", "polls", POLL_COLUMNS, _polls), reads)


def used_things(subscription: Subscription, kind: str, name: str, key: str, reads: Reads) -> DltResource:
    """Read the pages, features or track types, into the table `name` with the key column `key`."""
    columns = (
        Column(key, TEXT, "id", nullable=False),
        Column("app_id", BIGINT, "appId"),
        Column("name", TEXT),
        Column("group_name", TEXT),
        Column("created_at", BIGINT, "createdAt"),
        Column("updated_at", BIGINT, "lastUpdatedAt"),
    )
    return _catalogue(subscription, Catalogue(kind, name, columns, _grouped), reads)


def _objects(subscription: Subscription, objects: Objects, now: datetime, reads: Reads) -> DltResource:
    """Read all objects of a kind, in pages by their id; the anonymous ones are left out.

    `now` is before the first page was asked for: what was written up to then is in the landing.
    """

    def read() -> Iterator[pa.Table]:
        answers = _pages(subscription, objects.name, objects.source, objects.key)
        yield from tables(objects.rows(answers), objects.columns)
        reads.finish(objects.name, now, "full")

    return resource(objects.name, objects.columns, read)


def _pages(subscription: Subscription, name: str, source: object, key: str) -> Iterator[Answer]:
    last: str | None = None
    while True:
        after = () if last is None else ({"filter": f"{key} > {orjson.dumps(last).decode()}"},)
        answer = subscription.aggregate(
            {name: source}, {"identified": key}, *after, {"sort": [key]}, {"limit": OBJECTS_A_PAGE}
        )
        yield answer
        results = answer.rows()
        if len(results) < OBJECTS_A_PAGE:
            return
        last = results[-1][key]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A list that Pendo gives whole: its kind in the API, its table, and how an entry becomes rows."""

    kind: str
    name: str
    columns: tuple[Column, ...]
    rows: Callable[[Iterable[Mapping[str, Any]]], Iterable[Row]] = iter


def _catalogue(subscription: Subscription, catalogue: Catalogue, reads: Reads) -> DltResource:
    def read() -> Iterator[pa.Table]:
        answer = subscription.listed(catalogue.kind)
        yield from tables(catalogue.rows(answer.body), catalogue.columns)
        reads.finish(catalogue.name, answer.at, "full")

    return resource(catalogue.name, catalogue.columns, read)


def _visitor(visitor: Mapping[str, Any]) -> dict[str, object]:
    metadata = visitor.get("metadata") or {}
    auto, marks = metadata.get("auto") or {}, metadata.get("pendo") or {}
    return _metadata(metadata) | {
        "visitor_id": visitor.get("visitorId"),
        "account_id": auto.get("accountid"),
        "account_ids": json_text(auto.get("accountids") or []),
        "do_not_process": bool(marks.get("donotprocess")),
    }


def _account(account: Mapping[str, Any]) -> Row:
    return _metadata(account.get("metadata") or {}) | {"account_id": account.get("accountId")}


def _metadata(metadata: Mapping[str, Any]) -> dict[str, object]:
    auto = metadata.get("auto") or {}
    return {
        "first_visit": auto.get("firstvisit"),
        "last_visit": auto.get("lastvisit"),
        "last_updated": auto.get("lastupdated"),
        "agent": json_text(metadata.get("agent") or {}),
        "custom": json_text(metadata.get("custom") or {}),
    }


def _polls(listed: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for guide in listed:
        for position, poll in enumerate(guide.get("polls") or []):
            attributes = poll.get("attributes") or {}
            yield {
                "guide_id": guide.get("id"),
                "poll_id": poll.get("id"),
                "position": position,
                "type": attributes.get("type"),
                "question": poll.get("question"),
                "guide_name": guide.get("name"),
                "attributes": json_text(attributes),
            }


def _grouped(listed: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for one in listed:
        yield {**one, "group_name": (one.get("group") or {}).get("name")}
