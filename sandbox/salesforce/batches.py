"""sObject Collections: up to 200 records in one call, answered row by row in request order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby

from starlette.responses import Response

from .call import Call, Result
from .errors import Problem, Refused, Unreadable, refused
from .ids import full_id
from .records import project
from .schema import Entity, Row
from .session import json_response
from .writes import create, delete, external_id, live_row, matches, update

MOST_ROWS = 200
MOST_RETRIEVED = 2_000
MOST_RUNS = 10  # of one type in a collection
_SUCCESS: Result = {"success": True, "errors": []}
_ROLLED_BACK: Result = {
    "success": False,
    "errors": [
        {
            "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "message": "Record rolled back because not all records were valid and the request was "
            "using AllOrNone header",
            "fields": [],
        }
    ],
}


async def create_many(call: Call) -> Response:
    """Make up to 200 records."""
    body, rows = await _rows(call)
    writer = call.writer()

    def write(row: Mapping[str, object]) -> Result:
        return {"id": create(writer, _row_entity(call, row), row), **_SUCCESS}

    return _answer_rows(call, body, [partial(write, row) for row in rows])


async def update_many(call: Call) -> Response:
    """Change up to 200 records."""
    body, rows = await _rows(call)
    writer = call.writer()
    asked_ids = [_row_id(row) for row in rows]
    repeated = _repeated([None if asked is None else full_id(asked) or asked for asked in asked_ids])

    def write(row: Mapping[str, object]) -> Result:
        entity, asked = _row_entity(call, row), _row_id(row)
        if asked is None:
            raise refused("MISSING_ARGUMENT", "Id not specified in an update call", ())
        if (full_id(asked) or asked) in repeated:
            raise refused("DUPLICATE_VALUE", f"Duplicate id specified: {asked}", ())
        found = live_row(call.org, entity, asked)
        fields = {name: value for name, value in row.items() if name.lower() != "id"}
        update(writer, entity, asked, fields)
        return {"id": found["Id"], **_SUCCESS}

    return _answer_rows(call, body, [partial(write, row) for row in rows])


async def upsert_many(call: Call) -> Response:
    """Change or make up to 200 records by an external id."""
    body, rows = await _rows(call)
    writer = call.writer()
    _, entity = call.addressed()
    field = external_id(call.org, call.user_id, entity, call.path("field"))
    keys = [_row_value(row, field.name) for row in rows]
    if field.type == "id":
        keys = [None if key is None else full_id(key) or key for key in keys]
    found = matches(call.org, entity, field, [key for key in keys if key is not None])
    fold = str if field.type == "id" or field.case_sensitive else str.lower
    repeated = _repeated([None if key is None else fold(key) for key in keys])

    def write(row: Mapping[str, object], key: str | None) -> Result:
        if _row_entity(call, row) is not entity:
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
        fields = {name: value for name, value in row.items() if name.lower() != "id"}
        if ids:
            update(writer, entity, ids[0], fields)
            return {"id": ids[0], **_SUCCESS, "created": False}
        if key is not None and field.type == "id":
            raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())
        return {"id": create(writer, entity, fields), **_SUCCESS, "created": True}

    calls = [partial(write, row, key) for row, key in zip(rows, keys, strict=True)]
    return _answer_rows(call, body, calls)


async def delete_many(call: Call) -> Response:
    """Delete up to 200 records."""
    ids = [one.strip() for one in call.required("ids").split(",")]
    _check_size(ids)
    writer = call.writer()

    def write(asked: str) -> Result:
        entity = call.org.schema.entity_of(asked)
        if entity is None or full_id(asked) is None:
            raise refused("MALFORMED_ID", f"malformed id {asked}", ())
        found = live_row(call.org, entity, asked)
        delete(writer, entity, asked)
        return {"id": found["Id"], **_SUCCESS}

    all_or_none = call.request.query_params.get("allOrNone", "false").lower() == "true"
    return _answer_rows(call, {"allOrNone": all_or_none}, [partial(write, one) for one in ids])


async def retrieve_many(call: Call) -> Response:
    """Read records by id, null for those that are not there."""
    view, entity = call.addressed()
    if call.request.method == "POST":
        body = await call.body()
        ids, fields = body.get("ids"), body.get("fields")
        if not isinstance(ids, list) or not isinstance(fields, list):
            raise refused("JSON_PARSER_ERROR", "ids and fields must be lists")
    else:
        ids = call.required("ids").split(",")
        fields = call.required("fields").split(",")
    if len(ids) > MOST_RETRIEVED:
        raise refused("EXCEEDED_ID_LIMIT", f"cannot retrieve more than {MOST_RETRIEVED} records")
    render = project(view, entity, [str(name) for name in fields])
    records: list[Result | None] = []
    for asked in ids:
        found = full_id(str(asked))
        if found is None or not found.startswith(entity.prefix):
            raise refused("MALFORMED_ID", f"malformed id {asked}")
        row = call.org.row(entity, found)
        records.append(None if row is None or row.get("IsDeleted") else render(row))
    return json_response(records)


async def _rows(call: Call) -> tuple[Mapping[str, object], list[Row]]:
    """Read the body of a collection call.request."""
    body = await call.body()
    rows = body.get("records")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refused("JSON_PARSER_ERROR", "records must be a list of objects")
    _check_size(rows)
    runs = sum(1 for _ in groupby(rows, key=_row_type))
    if runs > MOST_RUNS:
        raise refused(
            "LIMIT_EXCEEDED",
            f"Cannot have more than {MOST_RUNS} chunks in a single operation. Please rearrange "
            "the data to reduce chunking.",
        )
    return body, rows


def _row_entity(call: Call, row: Mapping[str, object]) -> Entity:
    name = _row_type(row)
    entity = call.view().entity(name)
    if entity is None:
        raise refused("INVALID_TYPE", f"sObject type '{name}' is not supported.", ())
    return entity


def _answer_rows(call: Call, body: Mapping[str, object], writes: Sequence[Callable[[], Result]]) -> Response:
    """Write rows in order and answer for each; with allOrNone, all or none are kept."""
    results: list[Result] = []
    failed: list[int] = []
    with call.org.transaction() as roll_back:
        for write in writes:
            try:
                results.append(write())
            except Unreadable:
                raise
            except Refused as refusal:
                failed.append(len(results))
                results.append(_failure(refusal))
        if failed and body.get("allOrNone") is True:
            roll_back()
            results = [result if at in failed else _ROLLED_BACK for at, result in enumerate(results)]
    return json_response(results)


def _failure(refusal: Refused) -> Result:
    """Write a row's refusal; a record that is not there has another code in a collection."""
    problems = [
        Problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ()) if one.code == "NOT_FOUND" else one
        for one in refusal.problems
    ]
    return {"success": False, "errors": [one.as_row_error() for one in problems]}


def _check_size(rows: Sequence[object]) -> None:
    if not rows:
        raise refused("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(rows) > MOST_ROWS:
        raise refused(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST_ROWS} records into this call"
        )


def _row_type(row: Mapping[str, object]) -> str:
    attributes = row.get("attributes")
    return str(attributes.get("type", "")) if isinstance(attributes, dict) else ""


def _row_value(row: Mapping[str, object], name: str) -> str | None:
    value = next((value for key, value in row.items() if key.lower() == name.lower()), None)
    return None if value is None or value == "" else str(value)


def _row_id(row: Mapping[str, object]) -> str | None:
    return _row_value(row, "Id")


def _repeated(keys: Sequence[str | None]) -> frozenset[str]:
    """Give the keys that occur more than once."""
    counts = Counter(key for key in keys if key is not None)
    return frozenset(key for key, count in counts.items() if count > 1)
