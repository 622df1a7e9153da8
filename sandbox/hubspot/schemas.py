"""Endpoints about object types: the account's own, which can be made here, and HubSpot's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from sandbox.hubspot.call import Answer, Call, text_list
from sandbox.hubspot.definitions import DEFINED_AT, Property
from sandbox.hubspot.errors import attributes_not_set, bad_json, conflict, invalid, not_found
from sandbox.hubspot.objecttypes import custom_type
from sandbox.hubspot.properties import definition_of
from sandbox.hubspot.tables import Table
from sandbox.hubspot.values import instant

MOST_TYPES = 10
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,49}")
REQUIRED = ("name", "labels", "properties", "requiredProperties", "primaryDisplayProperty")
SETTINGS = ("labels", "description", "primaryDisplayProperty", "secondaryDisplayProperties")
Body = Mapping[str, object]


def list_schemas(call: Call) -> Answer:
    """GET /crm-object-schemas/V/schemas: the account's own types."""
    archived = call.flag("archived")
    own = [] if archived else [table for table in call.store.tables.values() if table.kind.is_custom]
    return Answer(200, {"results": [_shown(call, table) for table in own]})


def read_schema(call: Call) -> Answer:
    """GET /crm-object-schemas/V/schemas/{type}."""
    return Answer(200, _shown(call, call.table))


def create_schema(call: Call) -> Answer:
    """POST /crm-object-schemas/V/schemas: a type of the account's own, at most ten."""
    body, store = call.json(), call.store
    missing = [name for name in REQUIRED if not body.get(name)]
    if missing:
        raise attributes_not_set("ObjectTypeDefinitionEgg", missing)
    name, labels = str(body["name"]), body["labels"]
    if not _NAME.fullmatch(name):
        raise invalid(f"Object type name '{name}' must begin with a letter and hold letters, digits and underscores")
    if not isinstance(labels, dict) or not labels.get("singular") or not labels.get("plural"):
        raise invalid("An object type needs a singular and a plural label")
    full_name = f"p{store.portal_id}_{name.lower()}"
    if full_name in store.tables:
        raise conflict(f"An object type with the name '{name}' already exists")
    if sum(table.kind.is_custom for table in store.tables.values()) >= MOST_TYPES:
        raise invalid(f"An account cannot have more than {MOST_TYPES} custom object types")
    properties = tuple(_property(call, one, f"{name.lower()}_information") for one in text_list(body, "properties"))
    known = [one.name for one in properties]
    display, needed, searched = (
        str(body["primaryDisplayProperty"]),
        tuple(map(str, text_list(body, "requiredProperties"))),
        tuple(map(str, text_list(body, "searchableProperties"))),
    )
    unknown = [one for one in (display, *needed, *searched) if one not in known]
    if unknown:
        raise invalid(f"Property '{unknown[0]}' is not among the properties of object type '{name}'")
    partners = [store.table(str(one)) for one in text_list(body, "associatedObjects")]
    type_id = f"2-{store.new_id()}"
    kind = custom_type(
        type_id=type_id,
        name=full_name,
        singular=name.lower(),
        display=display,
        required=needed,
        searchable=searched,
        properties=properties,
    )
    table = store.add_type(kind, (full_name, f"p_{name}", type_id))
    now = instant(store.now())
    table.about |= {key: body[key] for key in SETTINGS if key in body} | {"createdAt": now, "updatedAt": now}
    for partner in partners:
        _connect(call, table, partner)
    return Answer(201, _shown(call, table))


def update_schema(call: Call) -> Answer:
    """PATCH /crm-object-schemas/V/schemas/{type}: labels and which properties are shown or needed."""
    table, body = _own(call), call.json()
    names = {name: tuple(map(str, text_list(body, name))) for name in ("requiredProperties", "searchableProperties")}
    unknown = [one for listed in names.values() for one in listed if table.defined(one) is None]
    if unknown:
        raise invalid(f"Property '{unknown[0]}' is not among the properties of object type '{table.kind.singular}'")
    if "requiredProperties" in body:
        table.kind = replace(table.kind, required=tuple((one,) for one in names["requiredProperties"]))
    if "searchableProperties" in body:
        table.kind = replace(table.kind, text=names["searchableProperties"])
    table.about |= {key: body[key] for key in SETTINGS if key in body} | {"updatedAt": instant(call.store.now())}
    return Answer(200, _shown(call, table))


