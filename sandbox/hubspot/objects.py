"""Endpoints about records one at a time, in pages, and in search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from urllib.parse import urlencode

from sandbox.hubspot.associations import checked_associations, shown_associations
from sandbox.hubspot.call import (
    LARGEST_PAGE,
    LARGEST_PAGE_WITH_HISTORY,
    Answer,
    Call,
    names_to_show,
    text_list,
)
from sandbox.hubspot.definitions import ObjectType
from sandbox.hubspot.errors import attributes_not_set, conflict, invalid, not_found
from sandbox.hubspot.search import MOST_CHARACTERS, search
from sandbox.hubspot.tables import Record, Table, UniqueKey, Write, live_record
from sandbox.hubspot.values import whole

SMALLEST_PAGE = 10


def list_records(call: Call) -> Answer:
    """GET /crm/objects/V/{type}: a page of records by id, live ones or archived ones."""
    table = call.table
    with_history = [n for n in call.listed("propertiesWithHistory") if table.defined(n)]
    limit = call.limit(SMALLEST_PAGE, LARGEST_PAGE_WITH_HISTORY if with_history else LARGEST_PAGE)
    after = whole(call.one("after") or "0")
    if after is None:
        raise invalid(f"after is not a cursor: {call.one('after')}")
    numbers = table.bin if call.flag("archived") else table.live
    start = bisect_left(numbers, after)
    page = numbers[start : start + limit]
    names = names_to_show(table, call.listed("properties"))
    asked = call.listed("associations")
    body: dict[str, object] = {
        "results": [
            call.store.read(table, table.records[number], names, with_history)
            | shown_associations(call.store, table, number, asked)
            for number in page
        ]
    }
    if start + limit < len(numbers):
        body["paging"] = {"next": _next(table.kind, limit, page[-1] + 1)}
    return Answer(200, body)


def _next(kind: ObjectType, limit: int, after: int) -> dict[str, str]:
    # The link names the old path whatever path was called, as HubSpot's own does.
    query = urlencode({"offset_param": "after", "limit": limit, "after": after})
    link = f"https://api.hubapi.com/crm/objects/v3/{kind.name}?{query}"
    return {"after": str(after), "link": link}


def read_record(call: Call) -> Answer:
    """GET /crm/objects/V/{type}/{id}: one record; a merged record's id gives the survivor."""
    table, record_id = call.table, call.params["id"]
    if call.flag("archived"):
        record = table.find_archived(record_id)
        if record is None:
            raise not_found()
    else:
        record = live_record(table, record_id, call.one("idProperty"))
    names = names_to_show(table, call.listed("properties"))
    with_history = [n for n in call.listed("propertiesWithHistory") if table.defined(n)]
    linked = shown_associations(call.store, table, record.number, call.listed("associations"))
    return Answer(200, call.store.read(table, record, names, with_history) | linked)


def create_record(call: Call) -> Answer:
    """POST /crm/objects/V/{type}: a new record; 409 names the record that has the email."""
    table = call.table
    body = call.json()
    links = checked_associations(call, table, body)
    write = checked_create(call, table, given_properties(body, "ObjectCreate"), {})._replace(links=links)
    record = call.store.apply(table, write, call.store.now())
    location = f"https://api.hubapi.com{call.path}/{record.number}"
    return Answer(201, written(call, table, record, write), {"Location": location})


def update_record(call: Call) -> Answer:
    """PATCH /crm/objects/V/{type}/{id}: change a record; a merged record's id works."""
    table = call.table
    record = live_record(table, call.params["id"], call.one("idProperty"))
    given = given_properties(call.json(), "ObjectUpdate")
    write = checked_update(call, table, record, given, {})
    return Answer(200, written(call, table, call.store.apply(table, write, call.store.now()), write))


def archive_record(call: Call) -> Answer:
    """DELETE /crm/objects/V/{type}/{id}: to the recycle bin; 204 also if it is not there."""
    table = call.table
    record = table.find(table.survivor(call.params["id"]))
    if record is not None:
        call.store.archive(table, record)
    return Answer(204)


