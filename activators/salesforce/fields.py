"""Custom fields of Salesforce: what there is, making what is missing, and letting our user see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from activators.activation import Activation, ColumnType, Property
from activators.connectors import Probe
from activators.errors import VendorError
from activators.salesforce.session import Session, expect, first_error
from activators.transport import understanding

# The permission set through which the fields that we create become visible to the integration user.
PERMISSION_SET = "Backhaul"
_TEXT_LENGTH = 255
_DIGITS = 18


async def definitions(session: Session, object_type: str) -> dict[str, str]:
    """The type of every field that the integration user can see, by lower-case name."""
    response = await session.send("GET", f"/sobjects/{object_type}/describe")
    body = expect(response, httpx.codes.OK)
    with understanding(response, "Salesforce"):
        return {item["name"].lower(): item["type"] for item in body["fields"]}


async def probe(session: Session, activation: Activation) -> list[Probe]:
    """Whether the integration user may change the object's records and each of the activation's fields."""
    grant = f"give the integration user edit on {activation.object}"
    response = await session.send("GET", f"/sobjects/{activation.object}/describe")
    if response.status_code == httpx.codes.NOT_FOUND:
        return [Probe(f"read {activation.object}", "there is no such object, or it is hidden from the user", grant)]
    body = expect(response, httpx.codes.OK)
    with understanding(response, "Salesforce"):
        updateable = {item["name"].lower(): bool(item["updateable"]) for item in body["fields"]}
        may = bool(body["updateable"])
    denied = [item.name for item in activation.properties if updateable.get(item.name.lower()) is False]
    hidden = [item.name for item in activation.properties if item.name.lower() not in updateable]
    allowed = len(activation.properties) - len(denied) - len(hidden)
    return [
        Probe(f"change {activation.object} records", "allowed" if may else "not allowed", None if may else grant),
        *(Probe(f"change {name}", "read-only for the user", "give it edit, or map another field") for name in denied),
        *(Probe(f"change {name}", "missing, or hidden from the user", "run `backhaul provision`") for name in hidden),
        *([Probe("change fields", f"{allowed} of {len(activation.properties)} allowed")] if allowed else []),
    ]


async def create(session: Session, activation: Activation, missing: Sequence[Property]) -> None:
    """Create the missing custom fields and let the integration user read and edit them."""
    permission_set = await _permission_set(session)
    for item in missing:
        full_name = f"{activation.object}.{item.name}"
        response = await session.send(
            "POST",
            "/tooling/sobjects/CustomField",
            json={"FullName": full_name, "Metadata": _metadata(item, is_key=item.name == activation.external_id)},
        )
        # A field that exists already is only hidden from us: the grant below is what it lacks.
        if response.status_code != httpx.codes.CREATED and first_error(response)[0] != "DUPLICATE_DEVELOPER_NAME":
            expect(response, httpx.codes.CREATED)
        grant = await session.send(
            "POST",
            "/sobjects/FieldPermissions",
            json={
                "ParentId": permission_set,
                "SobjectType": activation.object,
                "Field": full_name,
                "PermissionsRead": True,
                "PermissionsEdit": True,
            },
        )
        if grant.status_code != httpx.codes.CREATED and first_error(grant)[0] != "DUPLICATE_VALUE":
            expect(grant, httpx.codes.CREATED)


async def _permission_set(session: Session) -> str:
    """The id of our permission set, made and assigned to the integration user unless it is."""
    found = await _query(
        session,
        f"SELECT Id FROM PermissionSet WHERE Name = {_quoted(PERMISSION_SET)}",  # noqa: S608  quoted
    )
    permission_set = (
        found[0]["Id"]
        if found
        else await _insert(session, "PermissionSet", {"Name": PERMISSION_SET, "Label": PERMISSION_SET})
    )
    where = f"PermissionSetId = {_quoted(permission_set)} AND AssigneeId = {_quoted(session.user_id)}"
    assigned = await _query(session, f"SELECT Id FROM PermissionSetAssignment WHERE {where}")  # noqa: S608  quoted
    if not assigned:
        await _insert(
            session,
            "PermissionSetAssignment",
            {"PermissionSetId": permission_set, "AssigneeId": session.user_id},
        )
    return str(permission_set)


async def _query(session: Session, soql: str) -> list[dict[str, Any]]:
    response = await session.send("GET", "/query", params={"q": soql})
    body = expect(response, httpx.codes.OK)
    with understanding(response, "Salesforce"):
        return list(body["records"])


async def _insert(session: Session, object_type: str, values: Mapping[str, object]) -> str:
    response = await session.send("POST", f"/sobjects/{object_type}", json=dict(values))
    body = expect(response, httpx.codes.CREATED)
    with understanding(response, "Salesforce"):
        return str(body["id"])


def _quoted(word: str) -> str:
    """A SOQL literal of a word. SOQL binds no parameters, so nothing that would need escaping is let through."""
    if not word.isalnum() or not word.isascii():
        raise VendorError(f"Salesforce gives {word!r} where an id belongs; check SALESFORCE_BASE_URL")
    return f"'{word}'"


def _metadata(item: Property, *, is_key: bool) -> dict[str, Any]:
    key = {"externalId": True, "unique": True, "caseSensitive": False} if is_key else {}
    return {"label": item.label, "description": item.description, **_field_type(item.type), **key}


def _field_type(column: ColumnType) -> dict[str, Any]:
    match column.family:
        case "number":
            return {
                "type": "Number",
                "precision": min(_DIGITS, max(column.precision, 1)),
                "scale": column.scale,
            }
        case "boolean":
            return {"type": "Checkbox", "defaultValue": "false"}
        case "date":
            return {"type": "Date"}
        case "datetime":
            return {"type": "DateTime"}
        case "string":
            return {"type": "Text", "length": _TEXT_LENGTH}
