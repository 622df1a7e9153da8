"""Endpoints about associations: version 4's and the dated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sandbox.hubspot.call import Answer, Call, batch_answer, text_list
from sandbox.hubspot.errors import HubSpotError, attributes_not_set, bad_json, invalid, not_found
from sandbox.hubspot.links import Kind
from sandbox.hubspot.store import HubSpotStore
from sandbox.hubspot.tables import Table
from sandbox.hubspot.values import whole

MOST_READ = 1000
MOST_WRITTEN = 2000
MOST_ARCHIVED = 100
LARGEST_PAGE = 500
MOST_LABELS = 10
Input = Mapping[str, object]
Error = dict[str, object]


def batch_read(call: Call) -> Answer:
    """POST …/batch/read: 207 as soon as one of the records has no association."""
    one, other, started = call.table, call.other, call.store.now()
    pair_of(call)
    results: list[dict[str, object]] = []
    errors: list[Error] = []
    for item in inputs_of(call, MOST_READ):
        record_id = id_of(item.get("id"))
        number = whole(record_id)
        rows = [] if number is None else call.store.links.of(one.kind.name, number, other.kind.name)
        if rows:
            start = whole(str(item.get("after") or 0)) or 0
            page, paging = _paged(rows, start, LARGEST_PAGE)
            results.append({"from": {"id": record_id}, "to": page, **paging})
        else:
            errors.append(none_found(one, other, record_id))
    return batch_answer(call, 200, started, results, errors)


def batch_create(call: Call) -> Answer:
    """POST …/batch/create: the types given replace those that the two records had."""
    started = call.store.now()
    results: list[dict[str, object]] = []
    errors: list[Error] = []
    for item in inputs_of(call, MOST_WRITTEN):
        try:
            ends = both_ends(call, item)
            kinds = _kinds(call, text_list(item, "types"))
        except HubSpotError as refusal:
            errors.append(refusal.body())
        else:
            results.append(_put(call, *ends, kinds))
    results.reverse()
    return batch_answer(call, 201, started, results, errors)


def batch_create_default(call: Call) -> Answer:
    """POST …/batch/associate/default: without a label, in both directions."""
    started = call.store.now()
    pair_of(call)
    results: list[dict[str, object]] = []
    errors: list[Error] = []
    for item in inputs_of(call, MOST_WRITTEN):
        try:
            results += _put_plain(call, *both_ends(call, item))
        except HubSpotError as refusal:
            errors.append(refusal.body())
    return batch_answer(call, 200, started, results, errors)


def batch_archive(call: Call) -> Answer:
    """POST …/batch/archive: whatever was there; 204 in version 4, 200 in the dated ones."""
    pair_of(call)
    for item in inputs_of(call, MOST_ARCHIVED):
        number = whole(end_of(item, "from"))
        for target in text_list(item, "to"):
            to = whole(id_of(target.get("id") if isinstance(target, dict) else None))
            if number is not None and to is not None:
                call.store.unlink(call.table, number, call.other, to)
    return _gone(call)


def batch_archive_labels(call: Call) -> Answer:
    """POST …/batch/labels/archive: the labels only; with the plain type, all of it."""
    for item in inputs_of(call, MOST_WRITTEN):
        number, to = whole(end_of(item, "from")), whole(end_of(item, "to"))
        kinds = _kinds(call, text_list(item, "types"))
        if number is not None and to is not None:
            call.store.unlink(call.table, number, call.other, to, kinds)
    return _gone(call)


def list_associations(call: Call) -> Answer:
    """GET /crm/objects/V/{type}/{id}/associations/{other}."""
    number = _live(call.table, call.params["id"])
    pair_of(call)
    limit = call.limit(LARGEST_PAGE, LARGEST_PAGE)
    start = whole(call.one("after") or "0") or 0
    rows = call.store.links.of(call.table.kind.name, number, call.other.kind.name)
    page, paging = _paged(rows, start, limit)
    return Answer(200, {"results": page, **paging})


def put_association(call: Call) -> Answer:
    """PUT /crm/objects/V/{type}/{id}/associations/{other}/{to}: with these types only."""
    types = call.rows()
    ends = both_ends(call, {"from": {"id": call.params["id"]}, "to": {"id": call.params["to"]}})
    return Answer(201, _put(call, *ends, _kinds(call, types)))


def put_default_association(call: Call) -> Answer:
    """PUT /crm/objects/V/{type}/{id}/associations/default/{other}/{to}: without a label."""
    started = call.store.now()
    pair_of(call)
    ends = both_ends(call, {"from": {"id": call.params["id"]}, "to": {"id": call.params["to"]}})
    return batch_answer(call, 200, started, _put_plain(call, *ends), [])


def archive_association(call: Call) -> Answer:
    """DELETE /crm/objects/V/{type}/{id}/associations/{other}/{to}: 204, whatever was there."""
    pair_of(call)
    number, to = whole(call.params["id"]), whole(call.params["to"])
    if number is not None and to is not None:
        call.store.unlink(call.table, number, call.other, to)
    return Answer(204)


def list_labels(call: Call) -> Answer:
    """GET /crm/associations/V/{type}/{other}/labels: every type of this pair."""
    return Answer(200, {"results": [kind.shown() for kind in pair_of(call).values()]})


def create_label(call: Call) -> Answer:
    """POST …/labels: a label and its inverse; 437 when the pair has its ten."""
    pair, body = pair_of(call), call.json()
    missing = [name for name in ("label", "name") if not body.get(name)]
    if missing:
        raise attributes_not_set("PublicAssociationDefinitionCreateRequest", missing)
    label, inverse = str(body["label"]), body.get("inverseLabel")
    own = [kind for kind in pair.values() if kind.category == "USER_DEFINED" and kind.label is not None]
    if any(label.lower() == str(kind.label).lower() for kind in own):
        raise invalid(f"An association label '{label}' already exists between these object types")
    if len(own) >= MOST_LABELS:
        raise HubSpotError(437, f"There can be at most {MOST_LABELS} association labels between two object types")
    made = call.store.links.add_label(
        call.table.kind.name,
        call.other.kind.name,
        str(body["name"]),
        label,
        None if inverse is None else str(inverse),
    )
    return Answer(200, {"results": [kind.shown() for kind in made]})


def update_label(call: Call) -> Answer:
    """PUT …/labels: another text for a label of the account's own."""
    body = call.json()
    missing = [name for name in ("associationTypeId", "label") if not body.get(name)]
    if missing:
        raise attributes_not_set("PublicAssociationDefinitionUpdateRequest", missing)
    kind = _own_label(call, str(body["associationTypeId"]))
    one, other, links = call.table.kind.name, call.other.kind.name, call.store.links
    links.rename(one, other, replace(kind, label=str(body["label"])))
    if body.get("inverseLabel"):
        back = links.kinds(other, one)[kind.inverse]
        links.rename(other, one, replace(back, label=str(body["inverseLabel"])))
    return Answer(204)


