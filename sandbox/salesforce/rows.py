"""Writes of many records, one by one: what collections and Bulk jobs share.

Each function gives one write a row, to be run in order. A write returns the record's id and whether it made the
record, or raises Refused and then has changed nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from .errors import refused
from .ids import full_id
from .saving import Writer
from .schema import Entity, Field
from .writes import create, delete, live_row, matches, update

Payload = Mapping[str, object]
RowWrite = Callable[[], tuple[str, bool]]
EntityOf = Callable[[Payload], Entity]


def inserts(writer: Writer, entity_of: EntityOf, rows: Sequence[Payload]) -> list[RowWrite]:
    """Make each row a record."""

    def write(row: Payload) -> tuple[str, bool]:
        return create(writer, entity_of(row), row), True

    return [partial(write, row) for row in rows]


def updates(writer: Writer, entity_of: EntityOf, rows: Sequence[Payload]) -> list[RowWrite]:
    """Change the record that each row names by its Id; rows that name the same one all fail."""
    asked_ids = [row_value(row, "id" if "id" in row else "Id") for row in rows]
    ids = [None if asked is None else full_id(asked) or asked for asked in asked_ids]
    repeated = _repeated(ids)

    def write(row: Payload, record_id: str | None) -> tuple[str, bool]:
        entity = entity_of(row)
        if record_id is None:
            raise refused("MISSING_ARGUMENT", "Id not specified in an update call", ())
        if record_id in repeated:
            raise refused("DUPLICATE_VALUE", f"Duplicate id specified: {record_id}", ())
        update(writer, entity, record_id, row)
        return record_id, False

    return [partial(write, row, record_id) for row, record_id in zip(rows, ids, strict=True)]


def upserts(
    writer: Writer, entity: Entity, field: Field, entity_of: EntityOf, rows: Sequence[Payload]
) -> list[RowWrite]:
    """Change the record that has a row's external id, or make it; rows with the same one all fail."""
    keys = [row_value(row, field.name) for row in rows]
    if field.type == "id":
        keys = [None if key is None else full_id(key) or key for key in keys]
    found = matches(writer.org, entity, field, [key for key in keys if key is not None])
    fold = str if field.type == "id" or field.case_sensitive else str.lower
    repeated = _repeated([None if key is None else fold(key) for key in keys])

    def write(row: Payload, key: str | None) -> tuple[str, bool]:
        if entity_of(row) is not entity:
            raise refused("INVALID_TYPE", "All records must be of the type in the address", ())
        if key is not None and fold(key) in repeated:
            raise refused("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (field.name,))
        if key is None and field.type != "id":
            raise refused("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
        ids = [] if key is None else found[key]
        if len(ids) > 1:
            raise refused(
                "DUPLICATE_EXTERNAL_ID",
                f"{field.name}: more than one record found for external id field: {ids}",
                (field.name,),
            )
        if ids:
            update(writer, entity, ids[0], row)
            return ids[0], False
        if key is not None and field.type == "id":
            raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())
        return create(writer, entity, _without_id(row)), True

    return [partial(write, row, key) for row, key in zip(rows, keys, strict=True)]


def deletes(writer: Writer, ids: Sequence[str | None], entity: Entity | None = None) -> list[RowWrite]:
    """Delete records, of one object if it is given."""

    def write(asked: str | None) -> tuple[str, bool]:
        if asked is None:
            raise refused("MISSING_ARGUMENT", "Id not specified in a delete call", ())
        target = entity or writer.org.schema.entity_of(asked)
        if target is None or full_id(asked) is None:
            raise refused("MALFORMED_ID", f"malformed id {asked}", ())
        found = live_row(writer.org, target, asked)
        delete(writer, target, asked)
        return str(found["Id"]), False

    return [partial(write, asked) for asked in ids]


def row_value(row: Payload, name: str) -> str | None:
    """Give a row's value under a name in any case; None if it is missing or empty."""
    value = row.get(name)
    if value is None:
        value = next((value for key, value in row.items() if key.lower() == name.lower()), None)
    return None if value is None or value == "" else str(value)


def _without_id(row: Payload) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in ("Id", "id", "ID")}


def _repeated(keys: Sequence[str | None]) -> frozenset[str]:
    """Give the keys that occur more than once."""
    counts = Counter(key for key in keys if key is not None)
    return frozenset(key for key, count in counts.items() if count > 1)
