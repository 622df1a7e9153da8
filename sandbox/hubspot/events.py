"""Endpoints about custom events: define them, send them, read them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from sandbox.hubspot.call import Answer, Call, text_list
from sandbox.hubspot.definitions import Option, Property
from sandbox.hubspot.errors import HubSpotError, attributes_not_set, bad_json, conflict, invalid, not_found
from sandbox.hubspot.eventlog import EventType, Occurrence
from sandbox.hubspot.values import InvalidValue, as_text, epoch, instant, is_email, stored, whole

MOST_DEFINITIONS = 500
MOST_PROPERTIES = 50
MOST_SENT = 500
LONGEST_NAME = 50
LONGEST_VALUE = 256
LONGEST_URL = 1024
LARGEST_PAGE = 1000
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES = {"string": "text", "number": "number", "enumeration": "select", "datetime": "date"}
_LONG = ("hs_page_url", "hs_link_href", "hs_referrer")
_DEFAULT_PROPERTIES = (
    "hs_asset_description",
    "hs_asset_type",
    "hs_browser",
    "hs_campaign_id",
    "hs_city",
    "hs_country",
    "hs_device_name",
    "hs_device_type",
    "hs_element_class",
    "hs_element_id",
    "hs_element_text",
    "hs_language",
    "hs_link_href",
    "hs_operating_system",
    "hs_page_content_type",
    "hs_page_id",
    "hs_page_title",
    "hs_page_url",
    "hs_referrer",
    "hs_region",
    "hs_tracking_name",
    "hs_user_agent",
)
Body = Mapping[str, object]


def list_definitions(call: Call) -> Answer:
    """GET /events/V/event-definitions: all of them, or those with a text in their name."""
    text = (call.one("searchString") or "").lower()
    found = [one for name, one in sorted(call.store.events.types.items()) if text in name or text in one.label.lower()]
    limit, start = call.limit(LARGEST_PAGE, LARGEST_PAGE), _offset(call)
    page = found[start : start + limit]
    full = call.one("includeProperties") != "false"
    body: dict[str, object] = {"total": len(found), "results": [_shown(call, one, full=full) for one in page]}
    if start + limit < len(found):
        body["paging"] = {"next": {"after": _cursor(start + limit)}}
    return Answer(200, body)


def read_definition(call: Call) -> Answer:
    """GET /events/V/event-definitions/{name}."""
    return Answer(200, _shown(call, _known(call)))


def create_definition(call: Call) -> Answer:
    """POST /events/V/event-definitions: a deleted one's name cannot be used again."""
    body, log = call.json(), call.store.events
    if not body.get("label"):
        raise attributes_not_set("ExternalBehavioralEventTypeDefinitionEgg", ["label"])
    label = str(body["label"])
    name = str(body.get("name") or re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_"))
    _refuse_name(name)
    full_name = f"pe{call.store.portal_id}_{name}"
    if full_name in log.used_names:
        raise conflict(f"An event definition with the name '{name}' exists already, or was deleted")
    if len(log.types) >= MOST_DEFINITIONS:
        raise invalid(f"An account cannot have more than {MOST_DEFINITIONS} event definitions")
    names = _DEFAULT_PROPERTIES if body.get("includeDefaultProperties") is True else ()
    properties = {one: _property(call, {"name": one, "label": one, "type": "string"}, own=False) for one in names}
    for given in text_list(body, "propertyDefinitions"):
        made = _property(call, given)
        properties[made.name] = made
    if sum(not one.hubspot_defined for one in properties.values()) > MOST_PROPERTIES:
        raise invalid(f"An event definition cannot have more than {MOST_PROPERTIES} properties")
    table, now = call.store.table(str(body.get("primaryObject") or "CONTACT")), instant(call.store.now())
    log.used_names.add(full_name)
    log.types[full_name] = EventType(
        call.store.new_id(),
        name,
        full_name,
        label,
        str(body.get("description") or ""),
        table.kind.name,
        properties,
        now,
        now,
        _matching(body),
    )
    return Answer(201, _shown(call, log.types[full_name]))


def update_definition(call: Call) -> Answer:
    """PATCH /events/V/event-definitions/{name}: its label and description."""
    known, body = _known(call), call.json()
    changed = replace(
        known,
        label=str(body.get("label") or known.label),
        description=str(body.get("description", known.description)),
        updated_at=instant(call.store.now()),
    )
    call.store.events.types[known.full_name] = changed
    return Answer(200, _shown(call, changed))


def archive_definition(call: Call) -> Answer:
    """DELETE /events/V/event-definitions/{name}: 204; what happened stays."""
    del call.store.events.types[_known(call).full_name]
    return Answer(204)


def create_property(call: Call) -> Answer:
    """POST /events/V/event-definitions/{name}/property."""
    known, made = _known(call), _property(call, call.json())
    if made.name in known.properties:
        raise conflict(f"A property named '{made.name}' already exists.")
    if sum(not one.hubspot_defined for one in known.properties.values()) >= MOST_PROPERTIES:
        raise invalid(f"An event definition cannot have more than {MOST_PROPERTIES} properties")
    return _kept(call, known, made, 201)


def update_property(call: Call) -> Answer:
    """PATCH /events/V/event-definitions/{name}/property/{property}: label, description, options."""
    known = _known(call)
    old, body = _known_property(call, known), call.json()
    made = _property(call, {**old.shown(), **body, "name": old.name, "type": old.type})
    return _kept(call, known, replace(made, created_at=old.created_at), 200)


def archive_property(call: Call) -> Answer:
    """DELETE /events/V/event-definitions/{name}/property/{property}."""
    known = _known(call)
    gone = _known_property(call, known).name
    kept = {name: one for name, one in known.properties.items() if name != gone}
    call.store.events.types[known.full_name] = replace(known, properties=kept)
    return Answer(204)


def send(call: Call) -> Answer:
    """POST /events/V/send: 204 and no body; only what is plainly wrong is refused."""
    _store(call, [_checked(call, call.json())])
    return Answer(204)


def send_batch(call: Call) -> Answer:
    """POST /events/V/send/batch: at most 500; one that is refused refuses all."""
    inputs = call.json().get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise attributes_not_set("BatchedBehavioralEventHttpCompletionRequest", ["inputs"])
    if len(inputs) > MOST_SENT:
        raise invalid(f"The maximum number of events in a batch is {MOST_SENT}, was {len(inputs)}")
    _store(call, [_checked(call, item) for item in inputs])
    return Answer(204)


def list_occurrences(call: Call) -> Answer:
    """GET /events/event-occurrences/V: of one record, or of some event types; newest first."""
    store, event_types = call.store, call.listed("eventType")
    record = _record(call)
    if record is None and not event_types:
        raise invalid("An objectId with its objectType, or an eventType, is required")
    after, before = (_moment(call, name) for name in ("occurredAfter", "occurredBefore"))
    found = [
        one
        for one in store.events.find(store.now(), event_types, record)
        if (after is None or one.at > after) and (before is None or one.at < before)
    ]
    if call.one("sort") != "occurredAt":
        found.reverse()
    limit, start = call.limit(100, LARGEST_PAGE), _offset(call)
    body: dict[str, object] = {"results": [_event(call, one) for one in found[start : start + limit]]}
    if start + limit < len(found):
        cursor = _cursor(start + limit)
        query = urlencode({"after": cursor})
        link = f"https://api.hubapi.com/events/event-occurrences/{call.version}/?{query}"
        body["paging"] = {"next": {"after": cursor, "link": link}}
    return Answer(200, body)


def list_event_types(call: Call) -> Answer:
    """GET /events/event-occurrences/V/event-types."""
    return Answer(200, {"eventTypes": sorted(call.store.events.types)})


def _known(call: Call) -> EventType:
    name, types = call.params["name"], call.store.events.types
    found = types.get(name) or types.get(f"pe{call.store.portal_id}_{name}")
    if found is None:
        raise not_found(f"No event definition was found with the name '{name}'")
    return found


def _known_property(call: Call, known: EventType) -> Property:
    name = call.params["property"]
    if name not in known.properties:
        raise not_found(f"Couldn't find a Property with the given name '{name}'")
    return known.properties[name]


def _kept(call: Call, known: EventType, made: Property, status: int) -> Answer:
    properties = {**known.properties, made.name: made}
    call.store.events.types[known.full_name] = replace(known, properties=properties)
    return Answer(status, made.shown())


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise invalid(
            f"Name '{name}' must begin with a lowercase letter, hold only lowercase letters, digits and underscores, "
            f"and be at most {LONGEST_NAME} characters long"
        )


def _property(call: Call, given: object, *, own: bool = True) -> Property:
    if not isinstance(given, dict):
        raise bad_json("Expected a property")
    missing = [name for name in ("label", "type") if not given.get(name)]
    if missing:
        raise attributes_not_set("ExternalBehavioralEventPropertyCreate", missing)
    kind, label = str(given["type"]), str(given["label"])
    if kind not in _TYPES:
        raise invalid(f"Property type '{kind}' is not valid: one of {', '.join(_TYPES)}")
    name = str(given.get("name") or re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_"))
    _refuse_name(name)
    options = tuple(
        Option(str(one.get("label")), str(one.get("value")), order)
        for order, one in enumerate(text_list(given, "options"))
        if isinstance(one, dict)
    )
    if kind == "enumeration" and not options:
        raise invalid("A property of type enumeration must have options")
    now = instant(call.store.now())
    return Property(
        name,
        label,
        kind,
        _TYPES[kind],
        "eventinformation",
        description=str(given.get("description") or ""),
        options=options,
        hubspot_defined=not own,
        created_at=now,
        updated_at=now,
    )


def _matching(body: Body) -> tuple[str, str] | None:
    rule = body.get("customMatchingId")
    rule = rule.get("primaryObjectRule") if isinstance(rule, dict) else None
    if not isinstance(rule, dict):
        return None
    return str(rule.get("eventPropertyName")), str(rule.get("targetObjectPropertyName"))


def _shown(call: Call, one: EventType, *, full: bool = True) -> dict[str, object]:
    kind = call.store.tables[one.primary_object].kind
    body: dict[str, object] = {
        "labels": {"singular": one.label, "plural": None},
        "description": one.description,
        "archived": False,
        "primaryObject": kind.label,
        "primaryObjectId": kind.type_id,
        "trackingType": "MANUAL",
        "name": one.name,
        "id": str(one.number),
        "fullyQualifiedName": one.full_name,
        "objectTypeId": f"6-{one.number}",
        "properties": [definition.shown() for definition in one.properties.values()] if full else [],
        "associations": [],
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
    }
    if one.matching is not None:
        names = dict(zip(("eventPropertyName", "targetObjectPropertyName"), one.matching, strict=True))
        body["customMatchingId"] = {"primaryObjectRule": names}
    return body


def _checked(call: Call, item: Body) -> tuple[EventType, Body, Mapping[str, object], int]:
    """Check what is checked before the 204: name, identity, sizes and time."""
    missing = [name for name in ("eventName", "properties") if item.get(name) in (None, "")]
    if missing:
        raise attributes_not_set("BehavioralEventHttpCompletionRequest", missing)
    name, properties = str(item["eventName"]), item["properties"]
    event_type = call.store.events.types.get(name)
    if event_type is None:
        raise invalid(f"No event definition was found with the name '{name}'")
    if not isinstance(properties, dict):
        raise bad_json("Expected an object in properties")
    own_id = event_type.matching is not None and properties.get(event_type.matching[0])
    if not own_id and not any(item.get(key) for key in ("objectId", "email", "utk")):
        raise invalid("email, utk, or objectId is required")
    if item.get("email") and not is_email(str(item["email"])):
        raise invalid(f"Email address {item['email']} is invalid")
    if len(properties) > MOST_PROPERTIES:
        raise invalid(f"An event cannot have more than {MOST_PROPERTIES} properties")
    for key, value in properties.items():
        longest = LONGEST_URL if key in _LONG else LONGEST_VALUE
        if len(str(value)) > longest:
            raise invalid(f"The value of property '{key}' is longer than {longest} characters")
    at = call.store.now() if item.get("occurredAt") is None else epoch(str(item["occurredAt"]))
    if at is None:
        raise invalid(f"{item['occurredAt']} is not a date or time")
    return event_type, item, properties, at


def _store(call: Call, checked: list[tuple[EventType, Body, Mapping[str, object], int]]) -> None:
    """Keep what is new. A repeated uuid, a value that does not fit and an unknown record go unsaid."""
    store, now = call.store, call.store.now()
    for event_type, item, properties, at in checked:
        uuid = item.get("uuid")
        if uuid is not None and not store.events.is_new(event_type.full_name, str(uuid), at):
            continue
        values = {}
        for name, raw in properties.items():
            definition = event_type.properties.get(name)
            try:
                if definition is not None:
                    values[name], _ = stored(definition, raw, (), normalises=True)
            except InvalidValue:
                continue
        store.events.add(event_type, _owner(call, event_type, item, properties), at, values, now=now)


def _owner(call: Call, event_type: EventType, item: Body, properties: Body) -> int | None:
    """Find the record that an event belongs to: by its own id, else objectId, else email."""
    table = call.store.tables[event_type.primary_object]
    sought: list[tuple[str, str | None]] = []
    if event_type.matching is not None:
        raw, target = properties.get(event_type.matching[0]), event_type.matching[1]
        sought.append(("" if raw is None else as_text(raw), target))
    sought.append((table.survivor(str(item.get("objectId") or "")), None))
    if table.kind.has_email:
        sought.append((str(item.get("email") or ""), "email"))
    for value, name in sought:
        if not value:
            continue
        try:
            record = table.find(value, name)
        except HubSpotError:  # the property is not unique, so it names nobody
            record = None
        return None if record is None else record.number
    return None


def _record(call: Call) -> tuple[str, list[int]] | None:
    """Give the record whose events are asked for: its type, and its number with those merged into it."""
    named = [(key.partition(".")[2], values[-1]) for key, values in call.query.items() if key[:15] == "objectProperty."]
    record_id = call.one("objectId")
    if record_id is None and not named:
        return None
    table = call.store.table(call.one("objectType") or "")
    name, value = named[0] if named else (None, table.survivor(str(record_id)))
    record = table.find(value, name)
    if record is None:
        return table.kind.name, []
    merged = [old for old, new in table.merged.items() if new == record.number]
    return table.kind.name, [record.number, *merged]


def _event(call: Call, one: Occurrence) -> dict[str, object]:
    kind = call.store.tables[one.object_type].kind
    number = "" if one.record is None else str(one.record)
    return {
        "objectType": kind.label,
        "objectId": number,
        "eventType": one.event_type,
        "occurredAt": instant(one.at),
        "id": f"{call.store.portal_id}-{number}-{one.number}",
        "properties": dict(one.properties),
    }


def _moment(call: Call, name: str) -> int | None:
    text = call.one(name)
    if text is None:
        return None
    ms = epoch(text)
    if ms is None:
        raise invalid(f"{name} is not a date or time: {text}")
    return ms


def _cursor(offset: int) -> str:
    return urlsafe_b64encode(str(offset).encode()).decode()


def _offset(call: Call) -> int:
    after = call.one("after")
    if not after:
        return 0
    try:
        offset = whole(urlsafe_b64decode(after).decode())
    except ValueError:
        offset = None
    if offset is None:
        raise invalid(f"after is not a cursor: {after}")
    return offset
