"""Endpoints about associations: version 3's, where an association has one type, called by its name."""

from __future__ import annotations

from sandbox.hubspot import associations
from sandbox.hubspot.associations import Error, Input
from sandbox.hubspot.call import Answer, Call, batch_answer
from sandbox.hubspot.errors import HubSpotError, attributes_not_set, invalid
from sandbox.hubspot.links import Kind
from sandbox.hubspot.values import whole

MOST_READ = 1000
MOST_WRITTEN = 2000


def batch_read(call: Call) -> Answer:
    """POST …/batch/read: a row for each type of each association; 207 if some records have none."""
    one, other, started = call.table, call.other, call.store.now()
    associations.pair_of(call)
    results: list[dict[str, object]] = []
    errors: list[Error] = []
    for item in associations.inputs_of(call, MOST_READ):
        record_id = associations.id_of(item.get("id"))
        number = whole(record_id)
        rows = [] if number is None else call.store.links.of(one.kind.name, number, other.kind.name)
        if rows:
            ends = [{"id": str(to), "type": kind.name.lower()} for to, kinds in rows for kind in kinds]
            results.append({"from": {"id": record_id}, "to": ends})
        else:
            errors.append(associations.none_found(one, other, record_id))
    return batch_answer(call, 200, started, results, errors)


def batch_create(call: Call) -> Answer:
    """POST …/batch/create: adds a type to what the two records have."""
    started = call.store.now()
    results: list[dict[str, object]] = []
    errors: list[Error] = []
    for item in associations.inputs_of(call, MOST_WRITTEN):
        try:
            number, to = associations.both_ends(call, item)
            kind = _kind(call, item)
        except HubSpotError as refusal:
            errors.append(refusal.body())
        else:
            call.store.link(call.table, number, call.other, to, (kind,), adds=True)
            results.append({"from": {"id": str(number)}, "to": {"id": str(to)}, "type": kind.name.lower()})
    return batch_answer(call, 201, started, results, errors)


def batch_archive(call: Call) -> Answer:
    """POST …/batch/archive: 204, whatever was there."""
    for item in associations.inputs_of(call, MOST_WRITTEN):
        number, to = (whole(associations.end_of(item, name)) for name in ("from", "to"))
        kind = _kind(call, item)
        if number is not None and to is not None:
            call.store.unlink(call.table, number, call.other, to, (kind,))
    return Answer(204)


def list_types(call: Call) -> Answer:
    """GET …/types: the ids and names of every type of this pair."""
    kinds = associations.pair_of(call).values()
    return Answer(200, {"results": [{"id": str(kind.type_id), "name": kind.name.lower()} for kind in kinds]})


def _kind(call: Call, item: Input) -> Kind:
    """Find the type that an input names, or gives the id of."""
    given = str(item.get("type") or "").lower()
    if not given:
        raise attributes_not_set("PublicAssociation", ["type"])
    for kind in associations.pair_of(call).values():
        if given in {kind.name.lower(), str(kind.type_id)}:
            return kind
    raise invalid(f"{given} is not a valid association type between {call.table.kind.name} and {call.other.kind.name}")
