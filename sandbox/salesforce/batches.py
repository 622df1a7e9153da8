"""sObject Collections: up to 200 records in one call, answered row by row in request order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from starlette.responses import Response

from .call import Call, Result
from .errors import Problem, Refused, Unreadable, refused
from .ids import full_id
from .records import project
from .rows import EntityOf, Payload, RowWrite, deletes, inserts, updates, upserts
from .schema import Entity, Row
from .session import json_response
from .writes import external_id

MOST_ROWS = 200
MOST_RETRIEVED = 2_000
MOST_RUNS = 10  # of one type in a collection
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
    return _answer_rows(call, body, inserts(call.writer(), _typed(call), rows))


async def update_many(call: Call) -> Response:
    """Change up to 200 records."""
    body, rows = await _rows(call)
    return _answer_rows(call, body, updates(call.writer(), _typed(call), rows))


async def upsert_many(call: Call) -> Response:
    """Change or make up to 200 records by an external id."""
    body, rows = await _rows(call)
    _, entity = call.addressed()
    field = external_id(call.org, call.user_id, entity, call.path("field"))
    writes = upserts(call.writer(), entity, field, _typed(call), rows)
    return _answer_rows(call, body, writes, tell_created=True)


async def delete_many(call: Call) -> Response:
    """Delete up to 200 records."""
    ids = [one.strip() for one in call.required("ids").split(",")]
    _check_size(ids)
    all_or_none = call.request.query_params.get("allOrNone", "false").lower() == "true"
    return _answer_rows(call, {"allOrNone": all_or_none}, deletes(call.writer(), ids))


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


async def _rows(call: Call) -> tuple[Payload, list[Row]]:
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


def _typed(call: Call) -> EntityOf:
    """Make a finder of the object that a row says it is of."""
    view = call.view()
    found: dict[str, Entity | None] = {}

    def entity_of(row: Payload) -> Entity:
        name = _row_type(row)
        if name not in found:
            found[name] = view.entity(name)
        entity = found[name]
        if entity is None:
            raise refused("INVALID_TYPE", f"sObject type '{name}' is not supported.", ())
        return entity

    return entity_of


def _answer_rows(call: Call, body: Payload, writes: Sequence[RowWrite], *, tell_created: bool = False) -> Response:
    """Write rows in order and answer for each; with allOrNone, all or none are kept."""
    results: list[Result] = []
    failed: list[int] = []
    with call.org.transaction() as roll_back:
        for write in writes:
            try:
                record_id, created = write()
            except Unreadable:
                raise
            except Refused as refusal:
                failed.append(len(results))
                results.append(_failure(refusal))
            else:
                told = {"created": created} if tell_created else {}
                results.append({"id": record_id, "success": True, "errors": [], **told})
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


def _row_type(row: Payload) -> str:
    attributes = row.get("attributes")
    return str(attributes.get("type", "")) if isinstance(attributes, dict) else ""
