"""Save one record: what the platform does, the administrator's rules, and what follows; in the platform's order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .duplicates import check_duplicates
from .errors import Problem, Refused, refused
from .org import QUEUE_ID, Org
from .personaccounts import check_account, check_contact, mirror
from .rules import Flow, FlowFailed
from .schema import Entity, Field, Row
from .standard import check, follow, settle

DEVELOPER_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and whether the active assignment rules run on what they write."""

    org: Org
    user_id: str | None
    stamp_id: str
    assign: bool = True
    allow_duplicates: bool = False
    """Whether an alert of a duplicate rule is taken as read."""
    tell_duplicates: bool = False
    """Whether an alert shows the fields of the records that it found."""


def save(writer: Writer, entity: Entity, row: Row, before: Row | None, written: Row) -> None:
    """Check a record and store it; raises Refused, and then has changed nothing. `before` is None for a new one."""
    org = writer.org
    if entity.name == "Account":
        check_account(org, row, before, written)
    elif entity.name == "Contact":
        check_contact(org, row, before)
    check(entity, row)
    _check_record_type(org, entity, written)
    settle(org, entity, row, before, written)
    _apply_rules(writer, entity, row, before)
    if entity.name == "Lead" and writer.assign:
        row["OwnerId"] = QUEUE_ID
    if entity.setup:
        _check_setup(org, entity, row)
        row = {key: value for key, value in row.items() if org.schema.field(entity, key)}
    org.save(entity, row)
    _track(org, entity, row, before, writer.stamp_id)
    follow(org, entity, row, before, writer.stamp_id)
    mirror(org, entity, row)


def _apply_rules(writer: Writer, entity: Entity, row: Row, before: Row | None) -> None:
    """Run flows, then hold the record against unique fields, validation rules and duplicate rules."""
    org, rules = writer.org, writer.org.rules
    for flow in rules.flows.get(entity.name, ()):
        _run_flow(org, entity, flow, row, before)
    for field in org.schema.indexed(entity):
        if field.unique and (before is None or before.get(field.name) != row.get(field.name)):
            _check_unique(org, entity, field, row)
    broken = [rule for rule in rules.validations.get(entity.name, ()) if rule.fails(row, before)]
    if broken:
        shown = [(rule.message, (rule.field,) if rule.field else ()) for rule in broken]
        raise Refused(Problem("FIELD_CUSTOM_VALIDATION_EXCEPTION", *one) for one in shown)
    for rule in rules.duplicates.get(entity.name, ()):
        check_duplicates(
            org, entity, rule, row, before, allowed=writer.allow_duplicates, detailed=writer.tell_duplicates
        )


def _check_record_type(org: Org, entity: Entity, written: Row) -> None:
    chosen = org.find(written.get("RecordTypeId"))
    if chosen is not None and chosen["SobjectType"] != entity.name:
        message = f"Record Type ID: this ID value isn't valid for the user: {chosen['Id']}"
        raise refused("INVALID_CROSS_REFERENCE_KEY", message, ("RecordTypeId",))


def _run_flow(org: Org, entity: Entity, flow: Flow, row: Row, before: Row | None) -> None:
    try:
        changes = flow(row, before) or {}
    except FlowFailed as failed:
        raise refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", str(failed), ()) from failed
    for name, value in changes.items():
        row[org.schema.fields(entity)[name.lower()].name] = value


def _check_unique(org: Org, entity: Entity, field: Field, row: Row) -> None:
    holder = next((one for one in org.holders(entity, field, row.get(field.name)) if one != row["Id"]), None)
    if holder is not None:
        raise refused(
            "DUPLICATE_VALUE",
            f"duplicate value found: {field.name} duplicates value on record with id: {holder[:15]}",
            (field.name,),
        )


def _track(org: Org, entity: Entity, row: Row, before: Row | None, stamp_id: str) -> None:
    """Write the history of tracked fields that changed; of a new record, that it was made."""
    tracked = org.rules.tracked.get(entity.name)
    if tracked is None:
        return
    history, stamps = tracked.entity, org.stamps(stamp_id, created=True)
    names = ("created",) if before is None else tracked.fields
    for name in names:
        old, new = (None if one is None else one.get(name) for one in (before, row))
        if before is None or old != new:
            values: Row = {"Id": org.new_id(history), tracked.parent: row["Id"], "IsDeleted": False}
            made: Row = {key: stamps[key] for key in ("CreatedById", "CreatedDate")}
            org.save(history, {**values, **made, "Field": name, "OldValue": old, "NewValue": new})


def _check_setup(org: Org, entity: Entity, row: Row) -> None:
    """Apply the rules of the permission objects."""
    if entity.name == "PermissionSet" and not DEVELOPER_NAME.fullmatch(str(row["Name"])):
        raise refused(
            "FIELD_INTEGRITY_EXCEPTION",
            "Permission Set Name: begins with a letter, holds only letters, digits and single "
            f"underscores, and does not end with one: {row['Name']}",
            ("Name",),
        )
    others = [one for one in org.rows(entity) if one["Id"] != row["Id"]]
    if entity.name == "PermissionSetAssignment":
        pair = ("AssigneeId", "PermissionSetId")
        if any(all(one[key] == row[key] for key in pair) for one in others):
            raise refused(
                "DUPLICATE_VALUE",
                f"Duplicate PermissionSetAssignment.  Assignee: {str(row['AssigneeId'])[:15]}; "
                f"Permission Set: {str(row['PermissionSetId'])[:15]}",
                pair,
            )
    if entity.name == "FieldPermissions":
        _check_field_permissions(org, row, others)


def _check_field_permissions(org: Org, row: Row, others: Iterable[Row]) -> None:
    sobject, _, name = str(row["Field"]).partition(".")
    target = org.schema.entity(str(row["SobjectType"]))
    if target is None:
        raise _bad_choice("sObject Type Name", "SobjectType", row["SobjectType"])
    field = org.schema.field(target, name)
    if field is None or sobject.lower() != target.name.lower() or not field.permissionable:
        raise _bad_choice("Field Name", "Field", row["Field"])
    row["SobjectType"], row["Field"] = target.name, f"{target.name}.{field.name}"
    if row["PermissionsEdit"] and not row["PermissionsRead"]:
        raise refused(
            "FIELD_INTEGRITY_EXCEPTION",
            "Permission to edit a field requires permission to read it",
            ("PermissionsEdit",),
        )
    if row["PermissionsEdit"] and not (field.createable or field.updateable):
        raise refused("FIELD_INTEGRITY_EXCEPTION", "A read-only field cannot be edited", ("PermissionsEdit",))
    if any(one["ParentId"] == row["ParentId"] and one["Field"] == row["Field"] for one in others):
        raise refused(
            "DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>", ()
        )


def _bad_choice(label: str, name: str, value: object) -> Refused:
    return refused(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{label}: bad value for restricted picklist field: {value}", (name,)
    )