def archive_schema(call: Call) -> Answer:
    """DELETE /crm-object-schemas/V/schemas/{type}: refused while it has records."""
    table = _own(call)
    if table.live:
        raise invalid(f"Object type {table.kind.type_id} cannot be deleted: it still has records")
    call.store.remove_type(table)
    return Answer(204)


def create_association(call: Call) -> Answer:
    """POST /crm-object-schemas/V/schemas/{type}/associations: let two types be associated."""
    body = call.json()
    missing = [name for name in ("fromObjectTypeId", "toObjectTypeId") if not body.get(name)]
    if missing:
        raise attributes_not_set("AssociationDefinitionEgg", missing)
    one, other = (call.store.table(str(body[name])) for name in ("fromObjectTypeId", "toObjectTypeId"))
    if not (one.kind.is_custom or other.kind.is_custom):
        raise invalid("One of the two object types must be a custom one")
    _connect(call, one, other)
    return Answer(201, _association(call, one, other.kind.name))


def _connect(call: Call, one: Table, other: Table) -> None:
    kinds = (one.kind, other.kind)
    call.store.links.connect(one.kind.name, other.kind.name, {kind.name: kind.singular for kind in kinds})


def _own(call: Call) -> Table:
    table = call.table
    if not table.kind.is_custom:
        raise invalid(f"Object type {table.kind.type_id} is HubSpot's own and cannot be changed")
    return table


def _property(call: Call, given: object, group: str) -> Property:
    if not isinstance(given, dict):
        raise bad_json("Expected a property")
    missing = [name for name in ("name", "label", "type", "fieldType") if not given.get(name)]
    if missing:
        raise attributes_not_set("ObjectTypePropertyCreate", missing)
    return definition_of(call, {**given, "groupName": group})


def _association(call: Call, table: Table, other: str) -> dict[str, object]:
    kind = call.store.links.plain(table.kind.name, other)
    return {
        "fromObjectTypeId": table.kind.type_id,
        "toObjectTypeId": call.store.tables[other].kind.type_id,
        "name": kind.name,
        "cardinality": "ONE_TO_MANY",
        "inverseCardinality": "ONE_TO_MANY",
        "id": str(kind.type_id),
        "createdAt": None,
        "updatedAt": None,
    }


def _shown(call: Call, table: Table) -> dict[str, object]:
    kind, about = table.kind, table.about
    if kind.name not in call.store.tables:
        raise not_found()
    words = kind.singular.capitalize()
    others = [other for other in dict.fromkeys(call.store.links.partners(kind.name)) if other in call.store.tables]
    return {
        "labels": {"singular": words, "plural": kind.name.capitalize()},
        "requiredProperties": [names[0] for names in kind.required if len(names) == 1],
        "searchableProperties": list(kind.text) if kind.is_custom else [],
        "primaryDisplayProperty": kind.text[0] if kind.text else None,
        "secondaryDisplayProperties": [],
        "description": None,
        "allowsSensitiveProperties": False,
        "archived": False,
        "restorable": True,
        "metaType": "PORTAL_SPECIFIC" if kind.is_custom else "HUBSPOT",
        "id": kind.type_id.partition("-")[2],
        "fullyQualifiedName": kind.name if kind.is_custom else kind.label,
        "createdAt": DEFINED_AT,
        "updatedAt": DEFINED_AT,
        "objectTypeId": kind.type_id,
        "properties": [one.shown() for one in table.properties.values() if not one.archived],
        "associations": [_association(call, table, other) for other in others],
        "name": kind.singular if kind.is_custom else kind.label,
        **about,
    }