def archive_label(call: Call) -> Answer:
    """DELETE …/labels/{label}: from every association too."""
    kind = _own_label(call, call.params["label"])
    call.store.links.remove_label(call.table.kind.name, call.other.kind.name, kind)
    return Answer(204)


def checked_associations(call: Call, table: Table, item: Input) -> list[tuple[Table, int, list[Kind]]]:
    """Check the `associations` of a create: where each leads, and under which types."""
    checked = []
    for given in text_list(item, "associations"):
        if not isinstance(given, dict):
            raise bad_json("Expected an association")
        types = text_list(given, "types")
        other, kinds = _found(call, table, types)
        checked.append((other, _existing(other, end_of(given, "to")), kinds))
    return checked


def shown_associations(store: HubSpotStore, table: Table, number: int, asked: Sequence[str]) -> dict[str, object]:
    """Give a record's associations as a read with `associations` does; none without any."""
    shown: dict[str, object] = {}
    for name in asked:
        other = store.table(name)
        rows = store.links.of(table.kind.name, number, other.kind.name)
        if rows:
            results = [{"id": str(to), "type": kind.name.lower()} for to, kinds in rows for kind in kinds]
            shown[other.kind.name] = {"results": results}
    return {"associations": shown} if shown else {}


def pair_of(call: Call) -> Mapping[tuple[str, int], Kind]:
    """Give the kinds of the path's pair, which must be one that can be associated."""
    one, other = call.table.kind, call.other.kind
    pair = call.store.links.kinds(one.name, other.name)
    if not pair:
        raise invalid(f"No association types exist between {one.type_id} and {other.type_id}")
    return pair


def _own_label(call: Call, type_id: str) -> Kind:
    kind = pair_of(call).get(("USER_DEFINED", whole(type_id) or 0))
    if kind is None or kind.label is None:
        raise not_found(f"There is no association label with the type id {type_id}")
    return kind


def _kinds(call: Call, types: Sequence[object]) -> list[Kind]:
    if not types:
        raise attributes_not_set("PublicAssociationMultiPost", ["types"])
    pair = pair_of(call)
    kinds = [pair.get(key) for key in map(_key, types)]
    unknown = [key for key, kind in zip(map(_key, types), kinds, strict=True) if kind is None]
    if unknown:
        raise _no_such_type(call.table, call.other, unknown[0])
    return [kind for kind in kinds if kind is not None]


