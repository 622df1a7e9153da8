"""Create, update, upsert and delete records by the rules of the org.

Every function raises Refused, and then has changed nothing. `user_id` None is the org itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .errors import Problem, Refused, Unreadable, not_found, refused
from .ids import full_id
from .org import Org
from .personaccounts import check_contact
from .saving import Writer, save
from .schema import Entity, Field, Row


def create(writer: Writer, entity: Entity, payload: Mapping[str, object]) -> str:
    """Make a record and return its id."""
    org = writer.org
    if not entity.createable:
        raise refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"{entity.label} is read only")
    values = _read(writer, entity, payload, creating=True)
    row: Row = {}
    for field in org.schema.fields(entity).values():
        if field.name in values:
            row[field.name] = values[field.name]
        elif field.default is not None:
            row[field.name] = field.default
    row["Id"] = org.new_id(entity)
    if org.schema.field(entity, "OwnerId") and row.get("OwnerId") is None:
        row["OwnerId"] = writer.stamp_id
    row |= org.stamps(writer.stamp_id, created=True)
    save(writer, entity, row, None, values)
    return str(row["Id"])


def update(writer: Writer, entity: Entity, record_id: str, payload: Mapping[str, object]) -> None:
    """Change a record; writing the values it already has still bumps its stamps. An Id in `payload` is passed over."""
    org = writer.org
    row = live_row(org, entity, record_id)
    if not entity.updateable:
        raise refused("INVALID_TYPE_FOR_OPERATION", f"entity type {entity.name} cannot be updated")
    values = _read(writer, entity, payload, creating=False)
    if row.get("IsConverted"):
        raise refused("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", ())
    org.check_lock(str(row["Id"]))
    save(writer, entity, {**row, **values, **org.stamps(writer.stamp_id)}, row, values)


def delete(writer: Writer, entity: Entity, record_id: str, *, with_parent: bool = False) -> None:
    """Move a record and what hangs on it to the recycle bin; setup objects are just gone."""
    org = writer.org
    row = live_row(org, entity, record_id)
    if not entity.deletable:
        raise refused("INSUFFICIENT_ACCESS_OR_READONLY", f"{entity.label} records cannot be deleted")
    if not with_parent and entity.name == "Contact":
        check_contact(org, row, row)
    for child, field in org.schema.parents(entity):
        if field.cascade_delete:
            held = (one for one in org.rows(child) if one.get(field.name) == row["Id"] and not one.get("IsDeleted"))
            for child_id in [str(one["Id"]) for one in held]:
                delete(writer, child, child_id, with_parent=True)
    if entity.setup:
        org.remove(entity, str(row["Id"]))
    else:
        org.save(entity, {**row, **org.stamps(writer.stamp_id), "IsDeleted": True})


def live_row(org: Org, entity: Entity, record_id: str) -> Row:
    """Find a record to write; raises Refused for an id that is malformed, gone or unknown."""
    found = full_id(record_id)
    if found is None:
        raise refused("MALFORMED_ID", f"malformed id {record_id}", ())
    if not found.startswith(entity.prefix):
        raise refused("MALFORMED_ID", f"{entity.label} ID: id value of incorrect type: {record_id}", ("Id",))
    row = org.row(entity, found)
    if row is None:
        raise not_found()
    if row.get("IsDeleted"):
        raise refused("ENTITY_IS_DELETED", "entity is deleted", (), status=404)
    return row


def external_id(org: Org, user_id: str | None, entity: Entity, name: str) -> Field:
    """Find a field that records may be addressed by; raises Refused with NOT_FOUND."""
    field = org.schema.field(entity, name)
    if field is None or not field.id_lookup or not org.may_read(user_id, entity, field):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def matches(org: Org, entity: Entity, field: Field, values: Iterable[str]) -> dict[str, list[str]]:
    """Find the live records with each of these external ids, compared without case."""
    return {value: list(org.holders(entity, field, value)) for value in values}


def _read(writer: Writer, entity: Entity, payload: Mapping[str, object], *, creating: bool) -> Row:
    """Check a payload field by field and read its values."""
    org = writer.org
    values: Row = {}
    blocked: list[str] = []
    problems: list[Problem] = []
    writable = org.writable(writer.user_id, entity, creating=creating)
    for name, value in payload.items():
        known = writable.get(name.lower())
        if known is None:
            if name.lower() == "attributes" or (name.lower() == "id" and not creating):
                continue
            found, value = _other(writer, entity, name, value)  # noqa: PLW2901 - a parent is named by its id from here
            known = writable.get(found.name.lower())
            if known is None:
                blocked.append(found.name)
                continue
        field, reader = known
        try:
            read = reader(value)
            values[field.name] = _reference(org, field, read) if field.references else read
        except Unreadable:
            raise
        except Refused as refusal:
            problems += refusal.problems
    if blocked:
        raise refused(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(blocked)}. Please check the security "
            "settings of this field and verify that it is read/write for your profile or "
            "permission set.",
            tuple(blocked),
        )
    if creating or None in values.values():
        problems += _missing(org, entity, values, creating=creating)
    if problems:
        raise Refused(problems)
    return values


def _other(writer: Writer, entity: Entity, name: str, value: object) -> tuple[Field, object]:
    """Find a field that cannot be written, or the reference behind a parent's external id, and the value for it."""
    field = writer.org.schema.field(entity, name)
    if field is None and isinstance(value, Mapping):
        field, value = _foreign(writer, entity, name, value)
    if field is None:
        raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
    return field, value


