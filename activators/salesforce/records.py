"""Salesforce's collections: up to 200 records written or read in one call."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

import httpx
import orjson

from activators.journal import Change, RecordChanges, Result, Stored
from activators.salesforce.session import Session, expect, first_error
from activators.transport import Refusal, isolate, time_before, understanding

LOCKED = "UNABLE_TO_LOCK_ROW"
# A parent account may be locked by another writer for up to 10 seconds; the row alone is tried again.
_LOCK_WAITS = (1.0, 3.0, 9.0)


async def update(session: Session, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
    """Write up to 200 records. Every record gets exactly one result; locked rows are tried again alone.

    Raises RefusedThroughout for a collection that cannot be read wherever one looks.
    """

    async def attempt(some: Sequence[RecordChanges]) -> list[Result] | Refusal:
        return await _update(session, object_type, some)

    results = await isolate(attempt, records)
    for wait in _LOCK_WAITS:
        locked = {result.record_id for result in results if result.code == LOCKED}
        if not locked:
            break
        await asyncio.sleep(wait)
        again = await isolate(attempt, [item for item in records if item.record_id in locked])
        fresh = {result.record_id: result for result in again}
        results = [fresh.get(result.record_id, result) for result in results]
    return results


async def _update(session: Session, object_type: str, records: Sequence[RecordChanges]) -> list[Result] | Refusal:
    response = await session.send(
        "PATCH",
        "/composite/sobjects",
        headers={"Content-Type": "application/json"},
        content=orjson.dumps(
            {
                "allOrNone": False,
                "records": [
                    {
                        "attributes": {"type": object_type},
                        "id": record.record_id,
                        **{change.property: _json(change) for change in record.changes},
                    }
                    for record in records
                ],
            }
        ),
    )
    if response.status_code == httpx.codes.BAD_REQUEST:
        # One value that cannot be read refuses the whole call, without naming its row.
        return Refusal(*first_error(response))
    rows = expect(response, httpx.codes.OK)
    with understanding(response, "Salesforce"):
        written_at = time_before(response)
        # The answer is in the order of the request; a row that failed does not name its record.
        results = [
            Result(record.record_id, "confirmed", written_at)
            if row["success"]
            else Result(
                record.record_id,
                "rejected",
                None,
                row["errors"][0]["statusCode"],
                row["errors"][0]["message"],
                tuple(name for error in row["errors"] for name in error.get("fields", ())),
            )
            for record, row in zip(records, rows, strict=False)
        ]
    return results + [
        Result(record.record_id, "unknown", None, None, "Salesforce's answer is shorter than the request")
        for record in records[len(rows) :]
    ]


async def read(
    session: Session, object_type: str, record_ids: Sequence[str], properties: Sequence[str]
) -> dict[str, Stored]:
    """Read the named fields of up to 200 records, by id; a record that is gone is not in the answer."""
    response = await session.send(
        "POST",
        f"/composite/sobjects/{object_type}",
        json={"ids": list(record_ids), "fields": ["Id", "SystemModstamp", *properties]},
    )
    rows = expect(response, httpx.codes.OK)
    with understanding(response, "Salesforce"):
        return {
            row["Id"]: Stored(
                # Names come back as Salesforce spells them, whatever was asked for.
                {name: _text(_spelled(row, name)) for name in properties},
                dt.datetime.fromisoformat(row["SystemModstamp"]),
            )
            for row in rows
            if row is not None
        }


def plain(number: str) -> str:
    """The digits of a planned number, without an exponent."""
    return f"{Decimal(number):f}"


def _json(change: Change) -> str | bool | orjson.Fragment | None:
    """A planned text as the JSON value that the field's type takes; null clears."""
    if change.after is None:
        return None
    if change.family == "number":
        # The planned digits themselves: a float would keep sixteen of them.
        return orjson.Fragment(plain(change.after))
    if change.family == "boolean":
        return change.after == "true"
    return change.after


def _spelled(row: Mapping[str, object], name: str) -> object:
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
