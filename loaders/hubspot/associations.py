"""Associations: every one of them once a day, else those of records that changed, went or are pointed at.

HubSpot moves no modification time when two records are associated or parted, so that only the
daily read is sure to see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot.account import Account, batches, next_page
from loaders.hubspot.landed import Ids, Warehouse, joined, without
from loaders.hubspot.records import Census
from loaders.landing import BIGINT, BOOLEAN, TEXT, Column, Mode, Reads, Row, resource, tables
from loaders.values import Unreadable

READ_EVERY = timedelta(days=1)
READ_BATCH = 1_000

COLUMNS = (
    Column("from_object", TEXT, nullable=False),
    Column("from_id", TEXT, nullable=False),
    Column("to_object", TEXT, nullable=False),
    Column("to_id", TEXT),
    Column("category", TEXT),
    Column("type_id", BIGINT),
    Column("label", TEXT),
    # True only in rows that take a record's associations away; such rows never reach the table.
    Column("removed", BOOLEAN),
)


@dataclass(frozen=True, slots=True)
class Link:
    """One association as it is read: to which record, and under which types."""

    start: int
    stop: int
    types: Sequence[Mapping[str, Any]]


def associations(  # noqa: PLR0913, PLR0917 - what is asked, of whom, and what is known of it
    account: Account,
    pairs: Sequence[tuple[str, str]],
    censuses: Mapping[str, Census],
    reads: Reads,
    warehouse: Warehouse,
    start: datetime | None,
) -> DltResource:
    """Make the resource of the associations from one object to another, pair by pair."""
    mode: Mode = "full" if start is None else "incremental"

    def rows() -> Iterator[Row]:
        for one, other in pairs:
            asked = censuses[one].live if mode == "full" else touched(account, one, other, censuses, warehouse)
            found: set[int] = set()
            read = partial(_answers, account, one, other, asked)
            asking = [one, other, censuses[one].read_at.isoformat(), asked]
            name, now = f"associations {one} {other}", censuses[one].now
            for link in _links(reads.answers(name, now, asking, read, READ_EVERY)):
                found.add(link.start)
                for kind in link.types:
                    yield {
                        "from_object": one,
                        "from_id": str(link.start),
                        "to_object": other,
                        "to_id": str(link.stop),
                        "category": kind["category"],
                        "type_id": kind["typeId"],
                        "label": kind.get("label"),
                    }
            if mode == "incremental":
                # What was landed of a record is replaced by what there is of it, if only by nothing.
                bare = without(joined([asked, censuses[one].gone]), np.fromiter(found, np.int64, len(found)))
                for record in bare.tolist():
                    yield {"from_object": one, "from_id": str(record), "to_object": other, "removed": True}

    def read() -> Iterator[pa.Table]:
        yield from tables(rows(), COLUMNS, mode, 20_000)
        at = min(censuses[one].read_at for one, _ in pairs)
        reads.finish("associations", at, mode, kinds_of(pairs))

    made = resource("associations", COLUMNS, read, mode)
    return made.apply_hints(
        primary_key=(), merge_key=["from_object", "from_id", "to_object"], columns={"removed": {"hard_delete": True}}
    )


def kinds_of(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Say what is read, so that a change of it asks for a full read."""
    return {"pairs": ", ".join(f"{one} to {other}" for one, other in pairs)}


def touched(account: Account, one: str, other: str, censuses: Mapping[str, Census], warehouse: Warehouse) -> Ids:
    """Give the live records whose associations may have changed since the last load.

    Those that changed; those landed as associated with a record that changed, was merged or is
    gone; and those that a changed record on the other side is associated with now.
    """
    census = censuses[one]
    asked = [census.changed]
    if other in censuses:
        there = censuses[other]
        landed = warehouse.associations.get((one, other))
        if landed is not None:
            asked.append(_starts(landed, joined([there.changed, there.gone])))
        answers = (answer for answer, _ in _answers(account, other, one, there.changed, None))
        back = [link.stop for link in _links(answers)]
        asked.append(np.array(back, np.int64))
    return np.intersect1d(joined(asked), census.live, assume_unique=True)


def _starts(landed: npt.NDArray[np.int64], stops: Ids) -> Ids:
    starts: Ids = landed[np.isin(landed[:, 1], stops), 0]
    return starts


def _answers(account: Account, one: str, other: str, ids: Ids, place: int | None) -> Iterator[tuple[Answer, int]]:
    """Ask for the associations of some records, of those beyond a place on; places are ids, and end batches."""
    for some in batches((ids if place is None else ids[ids > place]).tolist(), READ_BATCH):
        inputs: list[dict[str, object]] = [{"id": str(record)} for record in some]
        results: list[dict[str, Any]] = []
        while inputs:
            answer = account.post("crm/associations", f"/{one}/{other}/batch/read", {"inputs": inputs})
            for error in answer.body.get("errors") or []:
                # A record without any makes the answer a 207; that one has gone meanwhile, too.
                if error.get("category") != "OBJECT_NOT_FOUND":
                    raise Unreadable(f"HubSpot could not read associations of {one}: {error.get('message')}")
            results += answer.rows()
            more = ((item["from"]["id"], next_page(item)) for item in answer.rows())
            inputs = [{"id": start, "after": after} for start, after in more if after is not None]
        yield replace(answer, body={"results": results}), some[-1]


def _links(answers: Iterable[Answer]) -> Iterator[Link]:
    """Find the associations in answers; a record that has none is in no link."""
    for answer in answers:
        for item in answer.rows():
            start = int(item["from"]["id"])
            yield from (Link(start, to["toObjectId"], to["associationTypes"]) for to in item["to"])
