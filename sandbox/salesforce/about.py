"""What the org says of itself: its resources, limits and objects."""

from __future__ import annotations

from email.utils import format_datetime

from starlette.responses import Response

from .call import Call
from .describe import describe, describe_org
from .describe import outline as outline_of
from .session import json_response

_LIMITS = {
    "ConcurrentAsyncGetReportInstances": 200,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DataStorageMB": 10_240,
    "FileStorageMB": 10_240,
    "HourlyAsyncReportRuns": 1_200,
    "MassEmail": 5_000,
    "SingleEmail": 5_000,
}


async def resources(call: Call) -> Response:
    """List what a version offers."""
    prefix = call.prefix
    names = ("composite", "limits", "query", "queryAll", "sobjects", "tooling")
    return json_response({name: f"{prefix}/{name}" for name in names})


async def limits(call: Call) -> Response:
    """Tell the limits and what is left of them."""
    quota = call.server.store.daily_requests
    daily = {"Max": quota, "Remaining": quota - call.server.sessions.used()}
    others = {name: {"Max": most, "Remaining": most} for name, most in _LIMITS.items()}
    return json_response(dict(sorted({"DailyApiRequests": daily, **others}.items())))


async def record_count(call: Call) -> Response:
    """Count the records of objects; objects without records are left out."""
    view = call.view()
    names = call.request.query_params.get("sObjects")
    asked = [view.entity(name.strip()) for name in names.split(",")] if names else call.org.schema.entities()
    counts = [
        {"count": sum(1 for _ in view.rows(entity)), "name": entity.name}
        for entity in asked
        if entity is not None and not entity.tooling
    ]
    return json_response({"sObjects": [one for one in counts if one["count"]]})


async def global_describe(call: Call) -> Response:
    """List the objects."""
    return json_response(describe_org(call.view()))


async def outline(call: Call) -> Response:
    """Describe an object without its fields."""
    view, entity = call.addressed()
    return json_response(outline_of(view, entity))


async def describe_object(call: Call) -> Response:
    """Describe an object, unless it has not changed since the caller last asked."""
    view, entity = call.addressed()
    changed = call.org.changed.replace(microsecond=0)
    since = call.http_date("if-modified-since")
    headers = {"Last-Modified": format_datetime(changed, usegmt=True)}
    if since is not None and changed <= since:
        return Response(status_code=304, headers=headers)
    return json_response(describe(view, entity), headers=headers)
