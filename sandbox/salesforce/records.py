"""One record at a time, by id or external id, and what changed in a period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from starlette.responses import Response

from .call import Call, Result
from .errors import Refused, not_found, refused
from .ids import full_id
from .org import View
from .queries import leaf
from .schema import Entity, Field, Row
from .session import json_response
from .values import read_time, write_time
from .writes import create, delete, external_id, live_row, matches, update


async def make(call: Call) -> Response:
    """Make a record."""
    _, entity = call.addressed()
    record_id = create(call.writer(), entity, await call.body())
    location = f"{call.prefix}/sobjects/{entity.name}/{record_id}"
    return json_response({"id": record_id, "success": True, "errors": []}, 201, {"Location": location})


async def read(call: Call) -> Response:
    """Read a record."""
    view, entity = call.addressed()
    return json_response(read_record(call, view, entity, call.path("id")))


async def change(call: Call) -> Response:
    """Change a record, unless it was changed since the caller read it."""
    _, entity = call.addressed()
    record_id, payload = call.path("id"), await call.body()
    if any(name.lower() == "id" for name in payload):
        raise refused("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    row = live_row(call.org, entity, record_id)
    unmodified_since = call.http_date("if-unmodified-since")
    modified = read_time(str(row.get("LastModifiedDate")))
    if unmodified_since and modified and modified > unmodified_since:
        return Response(status_code=412)
    update(call.writer(), entity, record_id, payload)
    return Response(status_code=204)


async def remove(call: Call) -> Response:
    """Delete a record."""
    _, entity = call.addressed()
    delete(call.writer(), entity, call.path("id"))
    return Response(status_code=204)


async def read_by_external_id(call: Call) -> Response:
    """Read the record that has an external id."""
    view, entity = call.addressed()
    found = _matching(call, entity)
    if not found:
        raise not_found()
    if len(found) > 1:
        return _several(view, entity, found)
    return json_response(read_record(call, view, entity, found[0]))


async def upsert(call: Call) -> Response:
    """Change the record that has an external id, or make it."""
    view, entity = call.addressed()
    field = external_id(call.org, call.user_id, entity, call.path("field"))
    payload = await call.body()
    if any(name.lower() in ("id", field.name.lower()) for name in payload):
        raise refused("INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data.")
    found = _matching(call, entity)
    if len(found) > 1:
        return _several(view, entity, found)
    writer = call.writer()
    if found:
        update(writer, entity, found[0], payload)
        return json_response({"id": found[0], "success": True, "errors": [], "created": False})
    if field.type == "id" or call.request.query_params.get("updateOnly", "").lower() == "true":
        raise not_found()
    record_id = create(writer, entity, {**payload, field.name: call.path("value")})
    return json_response({"id": record_id, "success": True, "errors": [], "created": True}, 201)


def _matching(call: Call, entity: Entity) -> list[str]:
    field = external_id(call.org, call.user_id, entity, call.path("field"))
    value = call.path("value")
    if field.type == "id":
        value = full_id(value) or value
    return matches(call.org, entity, field, [value])[value]


def read_record(call: Call, view: View, entity: Entity, record_id: str) -> Result:
    """Give a record, or the fields asked for; raises Refused with NOT_FOUND for a deleted one too."""
    try:
        row = live_row(call.org, entity, record_id)
    except Refused as refusal:
        if refusal.status == 404:  # noqa: PLR2004 - a read does not tell deleted from unknown
            raise not_found() from None
        raise
    asked = call.request.query_params.get("fields")
    return (
        view.record(entity, row)
        if asked is None
        else project(view, entity, [name.strip() for name in asked.split(",")])(row)
    )


async def updated(call: Call) -> Response:
    """List the records changed in a period."""
    view, entity = call.addressed()
    start, end = _period(call, entity, days=30)
    ids = [row["Id"] for row in view.rows(entity) if start <= str(row.get("SystemModstamp", "")) < end]
    return json_response({"ids": ids, "latestDateCovered": end})


async def deleted(call: Call) -> Response:
    """List the records deleted in a period."""
    _, entity = call.addressed()
    start, end = _period(call, entity, days=15)
    in_bin = {str(row["Id"]): str(row["SystemModstamp"]) for row in call.org.rows(entity) if row.get("IsDeleted")}
    listed = in_bin | call.org.purged.get(entity.name, {})
    gone = [{"deletedDate": when, "id": record_id} for record_id, when in listed.items() if start <= when < end]
    earliest = write_time(call.org.clock.now() - timedelta(days=15))
    return json_response({"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": end})


def _period(call: Call, entity: Entity, *, days: int) -> tuple[str, str]:
    """Read `start` and `end`, cut to the minute as the replication API does."""
    if entity.setup:
        raise refused("INVALID_TYPE_FOR_OPERATION", f"{entity.name} is not replicateable")
    moments = []
    for name in ("start", "end"):
        # A + that was not encoded arrives as a blank.
        moment = read_time(call.required(name).replace(" ", "+"))
        if moment is None:
            raise refused("INVALID_REPLICATION_DATE", f"{name} is not a date with an offset")
        moments.append(moment.replace(second=0, microsecond=0))
    start, end = moments
    if start >= end:
        raise refused("INVALID_REPLICATION_DATE", "endDate must be at least one minute after startDate")
    if start < call.org.clock.now() - timedelta(days=days):
        raise refused("INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
    now = call.org.clock.now().replace(second=0, microsecond=0)
    return write_time(start), write_time(min(end, now))


def _several(view: View, entity: Entity, ids: Sequence[str]) -> Response:
    return json_response([f"{view.prefix}/sobjects/{entity.name}/{one}" for one in ids], 300)


def project(view: View, entity: Entity, names: Sequence[str]) -> Callable[[Row], Result]:
    """Make a reader of some fields of a record; raises Refused for one the user cannot see."""
    fields: list[Field] = []
    for name in names:
        field = view.field(entity, name)
        if field is None:
            raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
        fields.append(field)
    leaves = [(field.name, leaf(field)) for field in fields]

    def read(row: Row) -> Result:
        values = {name: get(row) for name, get in leaves}
        return {"attributes": view.attributes(entity, row), "Id": row["Id"], **values}

    return read