def merge_records(call: Call) -> Answer:
    """POST /crm/objects/V/{type}/merge: two records become one with a new id."""
    table, body = call.table, call.json()
    names = ("primaryObjectId", "objectIdToMerge")
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise attributes_not_set("PublicMergeInput", missing)
    primary, secondary = (table.find(str(body[name])) for name in names)
    if primary is None or secondary is None or primary is secondary:
        raise invalid(
            f"Object to merge is not a valid {table.kind.singular} or is already in the process of being merged"
        )
    record = call.store.unite(table, primary, secondary)
    shown = call.store.read(table, record, sorted(filter(table.defined, record.values)))
    return Answer(200, shown)


def purge_record(call: Call) -> Answer:
    """POST /crm/objects/V/contacts/gdpr-delete: delete for good; 204 also if it is not there."""
    table, body = call.table, call.json()
    if not body.get("objectId"):
        raise attributes_not_set("PublicGdprDeleteInput", ["objectId"])
    id_property = body.get("idProperty")
    record = table.find(str(body["objectId"]), None if id_property is None else str(id_property))
    if record is not None:
        call.store.purge(table, record)
    return Answer(204)


def search_records(call: Call) -> Answer:
    """POST /crm/objects/V/{type}/search: records that match, as last indexed."""
    table, store = call.table, call.store
    if len(call.raw.decode(errors="replace")) > MOST_CHARACTERS:
        raise invalid(f"The body of a search cannot exceed {MOST_CHARACTERS} characters")
    body = call.json()
    found = search(store, table, body)
    names = names_to_show(table, text_list(body, "properties"))
    current = (table.records.get(number) for number in found.numbers)
    answer: dict[str, object] = {
        "total": found.total,
        "results": [
            store.read(table, record, names) for record in current if record is not None and record.archived is None
        ],
    }
    if found.after is not None:
        answer["paging"] = {"next": {"after": found.after}}
    return Answer(200, answer)


def given_properties(item: Mapping[str, object], what: str) -> Mapping[str, object]:
    """Take the properties out of a create's or an update's input."""
    properties = item.get("properties")
    if not isinstance(properties, dict):
        raise attributes_not_set(what, ["properties"])
    return properties


def checked_create(call: Call, table: Table, given: Mapping[str, object], claims: dict[UniqueKey, int]) -> Write:
    """Check a new record and claim its number and unique values. Stores nothing."""
    kind = table.kind
    changes, warnings = call.store.check(table, given, normalises=call.normalises)
    missing = [names[0] for names in kind.required if not any(changes.get(name) for name in names)]
    if missing:
        raise invalid(
            f"Error creating {kind.label}. Some required properties were not set.",
            context={"properties": missing},
        )
    call.store.refuse_stage(table, None, changes)
    if call.normalises:
        call.store.refuse_unfilled(table, None, changes)
    number = table.next_number()
    clash = call.store.taken_by(table, changes, number, claims)
    if clash is not None and clash[0][0] == "email":
        raise conflict(
            f"{kind.singular.capitalize()} already exists. Existing ID: {clash[1]}",
            context={"existingId": [str(clash[1])]},
        )
    call.store.refuse_taken(table, changes, number, claims)
    return _claimed(table, Write(number, changes, warnings, is_new=True), claims)


def checked_update(
    call: Call,
    table: Table,
    record: Record,
    given: Mapping[str, object],
    claims: dict[UniqueKey, int],
) -> Write:
    """Check changes to a record and claim its unique values. Stores nothing."""
    changes, warnings = call.store.check(table, given, normalises=call.normalises)
    call.store.refuse_stage(table, record, changes)
    if call.normalises:
        call.store.refuse_unfilled(table, record, changes)
    call.store.refuse_taken(table, changes, record.number, claims)
    return _claimed(table, Write(record.number, changes, warnings), claims)


def _claimed(table: Table, write: Write, claims: dict[UniqueKey, int]) -> Write:
    if not table.unique.isdisjoint(write.changes):
        claims.update(dict.fromkeys(table.unique_keys(write.changes), write.number))
    return write


def written(call: Call, table: Table, record: Record, write: Write) -> dict[str, object]:
    """Show a record after a write: the properties written and those that HubSpot fills in."""
    values, changes = record.values, write.changes
    names = sorted({*changes, *values}) if write.is_new else table.names_after(tuple(changes))
    properties: dict[str, str | None] = {name: values[name] for name in names if name in values}
    # What was cleared and never set is shown, too.
    properties.update((name, None) for name in changes if name not in values)
    body = call.store.shown(table, record, values, properties)
    if write.warnings:
        body["warnings"] = [warning.shown() for warning in write.warnings]
    return body