def _foreign(writer: Writer, entity: Entity, name: str, value: Mapping[str, object]) -> tuple[Field | None, object]:
    """Find the reference field behind `{"Account": {"Key__c": "a"}}`, and the id of the record that has the key."""
    org = writer.org
    attributes = value.get("attributes")
    kind = attributes.get("type") if isinstance(attributes, Mapping) else None
    keys = {key: one for key, one in value.items() if key.lower() != "attributes"}
    for field in org.schema.fields(entity).values():
        if field.references and (field.relationship or "").lower() == name.lower():
            target = org.schema.entity(str(kind or field.references[0]))
            if target is None or target.name not in field.references or len(keys) != 1:
                raise refused("INVALID_FIELD", f"{name} must name one record by one external id", (field.name,))
            (key_name, key), *_ = keys.items()
            key_field = external_id(org, writer.user_id, target, key_name)
            found = org.holders(target, key_field, full_id(str(key)) if key_field.type == "id" else key)
            if len(found) != 1:
                how = "not found" if not found else "matches more than one record"
                message = f"Foreign key external ID: {key} {how} for field {key_field.name} in entity {target.name}"
                raise refused("INVALID_FIELD", message, ())
            return field, found[0]
    return None, value


def _missing(org: Org, entity: Entity, values: Row, *, creating: bool) -> list[Problem]:
    """Say which required fields have no value."""
    fields = org.schema.fields(entity)
    names = tuple(
        name
        for name in org.schema.required(entity)
        if values.get(name) is None and (name in values or (creating and not fields[name.lower()].defaulted))
    )
    message = f"Required fields are missing: [{', '.join(names)}]"
    return [Problem("REQUIRED_FIELD_MISSING", message, names)] if names else []


def _reference(org: Org, field: Field, value: object) -> object:
    """Check that an id points at a live record of a permitted object."""
    if value is None:
        return None
    found = full_id(str(value))
    target = None if found is None else org.schema.entity_of(found)
    if found is None or target is None or target.name not in field.references:
        raise refused("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", (field.name,))
    row = org.row(target, found)
    if row is None:
        raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
    if row.get("IsDeleted"):
        raise refused("ENTITY_IS_DELETED", "entity is deleted", (field.name,))
    if field.name == "OwnerId" and row.get("IsActive") is False:
        raise refused("INACTIVE_OWNER_OR_USER", f"operation performed with inactive user [{found[:15]}]", ())
    return found
