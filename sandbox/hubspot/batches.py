"""Endpoints about many records at once: read, create, update, upsert, archive.

A batch is checked as a whole before anything is stored. What is wrong with one input refuses the
batch, except where HubSpot answers 207: unknown ids in read and update, and any refusal in a
create whose inputs all carry their own trace id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.hubspot.associations import checked_associations
from sandbox.hubspot.call import LARGEST_PAGE_WITH_HISTORY, Answer, Call, batch_answer, names_to_show, text_list
from sandbox.hubspot.errors import (
    HubSpotError,
    InvalidValues,
    attributes_not_set,
    conflict,
    invalid,
)
from sandbox.hubspot.objects import (
    checked_create,
    checked_update,
    given_properties,
    written,
)
from sandbox.hubspot.tables import Record, Table, UniqueKey, Write

LARGEST_BATCH = 100
Input = Mapping[str, object]
Error = dict[str, object]


@dataclass(slots=True)
class Checked:
    """A batch after its check: writes with their inputs, errors of the others, ids not found."""

    writes: list[tuple[Input, Write]] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def batch_read(call: Call) -> Answer:
    """POST …/batch/read: records by id or by a unique property; 207 if some are not found."""
    table, body, started = call.table, call.json(), call.store.now()
    inputs = _inputs(body)
    id_property = _text(body.get("idProperty"))
    with_history = [str(n) for n in text_list(body, "propertiesWithHistory") if table.defined(str(n))]
    if with_history and len(inputs) > LARGEST_PAGE_WITH_HISTORY:
        raise _too_many(LARGEST_PAGE_WITH_HISTORY)
    found: dict[int, Record] = {}
    missing: list[str] = []
    for item in inputs:
        record = _sought(call, table, _id(item), id_property)
        if record is None:
            missing.append(_id(item))
        else:
            found[record.number] = record
    names = names_to_show(table, text_list(body, "properties"))
    results = [call.store.read(table, record, names, with_history) for _, record in sorted(found.items())]
    return batch_answer(call, 200, started, results, _not_found(table, missing))


def batch_create(call: Call) -> Answer:
    """POST …/batch/create: all or nothing, unless every input has its own trace id."""
    table, started = call.table, call.store.now()
    inputs = _inputs(call.json())

    def check(item: Input, claims: dict[UniqueKey, int]) -> Write:
        links = checked_associations(call, table, item)
        return checked_create(call, table, given_properties(item, "ObjectCreate"), claims)._replace(links=links)

    checked = _check(inputs, check, partial=_all_traced(inputs))
    return batch_answer(call, 201, started, _store(call, table, checked), checked.errors)


def batch_update(call: Call) -> Answer:
    """POST …/batch/update: 207 if some ids are not found; ids of merged records are not."""
    table, started = call.table, call.store.now()
    inputs = _inputs(call.json())
    _refuse_repeated(inputs)
    missing: list[str] = []

    def check(item: Input, claims: dict[UniqueKey, int]) -> Write | None:
        given = given_properties(item, "ObjectBatchUpdate")
        record = table.find(_id(item), _text(item.get("idProperty")))
        if record is None:
            missing.append(_id(item))
            # The values of an input that cannot be stored are checked all the same.
            call.store.check(table, given, normalises=call.normalises)
            return None
        return checked_update(call, table, record, given, claims)

    checked = _check(inputs, check, partial=call.store.partial_updates and _all_traced(inputs))
    results = _store(call, table, checked)
    return batch_answer(call, 200, started, results, checked.errors + _not_found(table, missing))


def batch_upsert(call: Call) -> Answer:
    """POST …/batch/upsert: by a unique property; each result says whether it is new."""
    table, started = call.table, call.store.now()
    inputs = _inputs(call.json())
    _refuse_repeated(inputs)
    by_email = any(item.get("idProperty") == "email" for item in inputs)

    def check(item: Input, claims: dict[UniqueKey, int]) -> Write:
        given = given_properties(item, "ObjectBatchUpsert")
        id_property, value = _text(item.get("idProperty")), _id(item)
        if id_property is None:
            raise attributes_not_set("ObjectBatchUpsert", ["idProperty"])
        record = table.find(value, id_property)
        if record is not None:
            return checked_update(call, table, record, given, claims)
        identity = {} if id_property == "hs_object_id" else {id_property: value}
        return checked_create(call, table, {**given, **identity}, claims)

    # By email, HubSpot documents, an upsert is never partial.
    partial = call.store.partial_updates and _all_traced(inputs) and not by_email
    checked = _check(inputs, check, partial=partial)
    results = _store(call, table, checked)
    for result, (_, write) in zip(results, reversed(checked.writes), strict=True):
        result["new"] = write.is_new
    return batch_answer(call, 200, started, results, checked.errors)


def batch_archive(call: Call) -> Answer:
    """POST …/batch/archive: 204, whether or not the records are there."""
    table = call.table
    for item in _inputs(call.json()):
        record = table.find(_id(item))
        if record is not None:
            call.store.archive(table, record)
    return Answer(204)


def _inputs(body: Mapping[str, object]) -> list[Input]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, dict) for i in inputs):
        raise attributes_not_set("BatchInput", ["inputs"])
    if len(inputs) > LARGEST_BATCH:
        raise _too_many(LARGEST_BATCH)
    return inputs


def _too_many(most: int) -> HubSpotError:
    return invalid(
        f"The maximum number of inputs supported in a batch is {most}. Please reduce the number of items and try again"
    )


def _id(item: Input) -> str:
    value = _text(item.get("id"))
    if not value:
        raise attributes_not_set("BatchInput", ["id"])
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _refuse_repeated(inputs: Sequence[Input]) -> None:
    repeated = [value for value, times in Counter(map(_id, inputs)).items() if times > 1]
    if repeated:
        raise invalid(
            f"Duplicate IDs found in batch input: [{', '.join(repeated)}]. IDs must be unique",
            context={"ids": repeated},
        )


def _all_traced(inputs: Sequence[Input]) -> bool:
    traces = [_text(item.get("objectWriteTraceId")) for item in inputs]
    return all(traces) and len(set(traces)) == len(traces)


def _sought(call: Call, table: Table, record_id: str, id_property: str | None) -> Record | None:
    if not call.flag("archived"):
        return table.find(record_id, id_property)
    return table.find_archived(record_id)


def _check(
    inputs: Sequence[Input],
    check: Callable[[Input, dict[UniqueKey, int]], Write | None],
    *,
    partial: bool,
) -> Checked:
    """Check every input in turn; `check` gives None for a record that is not found.

    Raises what HubSpot answers for the whole batch, unless `partial`.
    """
    checked = Checked()
    claims: dict[UniqueKey, int] = {}
    refusals: list[HubSpotError] = []
    for item in inputs:
        try:
            write = check(item, claims)
        except HubSpotError as refusal:
            refusals.append(refusal)
            checked.errors.append(_traced(item, refusal))
        else:
            if write is not None:
                checked.writes.append((item, write))
    if refusals and not partial:
        raise _together(refusals)
    return checked


def _together(refusals: Sequence[HubSpotError]) -> HubSpotError:
    """Make one refusal of a batch: all refused values, or else the first thing wrong."""
    values = [refusal for refusal in refusals if isinstance(refusal, InvalidValues)]
    if values:
        return InvalidValues(failure for refusal in values for failure in refusal.failures)
    first = refusals[0]
    if first.category == "CONFLICT":
        # A batch's conflict does not say which record it was.
        return conflict(first.message.partition(".")[0])
    return first


def _traced(item: Input, refusal: HubSpotError) -> Error:
    body = refusal.body()
    context = body.pop("context", {})
    trace = {"objectWriteTraceId": [str(item.get("objectWriteTraceId"))]}
    return {**body, "context": {**trace, **(context if isinstance(context, dict) else {})}}


def _store(call: Call, table: Table, checked: Checked) -> list[dict[str, object]]:
    """Store the checked writes, and show them in another order than the inputs'."""
    results, now = [], call.store.now()
    for item, write in checked.writes:
        shown = written(call, table, call.store.apply(table, write, now), write)
        trace = item.get("objectWriteTraceId")
        if trace is not None:
            shown["objectWriteTraceId"] = str(trace)
        results.append(shown)
    results.reverse()
    return results


def _not_found(table: Table, missing: Sequence[str]) -> list[Error]:
    if not missing:
        return []
    return [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": (
                f"Could not get some {table.kind.label} objects, "
                "they may be deleted or not exist. Check that ids are valid."
            ),
            "context": {"ids": list(missing)},
        }
    ]
