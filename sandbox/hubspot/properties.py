"""Endpoints about property definitions and their groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from sandbox.hubspot.call import Answer, Call, batch_answer, text_list
from sandbox.hubspot.definitions import FIELD_TYPES, Group, Option, Property
from sandbox.hubspot.errors import HubSpotError, attributes_not_set, bad_json, invalid, not_found
from sandbox.hubspot.tables import Table
from sandbox.hubspot.values import instant

MOST_CUSTOM = 1000
MOST_UNIQUE = 10
LONGEST_NAME = 100
REQUIRED = ("name", "label", "type", "fieldType", "groupName")
HINTS = ("numberDisplayHint", "textDisplayHint", "dateDisplayHint", "showCurrencySymbol")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
Body = Mapping[str, object]


def list_properties(call: Call) -> Answer:
    """GET /crm/properties/V/{type}: every definition at once, or the archived ones."""
    archived = call.flag("archived")
    sensitivity = call.one("dataSensitivity") or "non_sensitive"
    results = [
        definition.shown()
        for definition in call.table.properties.values()
        if definition.archived is archived and definition.data_sensitivity == sensitivity
    ]
    return Answer(200, {"results": results})


def read_property(call: Call) -> Answer:
    """GET /crm/properties/V/{type}/{name}."""
    definition = _known(call.table, call.params["name"], archived=call.flag("archived"))
    return Answer(200, definition.shown())


def create_property(call: Call) -> Answer:
    """POST /crm/properties/V/{type}: a new definition, or an archived one back to life."""
    definition = _create(call, call.json())
    location = f"https://api.hubapi.com{call.path}/{definition.name}"
    return Answer(201, definition.shown(), {"Location": location})


def update_property(call: Call) -> Answer:
    """PATCH /crm/properties/V/{type}/{name}: all but name, uniqueness and sensitivity."""
    table = call.table
    old = _known(table, call.params["name"])
    if old.hubspot_defined:
        raise invalid(f"Property '{old.name}' is read only and its definition cannot be changed")
    body = {**old.shown(), **call.json(), "name": old.name}
    _known_group_of(table, body)
    new = replace(
        definition_of(call, body),
        unique=old.unique,
        data_sensitivity=old.data_sensitivity,
        created_at=old.created_at,
    )
    table.properties[old.name] = new
    return Answer(200, new.shown())


def archive_property(call: Call) -> Answer:
    """DELETE /crm/properties/V/{type}/{name}: 204; its values come back if it is made again."""
    _archive(call.table, call.params["name"])
    return Answer(204)


def batch_create_properties(call: Call) -> Answer:
    """POST …/batch/create: 201, or 207 when some are refused; `context.name` says which."""
    started = call.store.now()
    results, errors = [], []
    for item in _inputs(call):
        try:
            results.append(_create(call, item).shown())
        except HubSpotError as refusal:
            context = {"name": [str(item.get("name"))]}
            errors.append({**refusal.body(), "context": context})
    return batch_answer(call, 201, started, results, errors)


def batch_read_properties(call: Call) -> Answer:
    """POST …/batch/read: definitions by name."""
    started, body = call.store.now(), call.json()
    results, errors = [], []
    for item in _inputs(call):
        name = str(item.get("name"))
        try:
            definition = _known(call.table, name, archived=body.get("archived") is True)
            results.append(definition.shown())
        except HubSpotError as refusal:
            errors.append({**refusal.body(), "context": {"name": [name]}})
    return batch_answer(call, 200, started, results, errors)


def batch_archive_properties(call: Call) -> Answer:
    """POST …/batch/archive: 204."""
    for item in _inputs(call):
        _archive(call.table, str(item.get("name")))
    return Answer(204)


def list_groups(call: Call) -> Answer:
    """GET /crm/properties/V/{type}/groups."""
    return Answer(200, {"results": [group.shown() for group in call.table.groups.values()]})


def read_group(call: Call) -> Answer:
    """GET /crm/properties/V/{type}/groups/{name}."""
    return Answer(200, _known_group(call).shown())


def create_group(call: Call) -> Answer:
    """POST /crm/properties/V/{type}/groups."""
    table, body = call.table, call.json()
    missing = [name for name in ("name", "label") if not body.get(name)]
    if missing:
        raise attributes_not_set("PropertyGroupCreate", missing)
    name = str(body["name"])
    if name in table.groups:
        raise _exists(f"A property group named '{name}' already exists.", "PROPERTY_GROUP_WITH_NAME_EXISTS")
    order = _order(body, default=len(table.groups))
    table.groups[name] = Group(name, str(body["label"]), order)
    location = f"https://api.hubapi.com{call.path}/{name}"
    return Answer(201, table.groups[name].shown(), {"Location": location})


def update_group(call: Call) -> Answer:
    """PATCH /crm/properties/V/{type}/groups/{name}."""
    group, body = _known_group(call), call.json()
    label = str(body.get("label") or group.label)
    changed = replace(group, label=label, display_order=_order(body, default=group.display_order))
    call.table.groups[group.name] = changed
    return Answer(200, changed.shown())


def archive_group(call: Call) -> Answer:
    """DELETE /crm/properties/V/{type}/groups/{name}: refused while it has properties."""
    table, group = call.table, _known_group(call)
    if any(p.group == group.name and not p.archived for p in table.properties.values()):
        raise invalid(
            f"Property group '{group.name}' still has active properties",
            subCategory="PropertyGroupError.GROUP_WITH_ACTIVE_PROPERTIES",
        )
    del table.groups[group.name]
    return Answer(204)


def _inputs(call: Call) -> list[Body]:
    inputs = text_list(call.json(), "inputs")
    if not inputs or not all(isinstance(item, dict) for item in inputs):
        raise attributes_not_set("BatchInput", ["inputs"])
    return cast("list[Body]", inputs)


def _create(call: Call, body: Body) -> Property:
    table = call.table
    missing = [name for name in REQUIRED if not body.get(name)]
    if missing:
        raise attributes_not_set("PropertyCreate", missing)
    name = str(body["name"])
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise invalid(
            f"Property name '{name}' must begin with a lowercase letter, "
            "hold only lowercase letters, digits and underscores"
        )
    if table.defined(name) is not None:
        raise _exists(f"A property named '{name}' already exists.", "PROPERTY_WITH_NAME_EXISTS")
    _known_group_of(table, body)
    definition = definition_of(call, body)
    customs = [p for p in table.properties.values() if not p.hubspot_defined and not p.archived]
    if len(customs) >= MOST_CUSTOM:
        raise invalid(f"{table.kind.name} cannot have more than {MOST_CUSTOM} custom properties")
    if definition.unique and sum(p.unique for p in customs) >= MOST_UNIQUE:
        raise invalid(f"{table.kind.name} cannot have more than {MOST_UNIQUE} unique properties")
    table.properties[name] = definition
    table.name_unique()
    return definition


def definition_of(call: Call, body: Body) -> Property:
    """Read a definition and check that its parts fit; its group is not looked up."""
    kind, field_type, group = (str(body[key]) for key in ("type", "fieldType", "groupName"))
    if kind not in FIELD_TYPES:
        raise invalid(f"Property type '{kind}' is not valid: one of {', '.join(FIELD_TYPES)}")
    if field_type not in FIELD_TYPES[kind]:
        allowed = ", ".join(sorted(FIELD_TYPES[kind]))
        raise invalid(f"Field type '{field_type}' does not fit type '{kind}': one of {allowed}")
    now = instant(call.store.now())
    return Property(
        name=str(body["name"]),
        label=str(body["label"]),
        type=kind,
        field_type=field_type,
        group=group,
        description=str(body.get("description") or ""),
        options=_options(call, body, kind),
        display_order=_order(body, default=-1),
        calculated=field_type == "calculation_equation",
        references="OWNER" if body.get("referencedObjectType") == "OWNER" else None,
        unique=body.get("hasUniqueValue") is True,
        hidden=body.get("hidden") is True,
        form_field=body.get("formField") is True,
        data_sensitivity=str(body.get("dataSensitivity") or "non_sensitive"),
        hints={name: body[name] for name in HINTS if name in body},
        created_at=now,
        updated_at=now,
    )


def _options(call: Call, body: Body, kind: str) -> tuple[Option, ...]:
    options = text_list(body, "options")
    parsed = []
    # The dated versions want every option's place, v3 works it out.
    needed = ("label", "value") if call.version == "v3" else ("label", "value", "displayOrder")
    for order, option in enumerate(options):
        if not isinstance(option, dict):
            raise bad_json("Expected an option")
        missing = [name for name in needed if option.get(name) is None]
        if missing:
            raise attributes_not_set("OptionInput", missing)
        parsed.append(
            Option(
                str(option["label"]),
                str(option["value"]),
                _order(option, default=order),
                option.get("hidden") is True,
                option.get("description"),
            )
        )
    values = [option.value for option in parsed]
    if kind == "bool" and sorted(values) != ["false", "true"]:
        raise invalid(
            "A property of type bool must have exactly the options true and false",
            subCategory="PropertyValidationError.INVALID_BOOLEAN_OPTION",
        )
    if len(set(values)) != len(values):
        raise invalid("The options of a property must have different values")
    if kind == "enumeration" and not values and body.get("referencedObjectType") is None:
        raise invalid("A property of type enumeration must have options")
    return tuple(parsed)


def _order(body: Body, *, default: int) -> int:
    order = body.get("displayOrder")
    return order if isinstance(order, int) else default


def _known(table: Table, name: str, *, archived: bool = False) -> Property:
    definition = table.properties.get(name)
    if definition is None or definition.archived is not archived:
        raise not_found(f"Couldn't find a Property with the given name '{name}'")
    return definition


def _archive(table: Table, name: str) -> None:
    definition = _known(table, name)
    if definition.hubspot_defined:
        raise invalid(f"Property '{name}' is defined by HubSpot and cannot be archived")
    table.properties[name] = replace(definition, archived=True)
    table.name_unique()


def _known_group(call: Call) -> Group:
    name = call.params["name"]
    group = call.table.groups.get(name)
    if group is None:
        raise not_found(f"Couldn't find a property group with the given name '{name}'")
    return group


def _known_group_of(table: Table, body: Body) -> None:
    group = str(body["groupName"])
    if group not in table.groups:
        raise invalid(f"Property group '{group}' does not exist")


def _exists(message: str, sub_category: str) -> HubSpotError:
    return HubSpotError(409, message, "OBJECT_ALREADY_EXISTS", subCategory=f"Properties.{sub_category}")
