"""The values that chosen properties had: HubSpot keeps the last few, the landing keeps what it has read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot.account import Account, batches
from loaders.hubspot.landed import Ids
from loaders.hubspot.records import Census
from loaders.landing import TEXT, TIMESTAMP, Column, Mode, Reads, Row, resource, tables

READ_BATCH = 50

# A property may be written twice in one millisecond: the value is part of the key.
COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("property", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),
    Column("set_at", TIMESTAMP, "timestamp", nullable=False),
    Column("source", TEXT, "sourceType"),
    Column("source_id", TEXT, "sourceId"),
    Column("user_id", TEXT, "updatedByUserId"),
)


def history(
    account: Account,
    wanted: Mapping[str, Sequence[str]],
    censuses: Mapping[str, Census],
    reads: Reads,
    start: datetime | None,
) -> DltResource:
    """Make the resource of the histories: of all records once, then of those that were written.

    Rows are only ever added: HubSpot forgets all but the last 20 to 45 values of a property.
    """
    mode: Mode = "full" if start is None else "incremental"

    def rows() -> Iterator[Row]:
        for name, properties in wanted.items():
            census = censuses[name]
            ids = census.live if mode == "full" else census.changed
            read = partial(_answers, account, name, properties, ids)
            asking = [name, properties, census.read_at.isoformat(), ids]
            for answer in reads.answers(f"history {name}", census.now, asking, read):
                for record in answer.rows():
                    yield from _revisions(name, record["id"], record.get("propertiesWithHistory") or {})

    def read() -> Iterator[pa.Table]:
        yield from tables(rows(), COLUMNS, "full", 20_000)
        reads.finish("property_history", min(censuses[name].read_at for name in wanted), mode, kinds_of(wanted))

    return resource("property_history", COLUMNS, read, "incremental")


def kinds_of(wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Say what is read, so that a property more asks for a full read."""
    return {f"{name}.{one}": "read" for name, properties in wanted.items() for one in properties}


def _answers(
    account: Account, name: str, properties: Sequence[str], ids: Ids, place: int | None
) -> Iterator[tuple[Answer, int]]:
    """Ask for the histories of some records, of those beyond a place on; places are ids."""
    for some in batches((ids if place is None else ids[ids > place]).tolist(), READ_BATCH):
        inputs = [{"id": str(record)} for record in some]
        body = {"inputs": inputs, "properties": ["hs_object_id"], "propertiesWithHistory": list(properties)}
        yield account.post("crm/objects", f"/{name}/batch/read", body), some[-1]


def _revisions(name: str, record_id: str, histories: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for one, revisions in histories.items():
        # One write shows twice when HubSpot notes it for two of its own reasons.
        seen: set[tuple[object, object]] = set()
        for revision in revisions:
            value = revision.get("value") or ""
            if (value, revision["timestamp"]) not in seen:
                seen.add((value, revision["timestamp"]))
                yield {**revision, "object": name, "id": record_id, "property": one, "value": value}