def _found(call: Call, table: Table, types: Sequence[object]) -> tuple[Table, list[Kind]]:
    """Find the one object type that all of these association types lead to."""
    if not types:
        raise attributes_not_set("PublicAssociationsForObject", ["types"])
    keys, links = [_key(one) for one in types], call.store.links
    for name in links.partners(table.kind.name):
        pair = links.kinds(table.kind.name, name)
        if all(key in pair for key in keys):
            return call.store.tables[name], [pair[key] for key in keys]
    raise _no_such_type(table, None, keys[0])


def _key(given: object) -> tuple[str, int]:
    if not isinstance(given, dict):
        raise bad_json("Expected an association type")
    category, type_id = given.get("associationCategory"), whole(str(given.get("associationTypeId")))
    if not isinstance(category, str) or type_id is None:
        raise attributes_not_set("AssociationSpec", ["associationCategory", "associationTypeId"])
    return category, type_id


def _no_such_type(one: Table, other: Table | None, key: tuple[str, int]) -> HubSpotError:
    where = f"from {one.kind.type_id}" if other is None else f"between {one.kind.type_id} and {other.kind.type_id}"
    return invalid(f"There is no association type {key[1]} of category {key[0]} {where}")


def both_ends(call: Call, item: Input) -> tuple[int, int]:
    """Give both records of an input, which must be there and not be one and the same."""
    number, to = _existing(call.table, end_of(item, "from")), _existing(call.other, end_of(item, "to"))
    if call.table is call.other and number == to:
        raise invalid(f"Object {number} cannot be associated to itself ({number})")
    return number, to


def end_of(item: Input, name: str) -> str:
    """Take the id of one of an input's two records."""
    end = item.get(name)
    return id_of(end.get("id") if isinstance(end, dict) else None)


def id_of(value: object) -> str:
    """Read a record id, which must be there."""
    if value in (None, ""):
        raise attributes_not_set("PublicObjectId", ["id"])
    return str(value)


def _existing(table: Table, record_id: str) -> int:
    number = whole(record_id)
    if number is None:
        raise invalid(
            f"{record_id} is not a valid ID",
            subCategory="crm.associations.INVALID_IDENTIFIER",
            context={"id": [record_id]},
        )
    record = table.find(record_id)
    if record is None:
        raise invalid(f"{table.kind.label}={record_id} is not valid")
    return record.number


def _live(table: Table, record_id: str) -> int:
    record = table.find(table.survivor(record_id))
    if record is None:
        raise not_found()
    return record.number


def _put(call: Call, number: int, to: int, kinds: Sequence[Kind]) -> dict[str, object]:
    one, other = call.table, call.other
    call.store.link(one, number, other, to, kinds)
    return {
        "fromObjectTypeId": one.kind.type_id,
        "fromObjectId": number,
        "toObjectTypeId": other.kind.type_id,
        "toObjectId": to,
        "labels": [kind.label for kind in kinds if kind.label is not None],
    }


def _put_plain(call: Call, number: int, to: int) -> list[dict[str, object]]:
    one, other, links = call.table, call.other, call.store.links
    call.store.link(one, number, other, to, (), adds=True)
    kind = links.plain(one.kind.name, other.kind.name)
    return [
        {
            "from": {"id": str(start)},
            "to": {"id": str(end)},
            "associationSpec": {"associationCategory": kind.category, "associationTypeId": type_id},
        }
        for start, end, type_id in ((number, to, kind.type_id), (to, number, kind.inverse_id))
    ]


def _paged(
    rows: Sequence[tuple[int, Sequence[Kind]]], start: int, limit: int
) -> tuple[list[dict[str, object]], dict[str, object]]:
    page = [
        {"toObjectId": to, "associationTypes": [kind.shown() for kind in kinds]}
        for to, kinds in rows[start : start + limit]
    ]
    end = start + limit
    return page, {"paging": {"next": {"after": str(end)}}} if end < len(rows) else {}


def none_found(one: Table, other: Table, record_id: str) -> Error:
    """Say that a record has no association with another type."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {other.kind.singular} is associated with {one.kind.singular} {record_id}.",
        "context": {
            "fromObjectId": [record_id],
            "fromObjectType": [one.kind.singular],
            "toObjectType": [other.kind.singular],
        },
    }


def inputs_of(call: Call, most: int) -> list[Input]:
    """Take a batch's inputs out of the body."""
    inputs = call.json().get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise attributes_not_set("BatchInput", ["inputs"])
    if len(inputs) > most:
        raise invalid(
            f"The maximum number of inputs supported in a batch is {most}. "
            "Please reduce the number of items and try again"
        )
    return inputs


def _gone(call: Call) -> Answer:
    return Answer(204) if call.version == "v4" else batch_answer(call, 200, call.store.now(), [], [])
