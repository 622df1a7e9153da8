"""Queries and their pages."""

from __future__ import annotations

import re
from datetime import timedelta

from starlette.responses import Response

from .call import Call, Cursor, Result
from .errors import refused
from .ids import make_id
from .queries import run
from .session import json_response
from .soql import parse

PAGE = 2_000
SMALLEST_PAGE = 200
LOCATOR_LIFE = timedelta(days=2)
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


async def query(call: Call) -> Response:
    """Answer the first page of a SOQL query."""
    view = call.view(deleted=call.request.url.path.rstrip("/").endswith("queryAll"))
    answer = run(parse(call.required("q")), view)
    size = _BATCH_SIZE.search(call.request.headers.get("sforce-query-options", ""))
    page = min(max(int(size[1]), SMALLEST_PAGE), PAGE) if size else PAGE
    return _page(call, Cursor(answer, page, call.org.clock.now()), 0, None)


async def query_more(call: Call) -> Response:
    """Answer a later page."""
    locator, _, start = call.path("locator").partition("-")
    cursor = call.server.cursors.get(locator)
    if (
        cursor is None
        or not start.isdigit()
        or int(start) >= cursor.answer.total
        or call.org.clock.now() - cursor.opened >= LOCATOR_LIFE
    ):
        raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, cursor, int(start), locator)


def _page(call: Call, cursor: Cursor, start: int, locator: str | None) -> Response:
    answer, end = cursor.answer, start + cursor.page
    body: Result = {"totalSize": answer.total, "done": end >= len(answer.rows)}
    if not body["done"]:
        if locator is None:
            locator = make_id("0r8", len(call.server.cursors) + 1)
            call.server.cursors[locator] = cursor
        resource = "queryAll" if "/queryAll" in call.request.url.path else "query"
        body["nextRecordsUrl"] = f"{call.prefix}/{resource}/{locator}-{end}"
    body["records"] = [answer.render(row) for row in answer.rows[start:end]]
    return json_response(body)


async def tooling_query(call: Call) -> Response:
    """Answer a SOQL query on definitions."""
    answer = run(parse(call.required("q")), call.view(tooling=True))
    records = [answer.render(row) for row in answer.rows]
    if len(records) > 1 and any("Metadata" in one or "FullName" in one for one in records):
        raise refused(
            "MALFORMED_QUERY",
            "When retrieving results with Metadata or FullName fields, the query "
            "qualifications must specify no more than one row for retrieval.",
        )
    return json_response(
        {
            "size": len(records),
            "totalSize": answer.total,
            "done": True,
            "queryLocator": None,
            "entityTypeName": answer.entity.name,
            "records": records,
        }
    )
